package reconciler

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// Subscription is a source of reconciles: it enqueues the resources that what the ledger or Prometheus says something new about
// concerns, gathered over the batch period so that a burst of events is one reconcile.
func Subscription(from interface {
	Subscribe(changed func(subject string))
}, batch time.Duration, concerned func(ctx context.Context, subject string) ([]reconcile.Request, error)) source.Source {
	var (
		mu      sync.Mutex
		changed = map[string]struct{}{}
		news    = make(chan struct{}, 1)
	)
	from.Subscribe(func(subject string) {
		mu.Lock()
		changed[subject] = struct{}{}
		mu.Unlock()
		select {
		case news <- struct{}{}:
		default:
		}
	})
	take := func() []string {
		mu.Lock()
		defer mu.Unlock()
		taken := slices.Collect(maps.Keys(changed))
		clear(changed)
		return taken
	}
	return source.Func(func(ctx context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-news:
				}
				select {
				case <-ctx.Done():
					return
				case <-time.After(batch):
				}
				for _, subject := range take() {
					// Nobody may name it yet; the ledger keeps what came until someone does.
					requests, err := concerned(ctx, subject)
					if err != nil {
						log.FromContext(ctx).Error(err, "cannot look up the resources that something was received for")
						continue
					}
					for _, r := range requests {
						queue.Add(r)
					}
				}
			}
		}()
		return nil
	})
}
