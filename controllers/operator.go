package controllers

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	Samples *Samples
	// Receipts are of this process: what came, and failed.
	Receipts *receipts.Receipts
	// Presence is since when the operator is there to receive.
	Presence Presence
	Recorder events.EventRecorder
	Metrics  *Metrics
	// Throttle says when counts alone are written.
	Throttle *Throttle

	// BatchPeriod is how long a burst of events about a resource is gathered into one reconcile, in real time.
	BatchPeriod time.Duration
	// Concurrency is how many resources of a kind are reconciled at a time.
	Concurrency int
}

// Presence tells since when the operator has been there without a longer break.
type Presence interface {
	Since() time.Time
}

// outcome is what a reconcile came to: of which resource, how its status differs, the transitions, the conditions before and after,
// and the deadline that there was.
type outcome struct {
	of            resource
	differs       difference
	transitions   folded
	before, after []metav1.Condition
	deadline      metav1.Time
	now           time.Time
}

// record writes a status and, once it stands, says what happened. Where it could not be written the result is the
// reconcile's: after a conflict it is decided again on what stands there now, and nothing was said yet.
func (o *Operator) record(ctx context.Context, object client.Object, status any, out outcome) (written bool, result ctrl.Result, err error) {
	err = applyStatus(ctx, o.Client, FieldOwner, object, status)
	o.Metrics.statusWritten(out.differs, err)
	switch {
	case apierrors.IsConflict(err):
		return false, ctrl.Result{RequeueAfter: 100 * time.Millisecond}, nil
	case err != nil:
		return false, ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if out.differs.counted {
		o.Throttle.wrote(out.of)
	}
	for _, t := range out.transitions.happened {
		o.Metrics.happened(t)
	}
	said(ctx, o.Recorder, object, out.transitions.told)
	problemSaid(o.Recorder, object, out.before, out.after)
	met(o.Metrics, out.deadline, out.transitions.happened, out.now)
	return true, ctrl.Result{}, nil
}

// due says whether a status is to be written now.
func (o *Operator) due(of resource, d difference) bool {
	if !d.decided && !d.counted {
		o.Throttle.shows(of)
		return false
	}
	return d.decided || o.Throttle.lets(of, d)
}

// sleep is the result that brings a resource back when something changes by itself: at a deadline, or when users next leave the
// windows and the counts may be refreshed.
func (o *Operator) sleep(of resource, wake wakeUp, expiry, now time.Time) ctrl.Result {
	result := wake.sleep(o.Clock, now)
	wait, held := o.Throttle.wait(of)
	if held || expiry.IsZero() {
		return result // those that are held come back with their turn
	}
	priority := newsPriority
	if refresh := max(o.Clock.Wait(expiry), wait, time.Millisecond); result.RequeueAfter == 0 || refresh < result.RequeueAfter {
		return ctrl.Result{RequeueAfter: refresh, Priority: &priority}
	}
	return result
}
