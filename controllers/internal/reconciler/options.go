package reconciler

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

// longestReconcile is far more than a reconcile takes: to put together a portfolio of millions of users takes seconds.
const longestReconcile = 5 * time.Minute

// Options are those of a controller of keys.
func Options[K comparable](concurrency int) controller.TypedOptions[K] {
	return controller.TypedOptions[K]{
		MaxConcurrentReconciles: concurrency,
		// A reconcile waits for its writes to come back by the watch. Where they never do, as after etcd was put back to an
		// earlier state, the worker goes on with something else, and comes back to it.
		ReconciliationTimeout: longestReconcile,
		// Soon back after an outage of the API server: deadlines do not wait a quarter of an hour.
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[K](100*time.Millisecond, 30*time.Second),
	}
}

// SinceStart leaves out what is there at a start: whatever it concerns is reconciled by itself then.
var SinceStart = predicate.Funcs{CreateFunc: func(e event.CreateEvent) bool { return !e.IsInInitialList }}

// PolicyChanged lets through what makes a policy another: a new spec, or that it is the default now.
var PolicyChanged = predicate.And[client.Object](SinceStart, predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))
