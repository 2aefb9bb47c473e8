package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"numberfleet.dev/numberfleet/controllers"
	"numberfleet.dev/numberfleet/controllers/directory"
	expose "numberfleet.dev/numberfleet/controllers/metrics"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/degraded"
	"numberfleet.dev/numberfleet/internal/gate"
	gateapi "numberfleet.dev/numberfleet/internal/gate/api"
	"numberfleet.dev/numberfleet/internal/guard"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ingest/events"
	"numberfleet.dev/numberfleet/internal/ingest/webhook"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/receipts"
	"numberfleet.dev/numberfleet/internal/scaledclock"
	"numberfleet.dev/numberfleet/internal/scaler"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/standing"
	"numberfleet.dev/numberfleet/internal/unclaimed"
)

// program is all that the process runs.
type program struct {
	flags
	config  *config.OperatorConfiguration // of the file that a flag names
	clock   *scaledclock.Clock            // of the rules
	manager ctrl.Manager
	told    *expose.Exposition // of resources, at a scrape
	lease   *lease             // of replicas; nil where there is one
	probes  probes
	log     logr.Logger
	// degraded tells what the process lacks, and is ready without.
	degraded *degraded.Reporter

	webhooks    *webhook.Receiver
	credentials []*webhook.Credentials // of the apps whose webhooks are received
	events      *events.Receiver       // nil where the event API is not served
	gate        *gateapi.API           // as events
	guard       *guard.Guard           // nil where it is not served
	access      *server.Access         // of callers with tokens of the cluster
}

