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

// sharedView is where all stand, for all calls together: what numbers share is looked up at most once a period, however many ask. It is safe for
// concurrent use.
type sharedView struct {
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

func newSharedView(source *standing.Source, rules Clock, real clock.WithTicker) *sharedView {
	return &sharedView{source: source, clock: rules, real: real, stopped: make(chan struct{}), next: make(chan struct{})}
}

// change says that something may be other than it was.
func (v *sharedView) change() { v.changed.Store(true) }

// run tells streams of changes until ctx is done. Many that come within a period are one.
func (v *sharedView) run(ctx context.Context) {
	defer close(v.stopped)
	ticker := v.real.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C():
			v.notify(now)
		}
	}
}

// notify has streams look again if something changed or is due.
func (v *sharedView) notify(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	due := !v.due.IsZero() && !v.due.After(now)
	if !v.changed.Swap(false) && !due {
		return
	}
	v.view, v.due = nil, time.Time{} // those that look say again when they are due
	close(v.next)
	v.next = make(chan struct{})
}

// look is what the resource of a trigger may send now, and a channel that is closed when it is to be looked up again.
func (v *sharedView) look(t *trigger) (standing.Sending, <-chan struct{}, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.real.Now()
	if age := now.Sub(v.at); v.view == nil || age < 0 || age >= period {
		view, err := v.source.Now()
		if err != nil {
			return standing.Sending{}, nil, err
		}
		v.view, v.at = view, now
	}
	sending, err := t.sending(v.view)
	if until := sending.Until; !until.IsZero() {
		if due := now.Add(v.clock.Wait(until)); v.due.IsZero() || due.Before(v.due) {
			v.due = due
		}
	}
	return sending, v.next, err
}
