package ledgertest

import (
	"errors"
	"testing"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// What a ledger sets that does not lead, or that led before another, has no effect anywhere, and it is told. What it counts and reserves
// has.
func onlyTheLeaderControls(t *testing.T, empty func() Store) {
	t.Helper()
	c := newCluster(t, empty(), 3)
	first, second, third := c.replicas[0], c.replicas[1], c.replicas[2]
	must(t, first.Configure(counts.Settings{Senders: []counts.SenderSetting{{Number: number}}, Limits: []counts.LimitSetting{limitOf(3)}}))
	must(t, first.SetPortfolio("one", []string{"+15550100002"}))
	must(t, second.Lead(t.Context()))
	must(t, second.Configure(counts.Settings{Limits: []counts.LimitSetting{limitOf(4)}}))
	for _, r := range []*replica{first, third} {
		for what, err := range map[string]error{
			"settings":  r.Configure(counts.Settings{Limits: []counts.LimitSetting{limitOf(9)}}),
			"windows":   r.SetWindows(number, counts.Windows{}),
			"portfolio": r.SetPortfolio("one", []string{number}),
			"claim":     r.Claim("1", number),
		} {
			if !errors.Is(err, ledger.ErrFenced) {
				t.Errorf("who does not lead sets %s, and is answered %v", what, err)
			}
		}
	}
	decide(t, first.Ledger, reserve(1), counts.Held)
	for i, r := range c.replicas {
		r.catchUp(t)
		if s := r.Settings(); s.Limits[0].Limit != 4 || r.HasPortfolio(counts.Portfolio{Name: "one", Numbers: []string{number}}) || r.HasClaim(counts.Claim{ID: "1", Number: number}) ||
			r.Windows(number) == (counts.Windows{}) {
			t.Errorf("replica %d knows what was set by one that does not lead: %+v", i, s)
		}
		if held := r.Reserved(number, begin); held != 1 {
			t.Errorf("replica %d knows of %d users that one held that does not lead", i, held)
		}
	}
	c.agree(t)
	c.close(t)
}

// A leader that is paused after it asked the log for a round, and goes on when another leads, is told that it does not lead: who opened it too,
// since nothing that it sets has an effect any more. So is one whose round comes to the log again.
func pausedLeadersAreFenced(t *testing.T, empty func() Store) {
	t.Helper()
	c := newCluster(t, empty(), 2)
	first, second := c.replicas[0], c.replicas[1]
	c.network.delaying()
	must(t, first.Configure(counts.Settings{Limits: []counts.LimitSetting{limitOf(1)}}))
	c.network.quiet()

	appended := first.connection.appended.Load()
	first.connection.cut()
	told := make(chan error)
	go func() { told <- first.Configure(counts.Settings{Limits: []counts.LimitSetting{limitOf(2)}}) }()
	eventually(func() bool { return first.connection.appended.Load() > appended })
	must(t, second.Lead(t.Context()))
	must(t, second.Configure(counts.Settings{Limits: []counts.LimitSetting{limitOf(3)}}))
	first.connection.mend()
	if err := <-told; !errors.Is(err, ledger.ErrFenced) {
		t.Errorf("a leader that was paused is answered %v", err)
	}
	if first.replaced.Load() != 1 || first.Leads() || second.replaced.Load() != 0 || !second.Leads() {
		t.Errorf("the leader that was paused is told %d times that another leads, and the other one %d times", first.replaced.Load(), second.replaced.Load())
	}
	must(t, second.connection.appendAll(c.network.all()))
	for i, r := range c.replicas {
		r.catchUp(t)
		if s := r.Settings(); len(s.Limits) != 1 || s.Limits[0].Limit != 3 {
			t.Errorf("replica %d knows %+v, which a leader before has set", i, s.Limits)
		}
	}
	c.agree(t)
	c.close(t)
}

// What a leader sets, and is told too late about, is still on its way: until that is applied nothing is compared with what is known, so that what
// is set last is what counts.
func whatIsSetLastCounts(t *testing.T, empty func() Store) {
	t.Helper()
	c := newCluster(t, empty(), 1)
	leader := c.replicas[0]
	set := func(limit int64) error {
		return leader.Configure(counts.Settings{Limits: []counts.LimitSetting{limitOf(limit)}})
	}
	must(t, set(1))
	leader.connection.cut()
	waiting := leader.clock.Waiters()
	told := make(chan error)
	go func() { told <- set(9) }()
	eventually(func() bool { return leader.clock.Waiters() > waiting })
	leader.clock.Step(ledger.MaximumAge)
	if err := <-told; !errors.Is(err, ledger.ErrUnavailable) {
		t.Fatalf("who sets a limit while the log is away is answered %v", err)
	}
	if err := set(1); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("who sets the limit before that, while another is on its way, is answered %v", err)
	}
	leader.connection.mend()
	eventually(func() bool { return set(1) == nil })
	leader.catchUp(t)
	if got := leader.Settings().Limits[0].Limit; got != 1 {
		t.Errorf("the limit is %d: 1 was set last", got)
	}
	c.close(t)
}
