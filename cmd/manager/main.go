// Command manager is the operator: it receives Meta's webhooks, counts, and keeps the status of every PhoneNumber at what
// the rules conclude.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // every way to authenticate that a kubeconfig may name
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers"
	"numberfleet.dev/numberfleet/controllers/directory"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ingest/events"
	"numberfleet.dev/numberfleet/internal/ingest/webhook"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/journal/pebble"
	"numberfleet.dev/numberfleet/internal/presence"
	"numberfleet.dev/numberfleet/internal/receipts"
	"numberfleet.dev/numberfleet/internal/scaledclock"
	"numberfleet.dev/numberfleet/internal/secret"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/unclaimed"
)

// version is set by the build.
var version = "dev"

// none is the address of what is not served.
const none = "0"

// leaderElectionID names the lease.
const leaderElectionID = "manager.numberfleet.dev"

type flags struct {
	metricsAddress, probeAddress, webhookAddress, eventsAddress string
	metricsCerts, webhookCerts, eventsCerts                     string
	webhookCredentials, eventsAudiences                         string
	dataDir, config                                             string
	journalBytes                                                int64
	leaderElect                                                 bool
	leaderElectionNamespace                                     string
	batchPeriod, refreshPeriod                                  time.Duration
	refreshQPS                                                  float64
	concurrency                                                 int
	http2                                                       bool
	lapse                                                       lapse
}

// lapse is the clock of a fleet that lives faster than real time.
type lapse struct {
	speed          float64
	anchor, origin string
}

