// Package controllers reconciles the kinds: it gathers the facts, lets the rules decide, writes the status once, and says
// what happened.
package controllers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
)

// PhoneNumberReconciler keeps the status of PhoneNumbers at what the rules conclude from what was received.
type PhoneNumberReconciler struct {
	Operator
}

// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=phonenumbers;messagingpolicies;businessportfolios;messagetemplates,verbs=list;watch
// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=phonenumbers/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager registers the controller. The indexes must be there (see SetupIndexes).
func (r *PhoneNumberReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		// The status is ours: only a changed spec is news.
		For(&v1alpha1.PhoneNumber{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// When a number goes, or comes, another with the same phone number may have to take over, or step back.
		Watches(&v1alpha1.PhoneNumber{}, handler.EnqueueRequestsFromMapFunc(mapped(r.namesakes)), builder.WithPredicates(predicate.Funcs{
			CreateFunc: sinceStart.CreateFunc,
			UpdateFunc: func(e event.UpdateEvent) bool {
				return e.ObjectOld.GetDeletionTimestamp().IsZero() && !e.ObjectNew.GetDeletionTimestamp().IsZero()
			},
			GenericFunc: func(event.GenericEvent) bool { return false },
		})).
		Watches(&v1alpha1.MessagingPolicy{}, handler.EnqueueRequestsFromMapFunc(mapped(r.governed)), builder.WithPredicates(otherPolicy)).
		// What the portfolio shares, and the templates in use, show on the number.
		Watches(&v1alpha1.BusinessPortfolio{}, handler.EnqueueRequestsFromMapFunc(mapped(r.members)), builder.WithPredicates(sinceStart)).
		Watches(&v1alpha1.MessageTemplate{}, handler.EnqueueRequestsFromMapFunc(mapped(r.senders)), builder.WithPredicates(sinceStart)).
		WatchesRawSource(newUsage(r.Ledger, r.BatchPeriod, r.concerned)).
		WatchesRawSource(newUsage(r.Samples, r.BatchPeriod, r.concerned)).
		WatchesRawSource(newUsage(r.Receipts, r.BatchPeriod, r.concerned)).
		WatchesRawSource(r.Throttle.source("PhoneNumber")).
		WithOptions(controllerOptions(r.Concurrency)).
		Named("phonenumber").
		Complete(r)
}

// Reconcile brings one number's status up to now.
func (r *PhoneNumberReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var number v1alpha1.PhoneNumber
	of := resource{"PhoneNumber", request.NamespacedName}
	if err := r.Client.Get(ctx, request.NamespacedName, &number); err != nil || !number.DeletionTimestamp.IsZero() {
		r.Throttle.gone(of)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	now := r.Clock.Now().Truncate(time.Second)
	want := number.Status.DeepCopy()
	want.ObservedGeneration = number.Generation

	transitions, wake, err := r.evaluate(ctx, &number, want, now)
	if err != nil {
		return ctrl.Result{}, err
	}
	if d := differ(partsOfNumber(&number.Status), partsOfNumber(want)); r.due(of, d) {
		ours := *want
		ours.Conditions, ours.Notifications, ours.Completeness = owned(want.Conditions), nil, v1alpha1.CompletenessStatus{}
		written, result, err := r.record(ctx, &number, &ours, outcome{of, d, transitions, number.Status.Conditions, want.Conditions, number.Status.NextDeadlineTime, now})
		if !written {
			return result, err
		}
		shareSaid(r.Recorder, &number, &number.Status, want)
		log.FromContext(ctx).V(1).Info("status written", "state", want.State, "tier", want.Tier.Name, "nextDeadline", want.NextDeadlineTime)
		number.Status = *want
	}
	return r.sleep(&number, of, wake, now), nil
}

// evaluate lets the rules decide and writes the outcome into the wanted status. It returns what happened and the next
// instant at which something can.
func (r *PhoneNumberReconciler) evaluate(ctx context.Context, number *v1alpha1.PhoneNumber, want *v1alpha1.PhoneNumberStatus, now time.Time) (folded, wakeUp, error) {
	set := conditionsOf(number, &want.Conditions, now)
	if err := r.claim(ctx, number); err != nil {
		return folded{}, wakeUp{}, err
	}
	if number.Spec.Activity == v1alpha1.Suspended {
		set.ready(v1alpha1.ReasonSuspended, "spec.activity is Suspended: the status is frozen; usage is counted on.")
		set.sendableTo(&want.Usage, rules.RoomOf(rules.Limit{}, rules.Obstacle{Reason: v1alpha1.RoomSuspended}))
		want.NextDeadlineTime = metav1.Time{} // nobody keeps it
		return folded{}, wakeUp{}, nil
	}
	known, err := r.gather(ctx, number)
	if problem := (*problem)(nil); errors.As(err, &problem) {
		set.notReady(problem)
		set.sendableTo(&want.Usage, rules.RoomOf(rules.Limit{}, rules.Obstacle{Reason: v1alpha1.RoomNotReady}))
		want.NextDeadlineTime = metav1.Time{}
		return folded{}, wakeUp{}, nil
	} else if err != nil {
		return folded{}, wakeUp{}, err
	}
	policy, facts := known.policy, known.facts

	state, evaluated := stateOf(&number.Status)
	in := ""
	if known.portfolio != nil {
		state, in = rules.DropLadder(state), known.portfolio.Name
	}
	var transitions []rules.Transition
	account, before := number.Spec.Business.WhatsAppBusinessAccountID, number.Status.Account.ID
	if before != "" && before != account {
		state, transitions = rules.LeaveAccount(state, now)
	}
	ofAccount, later := accountReports(r.Ledger, account, known.whole.Scope, &state, evaluated && before != account, now)
	facts.Reports = append(facts.Reports, ofAccount...)
	switch {
	case !evaluated:
		state = rules.Initial(policy, number.Spec.Verification, began(facts, now))
	case number.Status.PolicyName != policy.Name || number.Status.PolicyGeneration != known.generation || number.Status.Portfolio != in:
		var adopted []rules.Transition
		state, adopted = rules.MigratePolicy(policy, state, number.Status.PolicyName == policy.Name && number.Status.Portfolio == in, now)
		transitions = append(transitions, adopted...)
	}
	state.Members = known.members
	facts.Members = []rules.QualityAt{{At: state.EvaluatedAt, MemberQuality: known.members}}
	state, more, next := rules.Advance(policy, facts, state, now)
	transitions = append(transitions, more...)

	if number.Status.Portfolio != in || in != "" {
		want.LimitReached = v1alpha1.LimitReachedStatus{} // it was the portfolio's
	}
	said, over := fold(&want.LimitReached, transitions, state.EvaluatedAt)

	decided(want, policy, state, next)
	counted(want, policy, facts, state)
	if known.sampled {
		r.Samples.counted(&want.Usage, number, known.whole)
		want.Usage.OwnUsed, want.Usage.LastDeliveryTime = want.Usage.Used, lastDelivery(r.Ledger, number, now)
	}
	if known.portfolio != nil {
		shared(want, known.portfolio, usedTogether(r.Ledger, known.portfolio, known.whole, state.EvaluatedAt))
		switch want.PortfolioReport = joinedAt(r.Ledger, number, in); {
		case number.Status.Portfolio == in:
			want.PortfolioSinceTime = number.Status.PortfolioSinceTime
		case evaluated:
			want.PortfolioSinceTime = at(now)
		}
	}
	want.Quality.Feedback = feedbackStatus(r.Ledger, number.Spec.PhoneNumber, policy, now)
	want.Flag.Appeal = appealOf(number, want)
	want.Templates = inUse(known.templates)
	happened(&want.History, &want.Transitions, said.told)
	later = earliest(later, accounted(r.Ledger, number, want, now))
	want.Explanation = explained(number, want, known, state, now)
	conditions(number, want, state)
	set.sendableTo(&want.Usage, roomOf(known, &state, &want.Usage))
	hears := r.heard(number, now)
	want.Usage.LastReceivedTime, want.LastFailure = at(hears.at), r.lastFailure(number)
	later = earliest(later, r.usageFresh(set, number, known.sampled, hears, now))
	shown, _ := stateOf(want) // with what its portfolio shares
	agreement := rules.Agree(known.whole, facts, shown, now)
	set.agree(agreement, notUnderstood(r.Ledger, numberSubjects(number), now))
	want.PolicyGeneration = known.generation
	want.ObservedReport = known.lastReport
	return said, wakeUp{policy: policy, usage: facts.Usage, next: earliest(earliest(next, over), earliest(later, agreement.Due))}, nil
}

// appealOf is where the appeal against the number's present flag stands; empty if there is none.
func appealOf(number *v1alpha1.PhoneNumber, status *v1alpha1.PhoneNumberStatus) v1alpha1.AppealState {
	appeal := &number.Spec.Appeal
	if status.Flag.SinceTime.IsZero() || appeal.State == "" || appeal.OpenedTime.Before(&status.Flag.SinceTime) {
		return ""
	}
	return appeal.State
}

// inUse are templates as a number's status shows them, by name.
func inUse(templates []v1alpha1.MessageTemplate) []v1alpha1.TemplateInUse {
	var all []v1alpha1.TemplateInUse
	for i := range templates {
		if t := &templates[i]; t.Status.State != "" {
			all = append(all, v1alpha1.TemplateInUse{Name: t.Name, State: t.Status.State, Rating: t.Status.Quality.Rating})
		}
	}
	slices.SortFunc(all, func(a, b v1alpha1.TemplateInUse) int { return strings.Compare(a.Name, b.Name) })
	return all[:min(len(all), maxTemplates)]
}

// maxTemplates is how many templates a number's status lists.
const maxTemplates = 64

// began is the instant at which the rules start for a number that was never evaluated: the first that is known of it,
// where something came before the resource, or before it was created again; else now. The rules then live through it.
func began(facts *rules.Facts, now time.Time) time.Time {
	began := now
	if first := facts.Usage.Nth(v1alpha1.MeasureMessages, 1, now.Add(-counts.Kept), now); !first.IsZero() {
		began = first.Add(-time.Second) // so that the delivery itself comes after it
	}
	for _, report := range facts.Reports {
		if report.At.Before(began) {
			began = report.At
		}
	}
	return began
}

// sleep is how long nothing changes by itself: until the next deadline of the rules, or until its users leave the windows. A number
// at rest sleeps until there is news.
func (r *PhoneNumberReconciler) sleep(number *v1alpha1.PhoneNumber, of resource, wake wakeUp, now time.Time) ctrl.Result {
	if wake.policy == nil {
		return ctrl.Result{}
	}
	return r.Operator.sleep(of, wake, r.Ledger.NextExpiry(number.Spec.PhoneNumber, now, append(wake.policy.Windows(), week)...), now)
}

// concerned are the reconciles of the numbers that something was received for.
func (r *PhoneNumberReconciler) concerned(ctx context.Context, subject string) ([]reconcile.Request, error) {
	numbers, err := numbersWith(ctx, r.Cache, subjectIndex, subject)
	return requests(numbers), err
}

func (r *PhoneNumberReconciler) namesakes(ctx context.Context, changed *v1alpha1.PhoneNumber) ([]reconcile.Request, error) {
	numbers, err := numbersWith(ctx, r.Cache, subjectIndex, changed.Spec.PhoneNumber)
	return slices.DeleteFunc(requests(numbers), func(other reconcile.Request) bool { return other == request(changed) }), err
}

func (r *PhoneNumberReconciler) governed(ctx context.Context, policy *v1alpha1.MessagingPolicy) ([]reconcile.Request, error) {
	named, err := numbersWith(ctx, r.Cache, policyIndex, policy.Name)
	if err != nil {
		return nil, err
	}
	// Numbers that name no policy may be governed by any, once it is marked as the default.
	rest, err := numbersWith(ctx, r.Cache, policyIndex, "")
	return append(requests(named), requests(rest)...), err
}

func (r *PhoneNumberReconciler) members(ctx context.Context, portfolio *v1alpha1.BusinessPortfolio) ([]reconcile.Request, error) {
	numbers, err := numbersWith(ctx, r.Cache, portfolioIndex, portfolio.Name)
	return requests(numbers), err
}

func (r *PhoneNumberReconciler) senders(ctx context.Context, template *v1alpha1.MessageTemplate) ([]reconcile.Request, error) {
	numbers, err := numbersOf(ctx, r.Cache, template)
	return requests(numbers), err
}