// newProgram sets up what needs no ledger. Nothing runs yet.
func newProgram(f flags, log logr.Logger) (*program, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	configuration, found, err := config.Load(f.configFile)
	if err != nil {
		return nil, err
	}
	log.Info("configuration", "file", f.configFile, "found", found, "receivers", len(configuration.Notifications.Receivers),
		"accounts", len(configuration.GraphAPI.Accounts), "apps", len(configuration.Webhooks.Apps),
		"namespacesOfPrometheus", len(configuration.Prometheus.Namespaces))
	p := &program{flags: f, config: configuration, log: log, told: &expose.Exposition{Log: ctrl.Log.WithName("metrics")}, degraded: degraded.NewReporter(metrics.Registry, log)}
	if p.sharesLog() && !f.leaderElect {
		return nil, errNoElection
	}
	if p.clock, err = f.lapse.clock(clock.RealClock{}); err != nil {
		return nil, err
	}
	if p.manager, p.lease, err = newManager(f, p.sharesLog(), p.told); err != nil {
		return nil, err
	}
	for _, setUp := range []func() error{p.watchFiles, p.setUpWebhooks, p.setUpAccess, p.setUpEvents, p.setUpGuard} {
		if err := setUp(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// run runs the operator until ctx is done or one of its parts fails. This is what starts when, and what outlives what:
//
//	             start                                            stop
//	probes       |-- alive ---------------|-- ready ---------------|-- alive ---|------------|
//	servers      |-- answer "try again" --|-- receive -------------|-- finish --|
//	credentials  |-- are watched ---------|------------------------|------------|
//	ledger       |-- is read -------------|-- keeps and counts ----|------------|-- closes --|
//	presence                              |-- is noted ------------|------------|            unless the log of several replicas tells
//	manager                               |-- caches, controllers -|
//
// The servers answer before there is a ledger, so that senders try again while a large one is read. They answer what is under way
// after the manager has stopped, and the ledger outlives them: what they acknowledge is durable. All of it runs in every replica, but for
// the controllers, which run while this process leads. Where a server fails, all stop.
func (p *program) run(ctx context.Context) error {
	ctx, end := startAll(ctx, p.probes.servers(p.probeAddress))
	err := p.serve(ctx)
	return errors.Join(err, end())
}

// startAll starts servers, which outlive ctx: end has them finish. The context that it returns is done where one of them fails, too.
func startAll(ctx context.Context, servers []*server.Server) (failing context.Context, end func() error) {
	outliving, stop := context.WithCancel(context.WithoutCancel(ctx))
	failing, fail := context.WithCancel(ctx)
	var running errgroup.Group
	for _, s := range servers {
		running.Go(func() error {
			defer fail()
			return s.Start(outliving)
		})
	}
	return failing, func() error {
		defer fail()
		stop()
		return running.Wait()
	}
}

// serve runs all but the probes.
func (p *program) serve(ctx context.Context) error {
	serving, finish := startAll(ctx, p.servers())
	beside, stop := context.WithCancel(context.WithoutCancel(ctx)) // what outlives the manager
	defer stop()
	var running sync.WaitGroup
	for _, credentials := range p.credentials {
		running.Go(func() { credentials.Watch(beside) })
	}

	l, err := p.openLedger(serving)
	if err == nil {
		err = p.manage(serving, l, p.presence(beside, &running, l))
	}
	err = errors.Join(err, finish())
	stop()
	running.Wait()
	if l != nil {
		p.waitForLog(ctx, l)
		err = errors.Join(err, l.Close())
	}
	return err
}

// waitForLog returns when the ledger hears from its log, unless the process is told to end: this one may alone know what it has acknowledged. If the log
// lost that, the ledger finds so as soon as it hears from it, keeps what it knows, and ends the process. A leader gets here that has lost its lease, since it
// had not heard from the log.
func (p *program) waitForLog(ctx context.Context, l *ledger.Ledger) {
	if ctx.Err() != nil || l.Age() <= ledger.MaximumAge {
		return
	}
	p.log.Info("The log is waited for before the process ends, which may alone know something of it: it serves nothing meanwhile")
	ticker := time.NewTicker(ledger.MaximumAge / 10)
	defer ticker.Stop()
	for l.Age() > ledger.MaximumAge {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// manage has the servers receive, and runs the manager until ctx is done: its caches, and its controllers while it leads.
func (p *program) manage(ctx context.Context, l *ledger.Ledger, here interface{ PresentSince() time.Time }) error {
	claims, err := directory.NewClaims(ctx, p.manager.GetCache(), l)
	if err != nil {
		return err
	}
	backend := &ingest.Backend{Ledger: l, Hasher: l.Hasher(), Known: claims.Known, Unclaimed: &unclaimed.Collector{}, Receipts: receipts.New()}
	p.webhooks.SetBackend(backend)
	if p.events != nil {
		p.events.SetBackend(backend)
	}

	namespace, err := p.namespace()
	if err != nil && len(p.config.Notifications.Receivers) > 0 {
		return err
	} else if err != nil {
		p.log.Info("what no PhoneNumber claims is told in the log and in metrics only", "problem", err.Error())
	}
	options := controllers.Options{
		Config: p.config, Clock: p.rulesClock(l), Real: clock.RealClock{}, Ledger: l, Hasher: l.Hasher(), Receipts: backend.Receipts,
		Unclaimed: backend.Unclaimed, Presence: here, Webhooks: p.webhooks, BatchPeriod: p.batchPeriod, RefreshPeriod: p.refreshPeriod, RefreshQPS: p.refreshQPS,
		Concurrency: p.concurrency, Namespace: namespace, UserAgent: userAgent(), Registry: metrics.Registry, Exposition: p.told,
	}
	if p.webhookCredentials == "" { // otherwise there is an app whose id is not known
		options.Apps = p.config.Webhooks.AppIDs
	}
	stands, err := controllers.Setup(ctx, p.manager, &options)
	if err != nil {
		return err
	}
	if err := p.openGate(l, stands); err != nil {
		return err
	}
	if err := p.addScaler(l, stands); err != nil {
		return err
	}
	serves := func() error { return p.serves(l) }
	p.probes.serving.Store(&serves)
	defer p.probes.serving.Store(nil)
	return p.manager.Start(ctx)
}

// serves says why the process is not ready while its servers receive: of several replicas, others hear from the log, and this one does not. What it lacks of
// its configuration does not count: it serves the rest.
func (p *program) serves(l *ledger.Ledger) error {
	if !p.sharesLog() {
		return nil
	}
	return p.lease.Ready(l.Fresh())
}

// openGate has the gate decide from now on, and its API and the guard answer.
func (p *program) openGate(l *ledger.Ledger, stands *standing.Source) error {
	service, err := gate.New(gate.Options{
		Ledger: l, Directory: p.directory(), Clock: p.clock, Real: clock.RealClock{}, Recorder: p.manager.GetEventRecorder("numberfleet"),
		Metrics: metrics.Registry, Log: ctrl.Log.WithName("gate"),
	})
	if err != nil {
		return err
	}
	if p.gate != nil {
		p.gate.SetBackend(&gateapi.Backend{Gate: service, Standing: stands, Ledger: l})
	}
	if p.guard != nil {
		p.guard.SetBackend(&guard.Backend{Gate: service, Names: l})
	}
	return p.manager.Add(service)
}

// addScaler has the manager serve the scaler, if it is to be served.
func (p *program) addScaler(l *ledger.Ledger, stands *standing.Source) error {
	if !served(p.scalerAddress) {
		return nil
	}
	serving, err := scaler.New(scaler.Options{
		Listener: server.Listener{Address: p.scalerAddress, CertDir: p.scalerCerts, ClientCAFile: p.scalerClientCA}, Standing: stands,
		Clock: p.rulesClock(l), Real: clock.RealClock{}, Ledger: l, Informers: p.manager.GetCache(), Metrics: metrics.Registry, Log: ctrl.Log.WithName("scaler"),
	})
	if err != nil {
		return err
	}
	return p.manager.Add(serving)
}