func main() {
	var f flags
	flag.StringVar(&f.webhookAddress, "webhook-bind-address", ":8080", "Address of the receiver of Meta's webhooks.")
	flag.StringVar(&f.webhookCredentials, "webhook-credentials", "/etc/numberfleet/webhook", "Folder with the files app-secret and verify-token, and app-secret-previous during a rotation; read again when they change. Empty where all apps are in the configuration.")
	flag.StringVar(&f.webhookCerts, "webhook-cert-path", "", "Folder with tls.crt and tls.key of the receiver; plain HTTP, for an ingress that ends TLS, where it is left out.")
	flag.StringVar(&f.eventsAddress, "events-bind-address", none, "Address of the event API, over HTTPS and for authorised callers; 0 for none.")
	flag.StringVar(&f.eventsCerts, "events-cert-path", "", "Folder with tls.crt and tls.key of the event API, which waits for them; without it the API is served on loopback only.")
	flag.StringVar(&f.eventsAudiences, "events-audiences", "numberfleet", "What the tokens of the event API's callers must be for, separated by commas; empty for tokens of the Kubernetes API itself.")
	flag.StringVar(&f.config, "config", "", "File with the operator's configuration, read once; where there is no such file, all is as without one.")
	flag.StringVar(&f.dataDir, "data-dir", "/var/lib/numberfleet", "Folder of the ledger. One process has it open at a time.")
	flag.Int64Var(&f.journalBytes, "ledger-journal-bytes", 64<<20, "Size of the ledger's journal at which a snapshot is taken. The larger, the fewer are taken, and the longer a start takes.")
	flag.StringVar(&f.metricsAddress, "metrics-bind-address", ":8443", "Address of the metrics, over HTTPS and for authorised callers; 0 for none.")
	flag.StringVar(&f.metricsCerts, "metrics-cert-path", "", "Folder with tls.crt and tls.key of the metrics; a certificate of their own where it is left out.")
	flag.StringVar(&f.probeAddress, "health-probe-bind-address", ":8081", "Address of /healthz and /readyz.")
	flag.BoolVar(&f.leaderElect, "leader-elect", false, "Reconcile only while holding the lease.")
	flag.StringVar(&f.leaderElectionNamespace, "leader-election-namespace", "", "Namespace of the lease and of what the operator remembers of receivers; the pod's own where it is left out.")
	flag.DurationVar(&f.batchPeriod, "batch-period", time.Second, "How long a burst of events about a number is gathered into one reconcile.")
	flag.DurationVar(&f.refreshPeriod, "status-refresh-period", time.Minute, "How long after a write of a resource's status its counts are refreshed at the earliest, if nothing is decided; at once where used crosses 50, 80, 90, 95 or 100 % of the limit.")
	flag.Float64Var(&f.refreshQPS, "status-refresh-qps", 5, "How many statuses are written a second for their counts alone, at most; those first that changed most. Decisions are written at once.")
	flag.IntVar(&f.concurrency, "concurrency", 8, "How many numbers are reconciled at a time.")
	flag.BoolVar(&f.http2, "enable-http2", false, "Serve the metrics over HTTP/2 as well.")
	flag.Float64Var(&f.lapse.speed, "time-lapse-speed", 1, "How many times faster than real time the rules' clock runs. For trying things out: Meta's events must come from a source with the same clock.")
	flag.StringVar(&f.lapse.anchor, "time-lapse-anchor", "", "Real instant, in RFC 3339, at which the rules' clock showed time-lapse-origin; the start where it is left out.")
	flag.StringVar(&f.lapse.origin, "time-lapse-origin", "", "What the rules' clock showed then, in RFC 3339; the same instant where it is left out.")
	logging := zap.Options{}
	logging.BindFlags(flag.CommandLine)
	flag.Parse()
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&logging)))

	logger := ctrl.Log.WithName("manager")
	logger.Info("starting", "version", version)
	if err := run(ctrl.LoggerInto(ctrl.SetupSignalHandler(), logger), f); err != nil {
		logger.Error(err, "the operator cannot go on")
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) (err error) {
	if f.refreshPeriod < 0 {
		return fmt.Errorf("--status-refresh-period is %s: it must not be negative", f.refreshPeriod)
	}
	if math.IsNaN(f.refreshQPS) || f.refreshQPS < 0.001 || f.refreshQPS > 1000 {
		return fmt.Errorf("--status-refresh-qps is %g: it must be between 0.001 and 1000", f.refreshQPS)
	}
	clk, err := f.lapse.clock(clock.RealClock{})
	if err != nil {
		return err
	}
	configuration, found, err := config.Load(f.config)
	if err != nil {
		return err
	}
	ctrl.LoggerFrom(ctx).Info("configuration", "file", f.config, "found", found, "receivers", len(configuration.Notifications.Receivers),
		"accounts", len(configuration.GraphAPI.Accounts), "apps", len(configuration.Webhooks.Apps),
		"namespacesOfPrometheus", len(configuration.Prometheus.Namespaces))
	manager, err := newManager(f)
	if err != nil {
		return err
	}

	watcher, err := newSecretWatcher(f, configuration)
	if err != nil {
		return err
	}
	if err := manager.Add(watcher); err != nil {
		return err
	}
	receiver, credentials, err := newReceiver(manager, f, configuration.Webhooks, clk)
	if err != nil {
		return err
	}
	eventAPI, err := newEventReceiver(manager, f, clk)
	if err != nil {
		return err
	}
	// The receivers answer before there is a ledger: they ask senders to try again while a large one is read. They answer what
	// is under way after the manager has stopped; should one fail, the manager stops too.
	ctx, fail := context.WithCancel(ctx)
	defer fail()
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	servers := []*server.Server{{
		Name: "the webhook receiver", Listener: server.Listener{Address: f.webhookAddress, CertDir: f.webhookCerts}, Handler: receiver, Log: ctrl.Log.WithName("webhook"),
	}}
	if eventAPI != nil {
		servers = append(servers, &server.Server{
			Name: "the event API", Listener: server.Listener{Address: f.eventsAddress, CertDir: f.eventsCerts, Tokens: true}, Handler: eventAPI,
			Log: ctrl.Log.WithName("event-api"),
		})
	}
	stopped := make(chan error, len(servers))
	for _, server := range servers {
		go func() {
			err := server.Start(background)
			fail()
			stopped <- err
		}()
	}
	for _, of := range credentials {
		go of.Watch(background)
	}
	var book *ledger.Ledger
	defer func() {
		stop()
		for range servers {
			err = errors.Join(err, <-stopped)
		}
		// Last of all, after the receivers have answered what was under way.
		if book != nil {
			err = errors.Join(err, book.Close())
		}
	}()

	if book, err = openLedger(f, ctrl.Log.WithName("ledger")); err != nil {
		return err
	}

	there, err := presence.Open(filepath.Join(f.dataDir, "presence"), clk)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "the operator may not know, after its next start, since when it was there")
	}
	var noted sync.WaitGroup
	defer func() {
		stop()
		noted.Wait()
	}()
	noted.Go(func() {
		there.Start(background, func(err error) {
			ctrl.LoggerFrom(ctx).Error(err, "the operator may not know, after its next start, since when it was there")
		})
	})
	known, err := newNumbers(ctx, manager.GetCache(), book)
	if err != nil {
		return err
	}
	received := &unclaimed.Collector{}
	backend := ingest.Backend{Ledger: book, Hasher: book.Hasher(), Known: known.has, Unclaimed: received, Receipts: receipts.New()}
	receiver.SetBackend(&backend)
	if eventAPI != nil {
		eventAPI.SetBackend(&backend)
	}

	namespace, err := operatorNamespace(f)
	if err != nil && len(configuration.Notifications.Receivers) > 0 {
		return err
	} else if err != nil {
		ctrl.LoggerFrom(ctx).Info("what no PhoneNumber claims is told in the log and in metrics only", "problem", err.Error())
	}
	options := controllers.Options{
		Config: configuration, Clock: clk, Real: clock.RealClock{}, Ledger: book, Hasher: book.Hasher(), Receipts: backend.Receipts, Unclaimed: received, Presence: there,
		BatchPeriod: f.batchPeriod, RefreshPeriod: f.refreshPeriod, RefreshQPS: f.refreshQPS, Concurrency: f.concurrency,
		Namespace: namespace, UserAgent: "numberfleet/" + version, Registry: metrics.Registry,
	}
	if f.webhookCredentials == "" { // otherwise there is an app whose id is not known
		options.Apps = configuration.Webhooks.AppIDs
	}
	if err := controllers.Setup(ctx, manager, &options); err != nil {
		return err
	}

	if err := manager.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return err
	}
	if err := manager.AddReadyzCheck("webhook", receiver.Ready); err != nil {
		return err
	}
	return manager.Start(ctx)
}

