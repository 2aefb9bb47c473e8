// Package reconciler is what the controllers of the kinds have in common: when a status is written, what is published of
// it, and when a resource is looked at again.
package reconciler

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/controllers/internal/throttle"
	"numberfleet.dev/numberfleet/controllers/internal/usage"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/receipts"
)

// Operator is what the reconcilers of all kinds work with.
type Operator struct {
	// Client writes, and reads what is about to be written: what it gets is as new as what it wrote, at least.
	Client client.Client
	// Cache reads everything else, and waits for no write.
	Cache client.Reader

	Clock  Clock
	Ledger *ledger.Ledger
	// Samples are the counts of the numbers whose counts are not the ledger's.
	Samples *usage.Prometheus
	// Receipts are of this process: what came, and failed.
	Receipts *receipts.Receipts
	// Presence is since when the operator is there to receive.
	Presence Presence
	Recorder events.EventRecorder
	Metrics  *Metrics
	// Throttle says when counts alone are written.
	Throttle *throttle.Throttle

	// BatchPeriod is how long a burst of events about a resource is gathered into one reconcile, in real time.
	BatchPeriod time.Duration
	// Concurrency is how many resources of a kind are reconciled at a time.
	Concurrency int
}

// Presence tells since when the operator has been there without a longer break.
type Presence interface {
	Since() time.Time
}

// Outcome is what a reconcile came to: of which resource, how its status differs, the transitions, the conditions before and after,
// and the deadline that there was.
type Outcome struct {
	Of            throttle.Resource
	Differs       throttle.Difference
	Transitions   statuses.Transitions
	Before, After []metav1.Condition
	Deadline      metav1.Time
	Now           time.Time
}

// Record writes a status and, once it stands, says what happened. Where it could not be written the result is the
// reconcile's: after a conflict it is decided again on what stands there now, and nothing was said yet.
func (o *Operator) Record(ctx context.Context, object client.Object, status any, out Outcome) (written bool, result ctrl.Result, err error) {
	err = statuses.Apply(ctx, o.Client, statuses.FieldOwner, object, status)
	o.Metrics.countWrite(out.Differs, err)
	switch {
	case apierrors.IsConflict(err):
		return false, ctrl.Result{RequeueAfter: 100 * time.Millisecond}, nil
	case err != nil:
		return false, ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if out.Differs.Counted {
		o.Throttle.SetWritten(out.Of)
	}
	for _, t := range out.Transitions.Happened {
		o.Metrics.countTransition(t)
	}
	publish(ctx, o.Recorder, object, out.Transitions.Told)
	publishProblem(o.Recorder, object, out.Before, out.After)
	observeLateness(o.Metrics, out.Deadline, out.Transitions.Happened, out.Now)
	return true, ctrl.Result{}, nil
}

// Due says whether a status is to be written now.
func (o *Operator) Due(of throttle.Resource, d throttle.Difference) bool {
	if !d.Decided && !d.Counted {
		o.Throttle.SetCurrent(of)
		return false
	}
	return d.Decided || o.Throttle.Allows(of, d)
}

// Sleep is the result that brings a resource back when something changes by itself: at a deadline, or when users next leave the
// windows and the counts may be refreshed.
func (o *Operator) Sleep(of throttle.Resource, wake Wake, expiry, now time.Time) ctrl.Result {
	result := wake.sleep(o.Clock, now)
	wait, held := o.Throttle.Wait(of)
	if held || expiry.IsZero() {
		return result // those that are held come back with their turn
	}
	priority := NewsPriority
	if refresh := max(o.Clock.Wait(expiry), wait, time.Millisecond); result.RequeueAfter == 0 || refresh < result.RequeueAfter {
		return ctrl.Result{RequeueAfter: refresh, Priority: &priority}
	}
	return result
}
