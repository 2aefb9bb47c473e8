package controllers

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
)

// newUsage is a source of reconciles: it enqueues the resources whose numbers the ledger says something new about,
// gathered over the batch period so that a burst of events is one reconcile.
func newUsage(numbers client.Reader, from ledger.Ledger, batch time.Duration) source.Source {
	var (
		mu      sync.Mutex
		changed = map[string]struct{}{}
		news    = make(chan struct{}, 1)
	)
	from.Subscribe(func(number string) {
		mu.Lock()
		changed[number] = struct{}{}
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
				for _, number := range take() {
					var named v1alpha1.PhoneNumberList
					// Nobody may name the number yet; the ledger keeps what came until someone does.
					if err := numbers.List(ctx, &named, client.MatchingFields{numberIndex: number}); err != nil {
						log.FromContext(ctx).Error(err, "cannot look up the resources of a number")
						continue
					}
					for i := range named.Items {
						queue.Add(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&named.Items[i])})
					}
				}
			}
		}()
		return nil
	})
}

// Named says whether a resource names the phone number. Where that cannot be told, as before the cache is there, it is
// taken to.
func Named(ctx context.Context, numbers client.Reader, number string) bool {
	var named v1alpha1.PhoneNumberList
	err := numbers.List(ctx, &named, client.MatchingFields{numberIndex: number}, client.Limit(1))
	return err != nil || len(named.Items) > 0
}
