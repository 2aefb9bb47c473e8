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
)

// Operator is what the reconcilers of all kinds work with.
type Operator struct {
	// Client writes, and reads what is about to be written: what it gets is as new as what it wrote, at least.
	Client client.Client
	// Cache reads everything else, and waits for no write.
	Cache client.Reader

	Clock  Clock
	Ledger ledger.Ledger
	// Samples are the counts of the numbers whose counts are not the ledger's.
	Samples  *Samples
	Recorder events.EventRecorder
	Metrics  *Metrics

	// BatchPeriod is how long a burst of events about a resource is gathered into one reconcile, in real time.
	BatchPeriod time.Duration
	// Concurrency is how many resources of a kind are reconciled at a time.
	Concurrency int
}

// outcome is what a reconcile came to: the transitions, the conditions before and after, and the deadline that there was.
type outcome struct {
	transitions   folded
	before, after []metav1.Condition
	deadline      metav1.Time
	now           time.Time
}

// record writes a status and, once it stands, says what happened. Where it could not be written the result is the
// reconcile's: after a conflict it is decided again on what stands there now, and nothing was said yet.
func (o *Operator) record(ctx context.Context, object client.Object, status any, out outcome) (written bool, result ctrl.Result, err error) {
	switch err := applyStatus(ctx, o.Client, o.Metrics, object, status); {
	case apierrors.IsConflict(err):
		return false, ctrl.Result{RequeueAfter: 100 * time.Millisecond}, nil
	case err != nil:
		return false, ctrl.Result{}, client.IgnoreNotFound(err)
	}
	for _, t := range out.transitions.happened {
		o.Metrics.happened(t)
	}
	said(ctx, o.Recorder, object, out.transitions.told)
	problemSaid(o.Recorder, object, out.before, out.after)
	met(o.Metrics, out.deadline, out.transitions.happened, out.now)
	return true, ctrl.Result{}, nil
}
