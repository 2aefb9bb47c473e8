package ledger_test

import (
	"slices"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/journal/memory"
)

// Who keeps what it knows of a log that lost something names the others who were there until the end: who may have told somebody what it alone knows. One
// that ended long before is not one of them; of one that ended before a replica began it cannot be told how long before that was.
func TestWhoWasThereIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		seconds int // since one has ended
		named   int
	}{"one has just ended": {1, 2}, "one has ended long before": {6, 1}} {
		t.Run(name, func(t *testing.T) {
			log, clock := memory.NewLog(), testingclock.NewFakeClock(begin)
			open := func() *ledger.Ledger {
				l, err := ledger.Open(log.Open(), ledger.Options{Clock: clock, Rules: clock, Fatal: func(error) {}})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = l.Close() })
				return l
			}
			ended, leader, other := open(), open(), open()
			if err := leader.Lead(t.Context()); err != nil {
				t.Fatal(err)
			}
			appends := func(to ...*ledger.Ledger) {
				t.Helper()
				for i, l := range to {
					if _, err := l.Append(t.Context(), delivery(i), clock.Now()); err != nil {
						t.Fatal(err)
					}
				}
			}
			appends(ended)
			if err := ended.Close(); err != nil {
				t.Fatal(err)
			}
			for range c.seconds {
				clock.Step(time.Second)
				appends(leader, other, leader, other)
			}
			log.Lose(4) // of which both have read some, whatever they proposed beside these
			for len(log.Kept()) < 2 {
				clock.Step(time.Second)
				time.Sleep(time.Millisecond)
			}
			kept := log.Kept()
			for i, k := range kept {
				if another := kept[1-i].Proposer; len(k.Beside) != c.named || !slices.Contains(k.Beside, another) || slices.Contains(k.Beside, k.Proposer) {
					t.Errorf("%d names %d, and %d was there too", k.Proposer, k.Beside, another)
				}
			}
		})
	}
}