// openLedger opens the ledger in the folder of data. Should it not be able to go on, the process ends at once: what was acknowledged is in the
// folder, and the next start has it.
func openLedger(f flags, log logr.Logger) (*ledger.Ledger, error) {
	fatal := func(err error) {
		log.Error(err, "The ledger cannot go on")
		os.Exit(1)
	}
	store, err := pebble.Open(f.dataDir, pebble.Options{Log: log, Fatal: fatal})
	if err != nil {
		return nil, err
	}
	return ledger.Open(store, ledger.Options{JournalBytes: f.journalBytes, Secret: store.Secret(), Log: log, Fatal: fatal})
}

// newSecretWatcher watches all files that secrets are to be in.
func newSecretWatcher(f flags, configured *config.OperatorConfiguration) (*secret.Watcher, error) {
	files := configured.Secrets()
	if f.webhookCredentials != "" {
		files = append(files, webhook.SecretFiles("--webhook-credentials", f.webhookCredentials)...)
	}
	for i, app := range configured.Webhooks.Apps {
		files = append(files, webhook.SecretFiles(fmt.Sprintf("webhooks.apps[%d].credentials", i), app.Credentials)...)
	}
	watcher, err := secret.NewWatcher(files, metrics.Registry, ctrl.Log.WithName("secrets"))
	if err != nil {
		return nil, fmt.Errorf("set up the watch of secrets: %w", err)
	}
	return watcher, nil
}

// newReceiver is the receiver of Meta's webhooks, for all apps that are configured, and their credentials.
func newReceiver(manager ctrl.Manager, f flags, configured config.Webhooks, clk *scaledclock.Clock) (*webhook.Receiver, []*webhook.Credentials, error) {
	log := ctrl.Log.WithName("webhook")
	options := webhook.Options{Owners: directory.Directory{Reader: manager.GetCache()}, Clock: clk, Metrics: metrics.Registry, Log: log}
	var all []*webhook.Credentials
	if f.webhookCredentials != "" {
		options.Credentials = webhook.NewCredentials(f.webhookCredentials, log)
		all = append(all, options.Credentials)
	}
	for _, app := range configured.Apps {
		credentials := webhook.NewCredentials(app.Credentials, log.WithValues("app", app.Name))
		options.Apps = append(options.Apps, webhook.App{Name: app.Name, Credentials: credentials, Accounts: app.Accounts})
		all = append(all, credentials)
	}
	receiver, err := webhook.NewReceiver(options)
	if err != nil {
		return nil, nil, fmt.Errorf("set up the receiver of webhooks: %w", err)
	}
	return receiver, all, nil
}

