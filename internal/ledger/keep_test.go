package ledger_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/ledger/journal/memory"
)

// Who keeps what it knows of a log that lost something names the others who were there until the end: who may have told somebody what it alone knows. One
// that ended long before is not one of them, whether a replica was there then or has begun since.
func TestWhoWasThereIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		seconds int  // since one has ended
		late    bool // another one begins after that
		named   int
	}{
		"one has just ended":                          {1, false, 2},
		"one has ended long before":                   {6, false, 1},
		"one has ended just before another one began": {1, true, 2},
		"one has ended long before another one began": {6, true, 1},
	} {
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
			appends := func(to ...*ledger.Ledger) {
				t.Helper()
				for i, l := range to {
					if _, err := l.Append(t.Context(), delivery(i), clock.Now()); err != nil {
						t.Fatal(err)
					}
				}
			}
			ended, there := open(), []*ledger.Ledger{open()}
			if !c.late {
				there = append(there, open())
			}
			appends(ended)
			if err := ended.Close(); err != nil {
				t.Fatal(err)
			}
			for range c.seconds {
				clock.Step(time.Second)
				appends(there...)
			}
			if c.late {
				there = append(there, open())
			}
			appends(there...)
			log.Lose(1)
			log.Notice()
			for len(log.Kept()) < 2 {
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

// unkept is a log in which nothing can be kept before it is asked for the second time.
type unkept struct {
	journal.Shared
	asked atomic.Int64
	goOn  chan struct{}
}

func (j *unkept) Keep(ctx context.Context, k journal.Kept) error {
	if j.asked.Add(1) == 1 {
		return errors.New("no quorum")
	}
	select {
	case <-j.goOn:
		return j.Shared.Keep(ctx, k)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A ledger that is closed while it keeps what it knows of a log that lost something has kept it when it is closed.
func TestWhatIsKnownIsKeptBeforeTheLedgerIsClosed(t *testing.T) {
	log, clock := memory.NewLog(), testingclock.NewFakeClock(begin)
	j := &unkept{Shared: log.Open(), goOn: make(chan struct{})}
	l, err := ledger.Open(j, ledger.Options{Clock: clock, Rules: clock})
	if err != nil {
		t.Fatal(err)
	}
	log.Lose(1)
	log.Notice()
	for j.asked.Load() < 2 {
		clock.Step(time.Second)
		time.Sleep(time.Millisecond)
	}
	closed := make(chan error)
	go func() { closed <- l.Close() }()
	select {
	case err := <-closed:
		t.Errorf("it is closed with nothing kept: %v", err)
	case <-time.After(10 * time.Millisecond):
		close(j.goOn)
		if err := <-closed; err != nil || len(log.Kept()) != 1 {
			t.Errorf("it has kept %d times, %v", len(log.Kept()), err)
		}
	}
}
