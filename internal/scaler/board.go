package scaler

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/standing"
)

// period is how long an answer may be old, and how often streams are told of changes, in real time.
const period = 500 * time.Millisecond

// Clock is that of the rules.
type Clock interface {
	// Wait is the real time until the clock shows t; zero if it does already.
	Wait(t time.Time) time.Duration
}

// board is where all stand, for all calls together: what numbers share is looked up at most once a period, however many ask. It is safe for
// concurrent use.
type board struct {
	source  *standing.Source
	clock   Clock
	real    clock.WithTicker
	changed atomic.Bool   // since streams were told
	stopped chan struct{} // closed when nothing more is told

	mu   sync.Mutex // also of view
	view *standing.View
	at   time.Time     // of view, in real time
	due  time.Time     // when what somebody asked about can be sent again by itself, in real time; zero where nothing is known of it
	next chan struct{} // closed when streams are to look again
}

func newBoard(source *standing.Source, rules Clock, real clock.WithTicker) *board {
	return &board{source: source, clock: rules, real: real, stopped: make(chan struct{}), next: make(chan struct{})}
}

// change says that something may be other than it was.
func (b *board) change() { b.changed.Store(true) }

// run tells streams of changes until ctx is done. Many that come within a period are one.
func (b *board) run(ctx context.Context) {
	defer close(b.stopped)
	ticker := b.real.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C():
			b.tell(now)
		}
	}
}

// tell has streams look again if something changed or is due.
func (b *board) tell(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	due := !b.due.IsZero() && !b.due.After(now)
	if !b.changed.Swap(false) && !due {
		return
	}
	b.view, b.due = nil, time.Time{} // those that look say again when they are due
	close(b.next)
	b.next = make(chan struct{})
}

// look is what the resource of a trigger may send now, and a channel that is closed when it is to be looked up again.
func (b *board) look(t *trigger) (standing.Sending, <-chan struct{}, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.real.Now()
	if age := now.Sub(b.at); b.view == nil || age < 0 || age >= period {
		view, err := b.source.Now()
		if err != nil {
			return standing.Sending{}, nil, err
		}
		b.view, b.at = view, now
	}
	sending, err := t.sending(b.view)
	if until := sending.Until; !until.IsZero() {
		if due := now.Add(b.clock.Wait(until)); b.due.IsZero() || due.Before(b.due) {
			b.due = due
		}
	}
	return sending, b.next, err
}
