package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	logmetrics "numberfleet.dev/numberfleet/controllers/metrics"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/degraded"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/bucket"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal/jetstream"
	"numberfleet.dev/numberfleet/internal/ledger/journal/pebble"
	"numberfleet.dev/numberfleet/internal/ledger/move"
	"numberfleet.dev/numberfleet/internal/presence"
	"numberfleet.dev/numberfleet/internal/scaledclock"
)

// sharesLog says whether the ledger is one that several replicas of the operator share.
func (p *program) sharesLog() bool { return p.config.Ledger.Engine == config.LogEngine }

// mostSkew is how far the clock of a replica may be from the log's, in real time.
const mostSkew = 30 * time.Second

// errNoElection is that nobody would say which of several replicas leads.
var errNoElection = errors.New("ledger.engine is Log, which replicas of the operator share: set --leader-elect, so that one of them writes statuses")

// openLedger opens the ledger that the configuration asks for. Should it not be able to go on, the process ends at once: what was acknowledged
// is in the journal, and the next start has it.
func (p *program) openLedger(ctx context.Context) (*ledger.Ledger, error) {
	options := ledger.Options{JournalBytes: p.journalBytes, Log: ctrl.Log.WithName("ledger")}
	options.Fatal = func(err error) {
		options.Log.Error(err, "The ledger cannot go on")
		os.Exit(1)
	}
	if p.sharesLog() {
		return p.openSharedLedger(ctx, options)
	}
	store, err := pebble.Open(p.dataDir, pebble.Options{Log: options.Log, Fatal: options.Fatal})
	if err != nil {
		return nil, err
	}
	options.Secret = store.Secret()
	return ledger.Open(store, options)
}

// openSharedLedger opens the ledger whose journal is the log of the configuration.
func (p *program) openSharedLedger(ctx context.Context, options ledger.Options) (l *ledger.Ledger, err error) {
	if options.Secret, err = p.config.Ledger.Log.Secret(); err != nil {
		return nil, err
	}
	journal, err := logOptions(p.config.Ledger.Log, options.Secret, p.clock, options.Log)
	if err != nil {
		return nil, err
	}
	log, err := move.Open(ctx, move.Options{Log: journal, Clock: clock.RealClock{}}, p.config.Ledger.Log.Next)
	if err != nil {
		return nil, err
	}
	measured := logmetrics.NewLog(log.Stats)
	if backup := p.config.Ledger.Log.Backup; backup != nil {
		options.SnapshotEvery, measured.BacksUp = backup.Every(), true
	}
	options.Clock, options.Rules, options.Applied, options.Cluster = clock.RealClock{}, p.clock, measured.ObserveAppend, p.config.Ledger.Log.Cluster
	options.Speed, options.Skew = p.lapse.speed, time.Duration(float64(mostSkew)*p.lapse.speed)
	unsynced := ""
	if !*p.config.Ledger.Log.RequireSync {
		unsynced = "nodes of the log that acknowledge before they have synced are accepted"
	}
	p.degraded.Set(degraded.LogNotSynced, "ledger.log.requireSync", unsynced)
	recovered := ""
	if is := log.Instance(); is != journal.Instance {
		recovered = fmt.Sprintf("the log %s lost something, and %s goes on with what replicas knew: name that one as ledger.log.instance, and another one as ledger.log.next", journal.Instance, is)
	}
	p.degraded.Set(degraded.LogRecovered, "ledger.log.instance", recovered)
	if l, err = ledger.Open(log, options); err != nil {
		return nil, err
	}
	go log.BackUp(ctx, l.Leads)
	measured.Ledger, p.lease.log = l, l
	return l, metrics.Registry.Register(measured)
}

// rulesClock is the clock by which the rules decide, and by which it is told what may be sent: of replicas, one whose clock is ahead goes by the log.
func (p *program) rulesClock(l *ledger.Ledger) scaledclock.Limited {
	limited := scaledclock.Limited{Clock: p.clock}
	if p.sharesLog() {
		limited.Limit = l.Latest
	}
	return limited
}

// logOptions are those of the log of a configuration.
func logOptions(of *config.Log, secret [16]byte, clock *scaledclock.Clock, log logr.Logger) (jetstream.Options, error) {
	o := jetstream.Options{
		Servers: of.Servers, Instance: of.Instance, Fingerprint: counts.NewHasher(secret).Fingerprint(),
		Credentials: of.CredentialsFile, CertificateAuthority: of.CAFile, Certificate: of.CertificateFile, Key: of.KeyFile,
		Replicas: of.Replicas, Retention: of.Retention(), AllowUnsynced: !*of.RequireSync, Time: clock.At, Log: log,
	}
	if of.Backup == nil {
		return o, nil
	}
	var err error
	o.Backup, err = bucket.Open(bucket.Options{
		Name: of.Backup.Bucket, Prefix: of.Backup.Prefix, Endpoint: of.Backup.Endpoint, Region: of.Backup.Region, PathStyle: *of.Backup.PathStyle,
		CertificateAuthority: of.Backup.CAFile, AccessKeyID: of.Backup.AccessKeyIDFile, SecretAccessKey: of.Backup.SecretAccessKeyFile,
		Encryption: bucket.Encryption(of.Backup.Encryption), KMSKeyID: of.Backup.KMSKeyID,
	})
	if err != nil {
		return o, fmt.Errorf("ledger.log.backup: %w", err)
	}
	return o, nil
}

// presence says since when the operator is here to receive: the log does where one is shared, and else a file, in which running notes it.
func (p *program) presence(ctx context.Context, running *sync.WaitGroup, l *ledger.Ledger) interface{ PresentSince() time.Time } {
	if p.sharesLog() {
		return l
	}
	failed := func(err error) {
		p.log.Error(err, "the operator may not know, after its next start, since when it was there")
	}
	here, err := presence.Open(filepath.Join(p.dataDir, "presence"), p.clock)
	if err != nil {
		failed(err)
	}
	running.Go(func() { here.Start(ctx, failed) })
	return here
}
