// Package controllers reconciles the kinds: it gathers the facts, lets the rules decide, writes the status once, and says
// what happened.
package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	applyv1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/rules"
)

// FieldOwner owns the status fields that the operator applies.
const FieldOwner = client.FieldOwner("numberfleet")

// Indexes on PhoneNumbers.
const (
	numberIndex = ".spec.phoneNumber"
	policyIndex = ".spec.policyName" // empty for numbers that name none
)

// PhoneNumberReconciler keeps the status of PhoneNumbers at what the rules conclude from what was received.
type PhoneNumberReconciler struct {
	Client   client.Client
	Clock    Clock
	Ledger   ledger.Ledger
	Recorder events.EventRecorder
	Metrics  *Metrics

	// BatchPeriod is how long a burst of events about a number is gathered into one reconcile, in real time.
	BatchPeriod time.Duration
	// Concurrency is how many numbers are reconciled at a time.
	Concurrency int
}

// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=phonenumbers;messagingpolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=phonenumbers/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager registers the controller, its indexes and its metrics.
func (r *PhoneNumberReconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	if err := index(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		// The status is ours: only a changed spec is news.
		For(&v1alpha1.PhoneNumber{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// When a number goes, or comes, another with the same phone number may have to take over, or step back.
		Watches(&v1alpha1.PhoneNumber{}, handler.EnqueueRequestsFromMapFunc(r.namesakes), builder.WithPredicates(predicate.Funcs{
			CreateFunc: func(e event.CreateEvent) bool { return !e.IsInInitialList },
			UpdateFunc: func(e event.UpdateEvent) bool {
				return e.ObjectOld.GetDeletionTimestamp().IsZero() && !e.ObjectNew.GetDeletionTimestamp().IsZero()
			},
			GenericFunc: func(event.GenericEvent) bool { return false },
		})).
		Watches(&v1alpha1.MessagingPolicy{}, handler.EnqueueRequestsFromMapFunc(r.governed), builder.WithPredicates(
			predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		WatchesRawSource(newUsage(r.Client, r.Ledger, r.BatchPeriod)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: r.Concurrency,
			// Soon back after an outage of the API server: deadlines do not wait a quarter of an hour.
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](100*time.Millisecond, 30*time.Second),
		}).
		Named("phonenumber").
		Complete(r)
}

func index(ctx context.Context, indexer client.FieldIndexer) error {
	for field, value := range map[string]func(*v1alpha1.PhoneNumber) string{
		numberIndex: func(n *v1alpha1.PhoneNumber) string { return n.Spec.PhoneNumber },
		policyIndex: func(n *v1alpha1.PhoneNumber) string { return n.Spec.PolicyName },
	} {
		err := indexer.IndexField(ctx, &v1alpha1.PhoneNumber{}, field, func(o client.Object) []string {
			return []string{value(o.(*v1alpha1.PhoneNumber))}
		})
		if err != nil {
			return fmt.Errorf("index %s: %w", field, err)
		}
	}
	return nil
}

// Reconcile brings one number's status up to now.
func (r *PhoneNumberReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var number v1alpha1.PhoneNumber
	if err := r.Client.Get(ctx, request.NamespacedName, &number); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !number.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	now := r.Clock.Now().Truncate(time.Second)
	want := number.Status.DeepCopy()
	want.ObservedGeneration = number.Generation

	transitions, wake, err := r.evaluate(ctx, &number, want, now)
	if err != nil {
		return ctrl.Result{}, err
	}
	if due(&number.Status, want) {
		if err := r.write(ctx, &number, want); err != nil {
			if apierrors.IsConflict(err) {
				// Someone else wrote first: decide again on what stands there now. Nothing was said yet.
				return ctrl.Result{RequeueAfter: 100 * time.Millisecond}, nil
			}
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
		r.announce(ctx, &number, want, transitions, now)
		number.Status = *want
	}
	return r.sleep(&number, want, wake, now), nil
}

// evaluate lets the rules decide and writes the outcome into the wanted status. It returns what happened and the next
// instant at which something can.
func (r *PhoneNumberReconciler) evaluate(ctx context.Context, number *v1alpha1.PhoneNumber, want *v1alpha1.PhoneNumberStatus, now time.Time) ([]rules.Transition, wakeUp, error) {
	set := setter(number, want, now)
	if number.Spec.Activity == v1alpha1.Suspended {
		ready(set, want, v1alpha1.ReasonSuspended, "spec.activity is Suspended: the status is frozen; usage is counted on.")
		want.NextDeadlineTime = metav1.Time{} // nobody keeps it
		return nil, wakeUp{}, nil
	}
	known, err := r.gather(ctx, number)
	if problem := (*problem)(nil); errors.As(err, &problem) {
		notReady(set, want, problem)
		return nil, wakeUp{}, nil
	} else if err != nil {
		return nil, wakeUp{}, err
	}
	policy, facts := known.policy, known.facts

	state, evaluated := stateOf(&number.Status, policy)
	var transitions []rules.Transition
	switch {
	case !evaluated:
		state = rules.Initial(policy, number.Spec.Verification, began(facts, now))
	case number.Status.PolicyName != policy.Name || number.Status.PolicyGeneration != known.generation:
		state, transitions = rules.Adopt(policy, state, now)
	}
	state, more, next := rules.Advance(policy, facts, state, now)
	transitions = append(transitions, more...)

	decided(want, policy, state, next)
	counted(want, policy, facts, state)
	happened(want, transitions)
	conditions(number, want, state, r.Ledger.Known(number.Spec.PhoneNumber))
	want.PolicyGeneration = known.generation
	want.ObservedReport = known.lastReport
	return transitions, wakeUp{policy: policy, usage: facts.Usage, next: next}, nil
}

// began is the instant at which the rules start for a number that was never evaluated: the first that is known of it,
// where something came before the resource, or before it was created again; else now. The rules then live through it.
func began(facts *rules.Facts, now time.Time) time.Time {
	began := now
	if first := facts.Usage.Nth(1, now.Add(-ledger.Kept), now); !first.IsZero() {
		began = first.Add(-time.Second) // so that the delivery itself comes after it
	}
	for _, report := range facts.Reports {
		if report.At.Before(began) {
			began = report.At
		}
	}
	return began
}

// write applies the status. It is server-side apply, though a plain update costs the API server some 13 % less: what others
// put into the status of a number, like a condition of their own, stays theirs, and a field that we stop setting goes.
// The resource version makes it conditional: a decision that was made on an outdated status is never written, so no
// transition is lost or repeated, even by two leaders.
func (r *PhoneNumberReconciler) write(ctx context.Context, number *v1alpha1.PhoneNumber, status *v1alpha1.PhoneNumberStatus) error {
	ours := *status
	ours.Notifications = nil // the notifier's
	ours.Conditions = slices.DeleteFunc(slices.Clone(status.Conditions), func(c metav1.Condition) bool { return !slices.Contains(ownConditions, c.Type) })
	encoded, err := json.Marshal(ours)
	if err != nil {
		return fmt.Errorf("encode the status: %w", err)
	}
	var desired applyv1alpha1.PhoneNumberStatusApplyConfiguration
	if err := json.Unmarshal(encoded, &desired); err != nil {
		return fmt.Errorf("turn the status into an apply configuration: %w", err)
	}
	object := applyv1alpha1.PhoneNumber(number.Name, number.Namespace).
		WithUID(number.UID).
		WithResourceVersion(number.ResourceVersion).
		WithStatus(&desired)
	err = r.Client.Status().Apply(ctx, object, FieldOwner, client.ForceOwnership)
	r.Metrics.statusWritten(err)
	if err != nil {
		return fmt.Errorf("apply the status: %w", err)
	}
	return nil
}

// announce says what happened, once it stands in the status.
func (r *PhoneNumberReconciler) announce(ctx context.Context, number *v1alpha1.PhoneNumber, status *v1alpha1.PhoneNumberStatus, transitions []rules.Transition, now time.Time) {
	logger := log.FromContext(ctx)
	for _, t := range transitions {
		logger.Info("transition", "reason", t.Reason, "from", t.From, "to", t.To, "at", t.Time)
		announce(r.Recorder, number, t)
		r.Metrics.happened(t)
	}
	if was := number.Status.NextDeadlineTime; len(transitions) > 0 && !was.IsZero() && !was.After(now) {
		r.Metrics.deadlineMet(now.Sub(was.Time))
	}
	logger.V(1).Info("status written", "state", status.State, "tier", status.Tier.Name, "nextDeadline", status.NextDeadlineTime)
}

// wakeUp is what decides when a number is looked at again without news.
type wakeUp struct {
	policy *rules.Policy // nil: not before news
	usage  rules.Usage
	next   time.Time
}

// sleep is how long nothing changes by itself: until the next deadline of the rules, or until the counts in the status
// have moved enough. A number at rest sleeps until there is news.
func (r *PhoneNumberReconciler) sleep(number *v1alpha1.PhoneNumber, want *v1alpha1.PhoneNumberStatus, wake wakeUp, now time.Time) ctrl.Result {
	if wake.policy == nil {
		return ctrl.Result{}
	}
	expiry := r.Ledger.NextExpiry(number.Spec.PhoneNumber, now, append(wake.policy.Windows(), week)...)
	// An event may be stamped ahead of our clock: it counts once the clock is there.
	ahead := wake.usage.Nth(1, now, now.Add(ledger.Ahead))
	until := earliest(earliest(wake.next, ahead), refresh(&number.Status, want, wake.policy, wake.usage, expiry, now))
	if until.IsZero() {
		return ctrl.Result{}
	}
	// At the priority of news: the first reconciles after a start have a low one, and would hand it on.
	return ctrl.Result{RequeueAfter: max(r.Clock.Wait(until), time.Millisecond), Priority: new(0)}
}

func (r *PhoneNumberReconciler) namesakes(ctx context.Context, changed client.Object) []reconcile.Request {
	return r.requests(ctx, numberIndex, changed.(*v1alpha1.PhoneNumber).Spec.PhoneNumber, changed)
}

func (r *PhoneNumberReconciler) governed(ctx context.Context, policy client.Object) []reconcile.Request {
	// Numbers that name no policy may be governed by any, once it is marked as the default.
	return append(r.requests(ctx, policyIndex, policy.GetName(), nil), r.requests(ctx, policyIndex, "", nil)...)
}

func (r *PhoneNumberReconciler) requests(ctx context.Context, index, value string, but client.Object) []reconcile.Request {
	var numbers v1alpha1.PhoneNumberList
	if err := r.Client.List(ctx, &numbers, client.MatchingFields{index: value}); err != nil {
		log.FromContext(ctx).Error(err, "cannot list phone numbers", "index", index)
		return nil
	}
	var requests []reconcile.Request
	for i := range numbers.Items {
		if key := client.ObjectKeyFromObject(&numbers.Items[i]); but == nil || key != client.ObjectKeyFromObject(but) {
			requests = append(requests, reconcile.Request{NamespacedName: key})
		}
	}
	return requests
}
