// Package number keeps the status of PhoneNumbers at what the rules conclude from what was received.
package number

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
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/internal/reports"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/controllers/internal/throttle"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Reconciler keeps the status of PhoneNumbers at what the rules conclude from what was received.
type Reconciler struct {
	reconciler.Operator
}

// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=phonenumbers;messagingpolicies;businessportfolios;messagetemplates,verbs=list;watch
// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=phonenumbers/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager registers the controller. The indexes must be there (see SetupIndexes).
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		// The status is ours: only a changed spec is news.
		For(&v1alpha1.PhoneNumber{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// When a number goes, or comes, another with the same phone number may have to take over, or step back.
		Watches(&v1alpha1.PhoneNumber{}, handler.EnqueueRequestsFromMapFunc(lookup.Map(r.requestsForSameNumber)), builder.WithPredicates(predicate.Funcs{
			CreateFunc: reconciler.SinceStart.CreateFunc,
			UpdateFunc: func(e event.UpdateEvent) bool {
				return e.ObjectOld.GetDeletionTimestamp().IsZero() && !e.ObjectNew.GetDeletionTimestamp().IsZero()
			},
			GenericFunc: func(event.GenericEvent) bool { return false },
		})).
		Watches(&v1alpha1.MessagingPolicy{}, handler.EnqueueRequestsFromMapFunc(lookup.Map(r.requestsForPolicy)), builder.WithPredicates(reconciler.PolicyChanged)).
		// What the portfolio shares, and the templates in use, show on the number.
		Watches(&v1alpha1.BusinessPortfolio{}, handler.EnqueueRequestsFromMapFunc(lookup.Map(r.requestsForPortfolio)), builder.WithPredicates(reconciler.SinceStart)).
		Watches(&v1alpha1.MessageTemplate{}, handler.EnqueueRequestsFromMapFunc(lookup.Map(r.requestsForTemplate)), builder.WithPredicates(reconciler.SinceStart)).
		WatchesRawSource(reconciler.Subscription(r.Ledger, r.BatchPeriod, r.RequestsFor)).
		WatchesRawSource(reconciler.Subscription(r.Samples, r.BatchPeriod, r.RequestsFor)).
		WatchesRawSource(reconciler.Subscription(r.Receipts, r.BatchPeriod, r.RequestsFor)).
		WatchesRawSource(r.Throttle.Source("PhoneNumber")).
		WithOptions(reconciler.Options(r.Concurrency)).
		Named("phonenumber").
		Complete(r)
}

// Reconcile brings one number's status up to now.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var number v1alpha1.PhoneNumber
	of := throttle.Resource{Kind: "PhoneNumber", NamespacedName: request.NamespacedName}
	if err := r.Client.Get(ctx, request.NamespacedName, &number); err != nil || !number.DeletionTimestamp.IsZero() {
		r.Throttle.Forget(of)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	now := r.Clock.Now().Truncate(time.Second)
	want := number.Status.DeepCopy()
	want.ObservedGeneration = number.Generation

	transitions, wake, err := r.evaluate(ctx, &number, want, now)
	if err != nil {
		return ctrl.Result{}, err
	}
	if d := throttle.Differ(partsOfNumber(&number.Status), partsOfNumber(want)); r.Due(of, d) {
		ours := *want
		ours.Conditions, ours.Notifications, ours.Completeness = conditions.Owned(want.Conditions), nil, v1alpha1.CompletenessStatus{}
		written, result, err := r.Record(ctx, &number, &ours, reconciler.Outcome{Of: of, Differs: d, Transitions: transitions, Before: number.Status.Conditions, After: want.Conditions, Deadline: number.Status.NextDeadlineTime, Now: now})
		if !written {
			return result, err
		}
		publishShare(r.Recorder, &number, &number.Status, want)
		log.FromContext(ctx).V(1).Info("status written", "state", want.State, "tier", want.Tier.Name, "nextDeadline", want.NextDeadlineTime)
		number.Status = *want
	}
	return r.sleep(&number, of, wake, now), nil
}

// evaluate lets the rules decide and writes the outcome into the wanted status. It returns what happened and the next
// instant at which something can.
func (r *Reconciler) evaluate(ctx context.Context, number *v1alpha1.PhoneNumber, want *v1alpha1.PhoneNumberStatus, now time.Time) (statuses.Transitions, reconciler.Wake, error) {
	set := conditions.Of(number, &want.Conditions, now)
	if err := r.claim(ctx, number); err != nil {
		return statuses.Transitions{}, reconciler.Wake{}, err
	}
	if number.Spec.Activity == v1alpha1.Suspended {
		set.SetReady(v1alpha1.ReasonSuspended, "spec.activity is Suspended: the status is frozen; usage is counted on.")
		set.SetSendable(&want.Usage, rules.RoomOf(rules.Limit{}, rules.Obstacle{Reason: v1alpha1.RoomSuspended}))
		want.NextDeadlineTime = metav1.Time{} // nobody keeps it
		return statuses.Transitions{}, reconciler.Wake{}, nil
	}
	known, err := r.gather(ctx, number)
	if problem := (*conditions.Problem)(nil); errors.As(err, &problem) {
		set.SetNotReady(problem)
		set.SetSendable(&want.Usage, rules.RoomOf(rules.Limit{}, rules.Obstacle{Reason: v1alpha1.RoomNotReady}))
		want.NextDeadlineTime = metav1.Time{}
		return statuses.Transitions{}, reconciler.Wake{}, nil
	} else if err != nil {
		return statuses.Transitions{}, reconciler.Wake{}, err
	}
	policy, facts := known.policy, known.facts

	state, evaluated := State(&number.Status)
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
		state = rules.Initial(policy, number.Spec.Verification, statuses.Began(facts, now))
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
	said, over := statuses.Fold(&want.LimitReached, transitions, state.EvaluatedAt)

	SetDecisions(want, policy, state, next)
	SetCounts(want, policy, facts, state)
	if known.sampled {
		r.Samples.SetUsage(&want.Usage, number, known.whole)
		want.Usage.OwnUsed, want.Usage.LastDeliveryTime = want.Usage.Used, lastDelivery(r.Ledger, number, now)
	}
	if known.portfolio != nil {
		setShared(want, known.portfolio, usedTogether(r.Ledger, known.portfolio, known.whole, state.EvaluatedAt))
		switch want.PortfolioReport = reports.JoinedAt(r.Ledger, number, in); {
		case number.Status.Portfolio == in:
			want.PortfolioSinceTime = number.Status.PortfolioSinceTime
		case evaluated:
			want.PortfolioSinceTime = statuses.Time(now)
		}
	}
	want.Quality.Feedback = feedbackStatus(r.Ledger, number.Spec.PhoneNumber, policy, now)
	want.Flag.Appeal = appealOf(number, want)
	want.Templates = inUse(known.templates)
	statuses.AddTransitions(&want.History, &want.Transitions, said.Told)
	later = statuses.Earliest(later, setStatements(r.Ledger, number, want, now))
	want.Explanation = explained(number, want, known, state, now)
	setConditions(number, want, state)
	set.SetSendable(&want.Usage, roomOf(known, &state, &want.Usage))
	hears := r.heard(number, now)
	want.Usage.LastReceivedTime, want.LastFailure = statuses.Time(hears.at), r.lastFailure(number)
	later = statuses.Earliest(later, r.usageFresh(set, number, known.sampled, hears, now))
	shown, _ := State(want) // with what its portfolio shares
	agreement := rules.Agree(known.whole, facts, shown, now)
	set.SetRulesAgree(agreement, reports.NotUnderstood(r.Ledger, lookup.NumberSubjects(number), now))
	want.PolicyGeneration = known.generation
	want.ObservedReport = known.lastReport
	return said, reconciler.Wake{Policy: policy, Usage: facts.Usage, Next: statuses.Earliest(statuses.Earliest(next, over), statuses.Earliest(later, agreement.Due))}, nil
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

// sleep is how long nothing changes by itself: until the next deadline of the rules, or until its users leave the windows. A number
// at rest sleeps until there is news.
func (r *Reconciler) sleep(number *v1alpha1.PhoneNumber, of throttle.Resource, wake reconciler.Wake, now time.Time) ctrl.Result {
	if wake.Policy == nil {
		return ctrl.Result{}
	}
	return r.Operator.Sleep(of, wake, r.Ledger.NextExpiry(number.Spec.PhoneNumber, now, append(wake.Policy.Windows(), statuses.Week)...), now)
}

// RequestsFor are the reconciles of the numbers that something was received for.
func (r *Reconciler) RequestsFor(ctx context.Context, subject string) ([]reconcile.Request, error) {
	numbers, err := lookup.Numbers(ctx, r.Cache, lookup.SubjectIndex, subject)
	return lookup.Requests(numbers), err
}

func (r *Reconciler) requestsForSameNumber(ctx context.Context, changed *v1alpha1.PhoneNumber) ([]reconcile.Request, error) {
	numbers, err := lookup.Numbers(ctx, r.Cache, lookup.SubjectIndex, changed.Spec.PhoneNumber)
	return slices.DeleteFunc(lookup.Requests(numbers), func(other reconcile.Request) bool { return other == lookup.Request(changed) }), err
}

func (r *Reconciler) requestsForPolicy(ctx context.Context, policy *v1alpha1.MessagingPolicy) ([]reconcile.Request, error) {
	named, err := lookup.Numbers(ctx, r.Cache, lookup.PolicyIndex, policy.Name)
	if err != nil {
		return nil, err
	}
	// Numbers that name no policy may be governed by any, once it is marked as the default.
	rest, err := lookup.Numbers(ctx, r.Cache, lookup.PolicyIndex, "")
	return append(lookup.Requests(named), lookup.Requests(rest)...), err
}

func (r *Reconciler) requestsForPortfolio(ctx context.Context, portfolio *v1alpha1.BusinessPortfolio) ([]reconcile.Request, error) {
	numbers, err := lookup.Numbers(ctx, r.Cache, lookup.PortfolioIndex, portfolio.Name)
	return lookup.Requests(numbers), err
}

func (r *Reconciler) requestsForTemplate(ctx context.Context, template *v1alpha1.MessageTemplate) ([]reconcile.Request, error) {
	numbers, err := lookup.Senders(ctx, r.Cache, template)
	return lookup.Requests(numbers), err
}
