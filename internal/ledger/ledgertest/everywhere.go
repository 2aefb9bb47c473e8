package ledgertest

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

const sendersEverywhere, asksEverywhere = 16, 40

// askEverywhere has senders ask at any replica while replicas are cut off, one at a time. Who asks at one that is cut off asks again at
// another; the first time may be decided after the second.
func (c *cluster) askEverywhere(t *testing.T, some func(rng *rand.Rand, sender, n int, last porcupine.Operation) ask, h *history) {
	t.Helper()
	var mu sync.Mutex
	off, asked := 0, 0 // who is cut off
	disturb := func(rng *rand.Rand) {
		mu.Lock()
		defer mu.Unlock()
		switch asked++; asked % 16 {
		case 8:
			off = rng.IntN(len(c.replicas))
			c.replicas[off].connection.cut()
		case 0:
			c.replicas[off].connection.mend()
			c.replicas[off].catchUp(t) // what was asked there is answered before the next cut
		}
	}
	var asking, attempts sync.WaitGroup
	for sender := range sendersEverywhere {
		asking.Go(func() {
			rng := rand.New(rand.NewPCG(0, uint64(sender))) //nolint:gosec // a test that is the same each time
			var last porcupine.Operation
			for n := range asksEverywhere {
				disturb(rng)
				a := some(rng, sender, n, last)
				for at, answered := sender, false; !answered; at++ {
					r := c.replicas[at%len(c.replicas)]
					done := make(chan porcupine.Operation, 1)
					attempts.Go(func() { done <- h.ask(t, r.Ledger, sender, a) })
					select {
					case last = <-done:
						answered = true
					case <-r.connection.out.isClosed():
					}
				}
			}
		})
	}
	asking.Wait()
	if asked%16 >= 8 {
		c.replicas[off].connection.mend()
	}
	attempts.Wait()
}

// Whatever is answered at any replica would have been answered by one, see answersAreLinearizable: also to who asks again elsewhere under
// the same id, of which the first time is decided as well, before or after.
func replicasAreLinearizable(t *testing.T, empty func() Store) {
	t.Helper()
	c := newCluster(t, empty(), 3)
	must(t, c.replicas[0].Configure(sharedSettings()))
	for limit := range sharedLimits {
		must(t, c.replicas[0].SetPortfolio(sharedName(limit), sharedNumbers(limit)))
	}
	c.network.disturbed(1)
	var h history
	c.askEverywhere(t, func(rng *rand.Rand, sender, n int, _ porcupine.Operation) ask {
		return someAsk(rng, sendersEverywhere, sender, n)
	}, &h)
	h.check(t, sharedLimit, true)
	c.agree(t)
	c.close(t)
}

// At no position of the log are more users counted and held than a limit or a budget has, and what was granted is held until it ends.
func replicasAreNeverOver(t *testing.T, empty func() Store) {
	t.Helper()
	c := newCluster(t, empty(), 3)
	settings := sharedSettings()
	for i := range settings.Limits {
		settings.Limits[i].Budgets = []counts.BudgetSetting{
			{Name: "first", Categories: []counts.Category{counts.Marketing}, Maximum: counts.Amount{Set: true, N: 2}},
			{Name: "second", Categories: []counts.Category{counts.Utility}, Guaranteed: counts.Amount{Set: true, N: 2}},
		}
	}
	must(t, c.replicas[0].Configure(settings))
	for limit := range sharedLimits {
		must(t, c.replicas[0].SetPortfolio(sharedName(limit), sharedNumbers(limit)))
	}
	c.network.disturbed(2)
	var h history
	c.askEverywhere(t, func(rng *rand.Rand, sender, n int, last porcupine.Operation) ask {
		if was, asked := last.Input.(ask); asked && was.Kind == counts.Reserve {
			if got := last.Output.(answer); got.Granted() { // it is sent, or released
				was.of, was.Kind = question(rng.IntN(3)/2), counts.Release
				return was
			}
		}
		a := ask{limit: sender % sharedLimits}
		a.Kind, a.ID, a.Message = counts.Reserve, counts.ReservationID{1, byte(sender), byte(n)}, counts.MessageKey(sender<<8|n+1)
		a.User, a.Number, a.TTL = counts.UserKey(rng.IntN(4*sharedLimit)+1), sharedNumbers(a.limit)[rng.IntN(2)], 600
		a.Category = []counts.Category{counts.NoCategory, counts.Marketing, counts.Utility}[rng.IntN(3)]
		return a
	}, &h)

	granted := map[counts.ReservationID]bool{}
	for _, o := range h.all {
		if got := o.Output.(answer); got.Granted() {
			granted[got.ID] = true
		}
	}
	m, full := counts.NewMachine(), map[string]bool{}
	c.read(t, func(position uint64, r *counts.Round) error {
		for _, applied := range m.Apply(position, r) {
			for _, d := range applied.Decisions {
				if d.Granted() {
					delete(granted, d.ID)
				}
			}
		}
		for limit := range sharedLimits {
			subject := counts.PortfolioKey(sharedName(limit))
			used, held := m.Count(subject, v1alpha1.MeasureUniqueUsers, begin.Add(-24*time.Hour), begin), m.Reserved(subject, begin)
			if used+held > sharedLimit {
				t.Fatalf("at position %d %d users are counted and %d held of %d", position, used, held, sharedLimit)
			}
			full["limit"] = full["limit"] || used+held == sharedLimit
			for _, b := range m.Budgets(subject, begin) {
				if b.Maximum >= 0 && b.Used+b.Held > b.Maximum {
					t.Fatalf("at position %d a budget is %+v", position, b)
				}
				full["budget"] = full["budget"] || b.Used+b.Held == b.Maximum
			}
		}
		return nil
	})
	if len(granted) > 0 {
		t.Errorf("%d reservations were granted of which the log knows nothing", len(granted))
	}
	if !full["limit"] || !full["budget"] {
		t.Errorf("what was reached at all: %v", full)
	}
	c.agree(t)
	c.close(t)
}
