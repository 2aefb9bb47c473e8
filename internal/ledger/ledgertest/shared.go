package ledgertest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

// RunShared tests shared journals, and the ledgers that share them. Of a store of one several journals are open at a time.
func RunShared(t *testing.T, empty func() Store) {
	t.Helper()
	for _, test := range []struct {
		promise string
		holds   func(t *testing.T, empty func() Store)
	}{
		{"replicas at one position know the same, and the log alone says so", replicasAgree},
		{"a round that comes twice, or late, has no effect the second time", roundsCountOnce},
		{"senders at three replicas are answered as one after another", replicasAreLinearizable},
		{"senders at three replicas never exceed a limit or a budget", replicasAreNeverOver},
		{"only who led last controls", onlyTheLeaderControls},
		{"a leader that was paused changes nothing", pausedLeadersAreFenced},
		{"what is set last counts", whatIsSetLastCounts},
		{"a replica that is cut off says so in time, and recovers by itself", cutReplicasSaySo},
		{"what is known is as old as the last own round", ageIsOfTheLastOwnRound},
		{"an empty round is proposed only when no other was", heartbeatsFillGaps},
		{"a ledger is closed during a round", closedDuringARound},
	} {
		t.Run(test.promise, func(t *testing.T) {
			t.Parallel()
			test.holds(t, empty)
		})
	}
}

// cluster is some ledgers that share a log.
type cluster struct {
	store    Store
	network  network
	rules    *testingclock.FakePassiveClock
	replicas []*replica
}

// replica is a ledger of a cluster.
type replica struct {
	*ledger.Ledger
	connection *connection
	clock      *testingclock.FakeClock
	replaced   atomic.Int64 // how often it was told that another leads in its place
}

// newCluster opens some ledgers, the first of which leads. Time stands still.
func newCluster(t rapid.TB, store Store, replicas int) *cluster {
	t.Helper()
	c := &cluster{store: store, rules: testingclock.NewFakePassiveClock(begin)}
	c.network.quiet()
	for range replicas {
		c.replicas = append(c.replicas, c.open(t))
	}
	must(t, c.replicas[0].Lead(context.Background()))
	return c
}

func (c *cluster) open(t rapid.TB) *replica {
	t.Helper()
	r := &replica{connection: connect(c.journal(t), &c.network), clock: testingclock.NewFakeClock(begin)}
	var err error
	r.Ledger, err = ledger.Open(r.connection, ledger.Options{Clock: r.clock, Rules: c.rules, Replaced: func() { r.replaced.Add(1) }})
	must(t, err)
	return r
}

func (c *cluster) journal(t rapid.TB) journal.Shared {
	t.Helper()
	j, err := c.store.Open()
	must(t, err)
	return j.(journal.Shared)
}

func (c *cluster) close(t rapid.TB) {
	t.Helper()
	for _, r := range c.replicas {
		must(t, r.Close())
	}
}

// read reads all rounds of the log.
func (c *cluster) read(t rapid.TB, call func(position uint64, r *counts.Round) error) {
	t.Helper()
	j := c.journal(t)
	must(t, j.Replay(0, call))
	must(t, j.Close())
}

// catchUp returns when a replica knows all that was answered before.
func (r *replica) catchUp(t rapid.TB) {
	t.Helper()
	_, err := r.Operate(context.Background(), []counts.Operation{nothing}, begin)
	must(t, err)
}

// nothing is an operation that changes nothing, as its reservation was never made.
var nothing = counts.Operation{Kind: counts.Release, ID: counts.ReservationID{0xff}}

// eventually waits until something holds that others are about to do.
func eventually(holds func() bool) {
	for !holds() {
		time.Sleep(time.Millisecond)
	}
}

var errEnough = errors.New("enough was read")

// alone is the state to which the rounds of the log up to a position lead.
func (c *cluster) alone(t rapid.TB, position uint64) string {
	t.Helper()
	m := counts.NewMachine()
	j := c.journal(t)
	err := j.Replay(0, func(at uint64, r *counts.Round) error {
		if at > position {
			return errEnough
		}
		m.Apply(at, r)
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	must(t, j.Close())
	return state(m)
}

// agree fails the test unless every replica knows what the log alone leads to.
func (c *cluster) agree(t rapid.TB) {
	t.Helper()
	for i, r := range c.replicas {
		must(t, r.Lead(context.Background()))
		must(t, r.Snapshot(context.Background()))
		if got, want := printed(r.connection.savedRows), c.alone(t, r.connection.savedAt); got != want {
			t.Fatalf("at position %d replica %d has\n%.600s\nand the log alone leads to\n%.600s", r.connection.savedAt, i, got, want)
		}
	}
}
