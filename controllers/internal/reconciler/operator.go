// Package reconciler is what the controllers of all kinds have in common: when a status is written, what is published of it, and
// when a resource is reconciled again without news.
//
// A controller reads what a key names, lets the rules decide, and hands the statuses that its resources are to have to Write.
package reconciler

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/controllers/internal/throttle"
	"numberfleet.dev/numberfleet/controllers/internal/usage"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/receipts"
	"numberfleet.dev/numberfleet/internal/records"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/tracing"
)

// Operator is what the controllers of all kinds work with.
type Operator struct {
	// Client writes, and reads what is about to be written: what it gets is as new as what it wrote, at least.
	Client client.Client
	// Cache reads everything else, and waits for no write.
	Cache    client.Reader
	Policies lookup.Policies

	// Clock is that of the rules, Real that of the throttle.
	Clock  Clock
	Real   clock.PassiveClock
	Ledger *ledger.Ledger
	// Samples are the counts of the numbers whose counts are not the ledger's.
	Samples *usage.Prometheus
	// Receipts are of this process: what came, and failed.
	Receipts *receipts.Receipts
	// Presence is since when the operator is there to receive.
	Presence Presence
	Webhooks Webhooks
	Recorder events.EventRecorder
	Metrics  *Metrics
	// Throttle says when counts alone are written.
	Throttle *throttle.Throttle

	// BatchPeriod is how long a burst of events about a resource is gathered into one reconcile, in real time.
	BatchPeriod time.Duration
	// Concurrency is how many keys are reconciled at a time.
	Concurrency int
}

// Presence tells since when the operator has been there to receive: a ledger with a shared log is one, and so is presence.Presence.
type Presence interface {
	// PresentSince is since when it has been there without a break that is longer than counts.Break.
	PresentSince() time.Time
}

// Webhooks tells whether webhooks can be received: webhook.Receiver is one.
type Webhooks interface {
	// Receives says whether they can about an account at Meta, or about a number without one where it is empty.
	Receives(account string) bool
	// Subscribe has changed called, which waits for nothing, whenever Receives may say something else.
	Subscribe(changed func())
}

// SetWindows has the ledger keep the windows that a policy needs of a number.
func (o *Operator) SetWindows(number *v1alpha1.PhoneNumber, policy *rules.Policy) error {
	if err := o.Ledger.SetWindows(number.Spec.PhoneNumber, records.Windows(policy)); err != nil {
		return fmt.Errorf("configure the ledger: %w", err)
	}
	return nil
}

// Change is a resource with the status that it is to have.
type Change struct {
	Key    lookup.Key
	Object v1alpha1.Object // as it stands
	// Status is the part of the wanted status that the operator owns, and Conditions are those of the wanted status.
	Status     any
	Conditions []metav1.Condition
	// Difference is how the wanted status differs from the one that stands.
	Difference  throttle.Difference
	Transitions statuses.Transitions
	// Deadline is the one that the status that stands tells of.
	Deadline metav1.Time
	// Until is when something changes by itself, and Expiry when the counts do, by the clock of the rules; zero for never.
	Until, Expiry time.Time
	// Publish publishes, once the status is written, what is no transition; nil for nothing.
	Publish func(events.EventRecorder)
}

// Write writes the statuses that are due, in order, and publishes what happened once each stands. It stops at the first that cannot
// be written. Without an error written is false where another has written meanwhile: all is to be decided again, and nothing of it was
// published yet.
func (o *Operator) Write(ctx context.Context, changes []*Change, now time.Time) (written bool, err error) {
	for _, c := range changes {
		if !o.due(c) {
			continue
		}
		writing, span := Trace(ctx, "write status", c.Key)
		err := statuses.Apply(writing, o.Client, statuses.FieldOwner, c.Object, c.Status)
		tracing.End(span, err)
		o.Metrics.countWrite(c.Difference, err)
		switch {
		case apierrors.IsConflict(err), apierrors.IsNotFound(err):
			return false, nil
		case err != nil:
			return false, err
		}
		if c.Difference.Counted {
			o.Throttle.SetWritten(c.Key)
		}
		o.publish(ctx, c, now)
	}
	return true, nil
}

// due says whether a status is to be written now.
func (o *Operator) due(c *Change) bool {
	if !c.Difference.Decided && !c.Difference.Counted {
		o.Throttle.SetCurrent(c.Key)
		return false
	}
	return c.Difference.Decided || o.Throttle.Allows(c.Key, c.Difference)
}
