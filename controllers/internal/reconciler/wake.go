package reconciler

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
)

// longestReconcile is far more than a reconcile takes: to put together a portfolio of millions of users takes seconds.
const longestReconcile = 5 * time.Minute

func Options(concurrency int) controller.Options {
	return controller.Options{
		MaxConcurrentReconciles: concurrency,
		// A reconcile waits for its writes to come back by the watch. Where they never do, as after etcd was put back to an
		// earlier state, the worker goes on with something else, and comes back to it.
		ReconciliationTimeout: longestReconcile,
		// Soon back after an outage of the API server: deadlines do not wait a quarter of an hour.
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](100*time.Millisecond, 30*time.Second),
	}
}

// SinceStart leaves out what is there at a start: whatever it concerns is reconciled by itself then.
var SinceStart = predicate.Funcs{CreateFunc: func(e event.CreateEvent) bool { return !e.IsInInitialList }}

// PolicyChanged lets through what makes a policy another: a new spec, or that it is the default now.
var PolicyChanged = predicate.And[client.Object](SinceStart, predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))

// OnlyDeletion lets only the deletion of resources through.
var OnlyDeletion = predicate.Funcs{
	CreateFunc:  func(event.CreateEvent) bool { return false },
	UpdateFunc:  func(event.UpdateEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// Wake is what decides when a resource is looked at again without news.
type Wake struct {
	Policy *rules.Policy // nil: not before news
	Usage  rules.Usage
	Next   time.Time
}

// until is the first of: the next deadline of the rules, and an event that is stamped ahead of our clock, which counts once the
// clock is there. Zero if there is none.
func (w *Wake) until(now time.Time) time.Time {
	wake := w.Next
	for _, measure := range [...]v1alpha1.Measure{v1alpha1.MeasureMessages, v1alpha1.MeasureReached, v1alpha1.MeasureComplaining} {
		wake = statuses.Earliest(wake, w.Usage.Nth(measure, 1, now, now.Add(counts.Ahead)))
	}
	return wake
}

// sleep is the result that brings the resource back then.
func (w *Wake) sleep(clock Clock, now time.Time) ctrl.Result {
	until := w.until(now)
	if until.Equal(w.Next) {
		return SleepUntil(clock, until, DeadlinePriority)
	}
	return SleepUntil(clock, until, NewsPriority)
}

// The priorities of reconciles. The first ones after a start have a lower one, and would hand it on to those that follow.
const (
	NewsPriority     = 0
	DeadlinePriority = 1 // a burst of news, of which the API server takes only so much a second, makes no deadline late
)

// SleepUntil is the result that brings a resource back at an instant; zero for not before news.
func SleepUntil(clock Clock, until time.Time, priority int) ctrl.Result {
	if until.IsZero() {
		return ctrl.Result{}
	}
	return ctrl.Result{RequeueAfter: max(clock.Wait(until), time.Millisecond), Priority: &priority}
}
