package reconciler

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Subscription gathers what the ledger, the receipts and Prometheus say something new about, so that a burst of events is one
// reconcile.
type Subscription struct {
	batch time.Duration
	mu    sync.Mutex
	news  map[string]struct{} // subjects
	wake  chan struct{}
}

// Subscribe begins to gather the subjects that some sources tell of. They are handed on once a batch period, in real time.
func Subscribe(batch time.Duration, sources ...interface {
	Subscribe(changed func(subject string))
}) *Subscription {
	s := &Subscription{batch: batch, news: map[string]struct{}{}, wake: make(chan struct{}, 1)}
	for _, source := range sources {
		source.Subscribe(s.add)
	}
	return s
}

func (s *Subscription) add(subject string) {
	s.mu.Lock()
	s.news[subject] = struct{}{}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Subscription) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := slices.Collect(maps.Keys(s.news))
	clear(s.news)
	return taken
}

// Run hands on what is gathered until the context is done.
func (s *Subscription) Run(ctx context.Context, handOn func(ctx context.Context, subject string)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.batch):
		}
		for _, subject := range s.take() {
			handOn(ctx, subject)
		}
	}
}
