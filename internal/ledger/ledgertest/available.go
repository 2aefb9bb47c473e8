package ledgertest

import (
	"errors"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Who asks a replica that is cut off is told after ledger.MaximumAge that the log cannot be reached, and after that at once. When the
// replica is connected again it answers, without another start, and has what was under way.
func cutReplicasSaySo(t *testing.T, empty func() Store) {
	t.Helper()
	c := newCluster(t, empty(), 2)
	must(t, c.replicas[0].Configure(counts.Settings{Senders: []counts.SenderSetting{{Number: number}}, Limits: []counts.LimitSetting{limitOf(1)}}))
	r := c.replicas[1]
	told := func(operation counts.Operation) chan error {
		err := make(chan error, 1)
		waiting, appended := r.clock.Waiters(), r.connection.appended.Load()
		go func() {
			_, failed := r.Operate(t.Context(), []counts.Operation{operation}, begin)
			err <- failed
		}()
		eventually(func() bool { return r.clock.Waiters() > waiting && r.connection.appended.Load() > appended })
		return err
	}
	r.connection.cut()
	first := told(reserve(1))
	r.clock.Step(ledger.MaximumAge - time.Millisecond)
	if len(first) > 0 || r.Fresh() != nil {
		t.Errorf("it is told too early: %v", r.Fresh())
	}
	r.clock.Step(2 * time.Millisecond)
	if err := <-first; !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("who asks a replica that is cut off is answered %v", err)
	}
	if err := r.Fresh(); !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("what it knows is too old, and it says %v", err)
	}
	if _, err := r.Append(t.Context(), batchOf(0), begin); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("who asks after that is answered %v", err)
	}
	r.connection.mend()
	eventually(func() bool { return r.Fresh() == nil })
	r.catchUp(t)
	if _, found := r.Reservation(reserve(1).ID); !found {
		t.Error("the reservation that was under way is not known")
	}
	c.agree(t)
	c.close(t)
}

// How old what a replica knows may be is counted from when it asked for the last round that it has applied, not from when that came.
func ageIsOfTheLastOwnRound(t *testing.T, empty func() Store) {
	t.Helper()
	c := newCluster(t, empty(), 2)
	r := c.replicas[1]
	if age := r.Age(); age != 0 {
		t.Errorf("after the start it is %s", age)
	}
	r.connection.out.close()
	appended := r.connection.appended.Load()
	r.clock.Step(250 * time.Millisecond) // a round is proposed now
	eventually(func() bool { return r.connection.appended.Load() > appended })
	r.clock.Step(200 * time.Millisecond)
	old := r.Age()
	if old != 450*time.Millisecond {
		t.Errorf("while nothing comes it is %s", old)
	}
	must(t, c.replicas[0].Configure(counts.Settings{Limits: []counts.LimitSetting{limitOf(1)}}))
	eventually(func() bool { return len(r.Settings().Limits) == 1 })
	if age := r.Age(); age != old {
		t.Errorf("a round of another makes it %s", age)
	}
	r.connection.out.open()
	eventually(func() bool { return r.Age() != old })
	if age := r.Age(); age != 200*time.Millisecond {
		t.Errorf("after a round that was under way for 200 ms it is %s", age)
	}
	c.close(t)
}

// A replica that proposes something each 125 ms proposes nothing else; one that does not proposes an empty round after 250 ms.
func heartbeatsFillGaps(t *testing.T, empty func() Store) {
	t.Helper()
	c := newCluster(t, empty(), 1)
	r := c.replicas[0]
	before := r.connection.appended.Load()
	const busy = 20
	for range busy {
		r.clock.Step(125 * time.Millisecond)
		r.catchUp(t)
	}
	if got := r.connection.appended.Load() - before; got != busy {
		t.Errorf("%d rounds are proposed of %d operations", got, busy)
	}
	for n := range int64(4) {
		r.clock.Step(250 * time.Millisecond)
		eventually(func() bool { return r.Age() == 0 })
		if got := r.connection.appended.Load() - before; got != busy+n+1 {
			t.Errorf("%d rounds are proposed after %d operations and %d times 250 ms", got, busy, n+1)
		}
	}
	c.close(t)
}

// Whoever waits for a round that is under way, or that waits itself, is told that the ledger is closed. What the round has may be applied
// elsewhere, once.
func closedDuringARound(t *testing.T, empty func() Store) {
	t.Helper()
	c := newCluster(t, empty(), 2)
	leader, r := c.replicas[0], c.replicas[1]
	must(t, leader.Configure(counts.Settings{Senders: []counts.SenderSetting{{Number: number}}, Limits: []counts.LimitSetting{limitOf(9)}}))
	r.catchUp(t)
	const waiting = 5
	told := make(chan error, waiting)
	timers := r.clock.Waiters()
	r.connection.cut()
	for user := range byte(waiting) {
		go func() {
			_, err := r.Operate(t.Context(), []counts.Operation{reserve(user + 1)}, begin)
			told <- err
		}()
	}
	eventually(func() bool { return r.clock.Waiters() >= timers+waiting })
	must(t, r.Close())
	for range waiting {
		if err := <-told; !errors.Is(err, ledger.ErrClosed) {
			t.Errorf("who waited for a ledger that was closed is told %v", err)
		}
	}
	if err := r.Close(); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("closed again it says %v", err)
	}
	c.replicas = c.replicas[:1]
	c.agree(t)
	c.close(t)
}