// newEventReceiver is the event API; nil if it is not to be served.
func newEventReceiver(manager ctrl.Manager, f flags, clk *scaledclock.Clock) (*events.Receiver, error) {
	if f.eventsAddress == none || f.eventsAddress == "" {
		return nil, nil
	}
	access, err := server.NewAccess(manager.GetConfig(), manager.GetHTTPClient(), strings.FieldsFunc(f.eventsAudiences, func(r rune) bool { return r == ',' || r == ' ' }))
	if err != nil {
		return nil, err
	}
	return events.NewReceiver(events.Options{
		Access: access, Directory: directory.Directory{Reader: manager.GetCache()}, Clock: clk, Metrics: metrics.Registry, Log: ctrl.Log.WithName("event-api"),
	})
}

// namespaceFile tells a pod its namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// operatorNamespace is where the operator keeps what is its own.
func operatorNamespace(f flags) (string, error) {
	if f.leaderElectionNamespace != "" {
		return f.leaderElectionNamespace, nil
	}
	namespace, err := os.ReadFile(namespaceFile)
	if err != nil {
		return "", fmt.Errorf("the operator's namespace is not known outside of a cluster, set --leader-election-namespace: %w", err)
	}
	return strings.TrimSpace(string(namespace)), nil
}

// authorised lets through to the metrics whom the API server says may read them. Strangers have it ask no more than 20 times a
// second.
func authorised(api *rest.Config, client *http.Client) (metricsserver.Filter, error) {
	api = rest.CopyConfig(api)
	api.QPS, api.Burst = 20, 50
	return filters.WithAuthenticationAndAuthorization(api, client)
}

func newManager(f flags) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	api, err := ctrl.GetConfig()
	if err != nil {
		return nil, err
	}
	api.UserAgent = "numberfleet/" + version

	serving := metricsserver.Options{
		BindAddress:    f.metricsAddress,
		SecureServing:  true,
		FilterProvider: authorised,
		CertDir:        f.metricsCerts,
	}
	if !f.http2 {
		serving.TLSOpts = append(serving.TLSOpts, func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} })
	}
	return ctrl.NewManager(api, ctrl.Options{
		Scheme:                  scheme,
		Metrics:                 serving,
		HealthProbeBindAddress:  f.probeAddress,
		LeaderElection:          f.leaderElect,
		LeaderElectionID:        leaderElectionID,
		LeaderElectionNamespace: f.leaderElectionNamespace,
		// Safe since the process ends at once when the manager does.
		LeaderElectionReleaseOnCancel: true,
		Cache:                         cache.Options{DefaultTransform: controllers.TrimCache},
		// A reconcile sees the status that the one before it wrote; without it, half of them would decide on an old one, and
		// the write be refused.
		Client: client.Options{Cache: &client.CacheOptions{EnableReadYourWritesConsistency: new(true)}},
	})
}

func (l lapse) clock(real clock.PassiveClock) (*scaledclock.Clock, error) {
	if l.speed == 1 && l.anchor == "" && l.origin == "" {
		return scaledclock.Real(real), nil
	}
	anchor := real.Now()
	if l.anchor != "" {
		t, err := time.Parse(time.RFC3339, l.anchor)
		if err != nil {
			return nil, fmt.Errorf("--time-lapse-anchor: %w", err)
		}
		anchor = t
	}
	origin := anchor
	if l.origin != "" {
		t, err := time.Parse(time.RFC3339, l.origin)
		if err != nil {
			return nil, fmt.Errorf("--time-lapse-origin: %w", err)
		}
		origin = t
	}
	return scaledclock.New(real, anchor, origin, l.speed)
}

// numbers knows which phone numbers resources name.
type numbers struct {
	cache    client.Reader
	informer cache.Informer
	book     *ledger.Ledger
}

func newNumbers(ctx context.Context, of cache.Cache, book *ledger.Ledger) (*numbers, error) {
	informer, err := of.GetInformer(ctx, &v1alpha1.PhoneNumber{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("look at the numbers: %w", err)
	}
	return &numbers{of, informer, book}, nil
}

// has reports whether a resource claims the number, by any of its names. Before the resources are known each number may be one of theirs: whoever
// sent a webhook is not to wait until the API server has told.
func (n *numbers) has(number string) bool {
	return !n.informer.HasSynced() || directory.Named(context.Background(), n.cache, number) ||
		slices.ContainsFunc(n.book.Names(number), func(name string) bool { return directory.Named(context.Background(), n.cache, name) })
}
