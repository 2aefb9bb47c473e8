package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/config"
)

// Among replicas another one leads, and goes on with the statuses, at most 10 s after the leader was killed: once its lease has run out, and
// the other one has looked. It looks so often that it leads within a second where the leader gives its lease up. A leader that cannot renew its
// lease ends, which stops nothing where there are others. A single process keeps its lease longer.
const (
	replicaLease = 6 * time.Second
	replicaRenew = 4 * time.Second
	replicaRetry = 200 * time.Millisecond
	// replicaWrite is how long a leader goes without a write: it is asked to renew at each retry. It ends before its lease has run out: replicaWrite
	// and replicaRenew are less than replicaLease.
	replicaWrite = time.Second
)

// mostLeaderAge is how old what the leader knows of the log may be: longer than the log takes to elect a leader of its own.
const mostLeaderAge = 20 * time.Second

// lease is that of replicas: one that does not hear from the log, or whose clock is wrong, neither takes it nor keeps it. What it would say is of
// another time, and it can set nothing.
type lease struct {
	resourcelock.Interface
	log interface { // what the replica knows; set before the manager starts
		Age() time.Duration
		OnTime() error
	}
	clock clock.PassiveClock

	mu      sync.Mutex
	holder  string      // as far as is known here
	renewed metav1.Time // by whoever holds it,
	seen    time.Time   // and when that was seen here
	written time.Time   // by this replica, while it leads
}

// newLease makes the lease in the operator's namespace.
func newLease(f *flags, api *rest.Config) (*lease, error) {
	namespace, err := f.namespace()
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	holder := resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())}
	lock, err := resourcelock.NewFromKubeconfig(resourcelock.LeasesResourceLock, namespace, config.LeaseName, holder, api, replicaRenew)
	return &lease{Interface: lock, clock: clock.RealClock{}}, err
}

// Ready says why a replica is not ready: it does not hear from the log, and another one does, which has the lease. Where none hears from it, all
// are ready, to answer what can be answered without the log.
func (l *lease) Ready(fresh error) error {
	if fresh == nil || !l.held() {
		return nil
	}
	return fresh
}

// held says whether a replica renews the lease, as far as is known here.
func (l *lease) held() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.seen.IsZero() && l.clock.Since(l.seen) <= replicaLease
}

// see notes who holds the lease, and that it was renewed, if it was since it was last seen.
func (l *lease) see(record *resourcelock.LeaderElectionRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holder = record.HolderIdentity
	if record.HolderIdentity != "" && !record.RenewTime.Equal(&l.renewed) {
		l.renewed, l.seen = record.RenewTime, l.clock.Now()
	}
}

// Get implements resourcelock.Interface.
func (l *lease) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err == nil {
		l.see(record)
	}
	return record, raw, err
}

// Create implements resourcelock.Interface.
func (l *lease) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if err := l.mayHold(record); err != nil {
		return err
	}
	err := l.Interface.Create(ctx, record)
	if err == nil {
		l.see(&record)
	}
	return err
}

// Update implements resourcelock.Interface.
func (l *lease) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if err := l.mayHold(record); err != nil {
		return err
	}
	if l.isRenewed(record) || l.isAnothers(record) {
		return nil
	}
	err := l.Interface.Update(ctx, record)
	if err == nil {
		l.see(&record)
		l.wrote(record)
	}
	return err
}

// isRenewed says whether this replica has renewed its lease less than replicaWrite ago, as the record would.
func (l *lease) isRenewed(record resourcelock.LeaderElectionRecord) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return record.HolderIdentity == l.Identity() && !l.written.IsZero() && l.clock.Since(l.written) < replicaWrite
}

// isAnothers says whether the record would give up a lease that another replica has taken. A leader that was paused gives its lease up without a
// look at who holds it by then.
func (l *lease) isAnothers(record resourcelock.LeaderElectionRecord) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return record.HolderIdentity == "" && l.holder != "" && l.holder != l.Identity()
}

// wrote notes that the record was written: a renewal, or that the lease is given up.
func (l *lease) wrote(record resourcelock.LeaderElectionRecord) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.written = time.Time{}
	if record.HolderIdentity == l.Identity() {
		l.written = l.clock.Now()
	}
}

// mayHold says why this replica may not hold the lease. It may always give it up.
func (l *lease) mayHold(record resourcelock.LeaderElectionRecord) error {
	if record.HolderIdentity == "" {
		return nil
	}
	if age := l.log.Age(); age > mostLeaderAge {
		return fmt.Errorf("a replica that has not heard from the log for %s does not lead", age.Round(time.Second))
	}
	if err := l.log.OnTime(); err != nil {
		return fmt.Errorf("a replica whose clock is wrong does not lead: %w", err)
	}
	return nil
}
