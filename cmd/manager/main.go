// Command manager is the operator: it receives Meta's webhooks, counts, and keeps the status of every PhoneNumber at what
// the rules conclude.
package main

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // every way to authenticate that a kubeconfig may name
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"numberfleet.dev/numberfleet/internal/scaledclock"
	"numberfleet.dev/numberfleet/internal/tracing"
	"numberfleet.dev/numberfleet/internal/version"
)

// none is the address of what is not served.
const none = "0"

type flags struct {
	metricsAddress, probeAddress, webhookAddress, eventsAddress, guardAddress, scalerAddress string
	metricsCerts, webhookCerts, eventsCerts, guardCerts, scalerCerts, scalerClientCA         string
	webhookCredentials, eventsAudiences                                                      string
	dataDir, configFile                                                                      string
	journalBytes                                                                             int64
	leaderElect                                                                              bool
	leaderElectionNamespace                                                                  string
	batchPeriod, refreshPeriod                                                               time.Duration
	refreshQPS                                                                               float64
	concurrency                                                                              int
	http2                                                                                    bool
	lapse                                                                                    lapse
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
	flag.StringVar(&f.webhookCerts, "webhook-cert-path", "", "Folder with tls.crt and tls.key of the receiver, which waits for them; plain HTTP, for an ingress that ends TLS, where it is left out.")
	flag.StringVar(&f.eventsAddress, "events-bind-address", none, "Address of the event API, over HTTPS and for authorised callers; 0 for none.")
	flag.StringVar(&f.eventsCerts, "events-cert-path", "", "Folder with tls.crt and tls.key of the event API, which waits for them; without it the API is served on loopback only.")
	flag.StringVar(&f.eventsAudiences, "events-audiences", "numberfleet", "What the tokens of the event API's and the guard's callers must be for, separated by commas; empty for tokens of the Kubernetes API itself.")
	flag.StringVar(&f.guardAddress, "guard-bind-address", none, "Address of the guard in front of Meta's Graph API, over HTTPS; 0 for none. The configuration says how it knows its callers.")
	flag.StringVar(&f.guardCerts, "guard-cert-path", "", "Folder with tls.crt and tls.key of the guard, which waits for them; without it the guard is served on loopback only.")
	flag.StringVar(&f.scalerAddress, "scaler-bind-address", none, "Address at which KEDA asks what may be sent, over gRPC; 0 for none.")
	flag.StringVar(&f.scalerCerts, "scaler-cert-path", "", "Folder with tls.crt and tls.key of the scaler, which waits for them; without TLS where it is left out.")
	flag.StringVar(&f.scalerClientCA, "scaler-client-ca-file", "", "File with certificates that sign those of the scaler's callers; callers need none where it is left out.")
	flag.StringVar(&f.configFile, "config", "", "File with the operator's configuration, read once at the start. It may be missing: then the defaults apply.")
	flag.StringVar(&f.dataDir, "data-dir", "/var/lib/numberfleet", "Folder of the ledger with the engine Embedded, which one process has open at a time. Not used with the engine Log of the configuration.")
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
	setLogger := sync.OnceFunc(func() { ctrl.SetLogger(zap.New(zap.UseFlagOptions(&logging))) })

	root := &cobra.Command{
		Use: "manager", Short: "Run the operator", Version: version.Line(), Args: cobra.NoArgs, SilenceErrors: true, SilenceUsage: true,
		PersistentPreRun: func(*cobra.Command, []string) { setLogger() },
		RunE:             func(cmd *cobra.Command, _ []string) error { return operate(cmd.Context(), f) },
	}
	root.Flags().AddGoFlagSet(flag.CommandLine)
	root.AddCommand(ledgerCommand(&f), crdsCommand(), checkCommand(&f))
	if err := root.ExecuteContext(ctrl.SetupSignalHandler()); err != nil {
		setLogger() // where the command line is wrong, nothing ran before
		ctrl.Log.WithName("manager").Error(err, "cannot go on")
		os.Exit(1)
	}
}

// lastSpans is how long the export of the last spans may take at the end.
const lastSpans = 5 * time.Second

// operate runs the operator until ctx is done.
func operate(ctx context.Context, f flags) error {
	log := ctrl.Log.WithName("manager")
	log.Info("starting", "version", version.Release(), "commit", version.Commit(), "tracing", tracing.Configured())
	ctx = ctrl.LoggerInto(ctx, log)
	end, err := tracing.Begin(ctx, version.Release())
	if err != nil {
		return err
	}
	program, err := newProgram(f, log)
	if err == nil {
		err = program.run(ctx)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSpans)
	defer cancel()
	if lost := end(ending); lost != nil {
		log.Info("The last traces could not be exported", "problem", lost.Error())
	}
	return err
}

// validate refuses values of flags that nothing could work with.
func (f *flags) validate() error {
	if f.refreshPeriod < 0 {
		return fmt.Errorf("--status-refresh-period is %s: it must not be negative", f.refreshPeriod)
	}
	if math.IsNaN(f.refreshQPS) || f.refreshQPS < 0.001 || f.refreshQPS > 1000 {
		return fmt.Errorf("--status-refresh-qps is %g: it must be between 0.001 and 1000", f.refreshQPS)
	}
	return nil
}

// clock is that of the rules, as the flags say it.
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
