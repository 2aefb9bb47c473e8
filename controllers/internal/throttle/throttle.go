// Package throttle says when the counts of a status are written: what is decided is written at once, counts alone are
// throttled.
package throttle

import (
	"context"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
)

// Throttle says when counts alone are written into statuses, in real time. A resource's are refreshed once in a period, and at once
// where used crosses one of the marks; those of all resources together only so often, those first that changed most. Decisions do
// not ask it.
//
// A percent of the limit weighs as much as a minute of waiting, so that whoever waits has its turn.
type Throttle struct {
	period time.Duration // from one write of a resource's status to the next refresh
	every  time.Duration // from one refresh to the next, of any resource
	clock  clock.Clock

	mu      sync.Mutex
	next    time.Time // of any resource
	written map[lookup.Key]time.Time
	held    map[lookup.Key]held
	granted map[lookup.Key]bool         // and enqueued
	enqueue map[string]func(lookup.Key) // by kind
	news    chan struct{}
}

// held are counts that wait to be written.
type held struct {
	since, from time.Time // since when, and from when on they may be written
	weight      float64
}

// crossing is the weight of a mark that was crossed: more than any change of the counts.
const crossing = 1000

// NewThrottle lets so many refreshes through a second, math.Inf(1) for any number, and one of each resource in a period.
func NewThrottle(period time.Duration, perSecond float64, real clock.Clock) *Throttle {
	return &Throttle{period: period, every: time.Duration(float64(time.Second) / perSecond), clock: real,
		written: map[lookup.Key]time.Time{}, held: map[lookup.Key]held{}, granted: map[lookup.Key]bool{}, enqueue: map[string]func(lookup.Key){}, news: make(chan struct{}, 1)}
}

// Start lets through what waits, until the context is done. It implements manager.Runnable.
func (t *Throttle) Start(ctx context.Context) error {
	for {
		var turn <-chan time.Time
		if wait, waits := t.grant(); waits {
			turn = t.clock.After(wait)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.news:
		case <-turn:
		}
	}
}

// Subscribe has a function called with each resource of a kind whose turn it is. It must return quickly.
func (t *Throttle) Subscribe(kind string, enqueue func(lookup.Key)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.enqueue[kind] = enqueue
}

// Allows says whether a resource's counts are to be written now. Where they are not, it is reconciled again when they are.
func (t *Throttle) Allows(of lookup.Key, d Difference) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.granted[of] {
		delete(t.granted, of)
		return true
	}
	now := t.clock.Now()
	h, waits := t.held[of]
	if !waits {
		h.since = now
	}
	h.weight, h.from = d.percent, t.written[of].Add(t.period)
	if d.crossed {
		h.weight, h.from = d.percent+crossing, now
	}
	t.held[of] = h
	if !now.Before(t.next) {
		if first, ok := t.first(now); ok && (first == of || t.every == 0 && !h.from.After(now)) {
			t.take(of, now)
			return true
		}
	}
	select {
	case t.news <- struct{}{}:
	default:
	}
	return false
}

// SetWritten notes that a resource's status was written, with its counts.
func (t *Throttle) SetWritten(of lookup.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.written[of] = t.clock.Now()
	delete(t.held, of)
	delete(t.granted, of)
}

// SetCurrent notes that a resource's status shows its counts.
func (t *Throttle) SetCurrent(of lookup.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.held, of)
	delete(t.granted, of)
}

// Forget forgets a resource.
func (t *Throttle) Forget(of lookup.Key) {
	t.SetCurrent(of)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.written, of)
}

// Wait is the time until a resource's counts may be refreshed; held says that some wait already.
func (t *Throttle) Wait(of lookup.Key) (wait time.Duration, isHeld bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, isHeld = t.held[of]
	return max(0, t.written[of].Add(t.period).Sub(t.clock.Now())), isHeld || t.granted[of]
}

// grant lets through those whose turn it is, and returns the time until the next turn; false if nothing waits.
func (t *Throttle) grant() (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now()
	for !now.Before(t.next) {
		of, ok := t.first(now)
		if !ok {
			break
		}
		t.take(of, now)
		if enqueue, ok := t.enqueue[of.Kind]; ok {
			t.granted[of] = true
			enqueue(of)
		}
	}
	var turn time.Time
	for _, h := range t.held {
		turn = statuses.Earliest(turn, h.from)
	}
	if turn.Before(t.next) {
		turn = t.next
	}
	return max(0, turn.Sub(now)), len(t.held) > 0
}

// take gives a resource its turn.
func (t *Throttle) take(of lookup.Key, now time.Time) {
	delete(t.held, of)
	t.next = now.Add(t.every)
}

// first is whose turn it is; false if nothing may be written yet.
func (t *Throttle) first(now time.Time) (first lookup.Key, ok bool) {
	most := -1.0
	for of, h := range t.held {
		if weight := h.weight + now.Sub(h.since).Minutes(); !h.from.After(now) && weight > most {
			first, most, ok = of, weight, true
		}
	}
	return first, ok
}
