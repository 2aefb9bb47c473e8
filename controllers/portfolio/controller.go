// Package portfolio keeps the status of BusinessPortfolios at what the rules conclude from what their numbers sent
// together.
package portfolio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/internal/reports"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/controllers/internal/throttle"
	"numberfleet.dev/numberfleet/controllers/internal/usage"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

// Reconciler keeps the status of BusinessPortfolios at what the rules conclude from what their numbers sent
// together. The numbers then show it as their own.
type Reconciler struct {
	reconciler.Operator
}

// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=businessportfolios/status,verbs=patch

// SetupWithManager registers the controller. The indexes must be there (see SetupIndexes).
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.BusinessPortfolio{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// When one goes, another with the same id may have to take over.
		Watches(&v1alpha1.BusinessPortfolio{}, handler.EnqueueRequestsFromMapFunc(lookup.Map(r.requestsForSameID)), builder.WithPredicates(reconciler.OnlyDeletion)).
		// A number that comes, goes, moves to another portfolio, or is rated otherwise.
		Watches(&v1alpha1.PhoneNumber{}, numberMoves{}).
		Watches(&v1alpha1.MessageTemplate{}, handler.EnqueueRequestsFromMapFunc(lookup.Map(r.requestsForTemplate)), builder.WithPredicates(reconciler.SinceStart)).
		Watches(&v1alpha1.MessagingPolicy{}, handler.EnqueueRequestsFromMapFunc(lookup.Map(r.requestsForPolicy)), builder.WithPredicates(reconciler.PolicyChanged)).
		WatchesRawSource(reconciler.Subscription(r.Ledger, r.BatchPeriod, r.RequestsFor)).
		WatchesRawSource(reconciler.Subscription(r.Samples, r.BatchPeriod, r.RequestsFor)).
		WatchesRawSource(r.Throttle.Source("BusinessPortfolio")).
		WithOptions(reconciler.Options(r.Concurrency)).
		Named("businessportfolio").
		Complete(r)
}

// Reconcile brings one portfolio's status up to now.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var portfolio v1alpha1.BusinessPortfolio
	of := throttle.Resource{Kind: "BusinessPortfolio", NamespacedName: request.NamespacedName}
	err := r.Client.Get(ctx, request.NamespacedName, &portfolio)
	if apierrors.IsNotFound(err) || err == nil && !portfolio.DeletionTimestamp.IsZero() {
		r.Throttle.Forget(of)
		if err := r.Ledger.SetPortfolio(request.Name, nil); err != nil {
			return ctrl.Result{}, fmt.Errorf("end the counts of the portfolio: %w", err)
		}
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	now := r.Clock.Now().Truncate(time.Second)
	want := portfolio.Status.DeepCopy()
	want.ObservedGeneration = portfolio.Generation

	transitions, wake, err := r.evaluate(ctx, &portfolio, want, now)
	if errors.Is(err, errBehind) {
		return ctrl.Result{RequeueAfter: time.Second}, nil // sooner, when the number's status changes
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	if d := throttle.Differ(partsOfPortfolio(&portfolio.Status), partsOfPortfolio(want)); r.Due(of, d) {
		ours := *want
		ours.Conditions, ours.Notifications = conditions.Owned(want.Conditions), nil
		written, result, err := r.Record(ctx, &portfolio, &ours, reconciler.Outcome{Of: of, Differs: d, Transitions: transitions, Before: portfolio.Status.Conditions, After: want.Conditions, Deadline: portfolio.Status.NextDeadlineTime, Now: now})
		if !written {
			return result, err
		}
		portfolio.Status = *want
	}
	return r.sleep(&portfolio, of, wake, now), nil
}

// evaluate lets the rules decide and writes the outcome into the wanted status. It returns what happened and the next
// instant at which something can.
func (r *Reconciler) evaluate(ctx context.Context, portfolio *v1alpha1.BusinessPortfolio, want *v1alpha1.BusinessPortfolioStatus, now time.Time) (statuses.Transitions, reconciler.Wake, error) {
	set := conditions.Of(portfolio, &want.Conditions, now)
	numbers, policy, err := r.members(ctx, portfolio)
	if err == nil {
		err = r.onlyOne(ctx, portfolio)
	}
	if problem := (*conditions.Problem)(nil); errors.As(err, &problem) {
		set.SetNotReady(problem)
		set.SetSendable(&want.Usage, rules.RoomOf(rules.Limit{}, rules.Obstacle{Reason: v1alpha1.RoomNotReady}))
		want.NextDeadlineTime = metav1.Time{} // nobody keeps it
		return statuses.Transitions{}, reconciler.Wake{}, nil
	} else if err != nil {
		return statuses.Transitions{}, reconciler.Wake{}, err
	}
	// The counts go on while the portfolio is suspended.
	share := r.Samples.Sharing(lookup.Pointers(numbers))
	usage, err := r.count(portfolio.Name, numbers, share, policy.Policy)
	if err != nil {
		return statuses.Transitions{}, reconciler.Wake{}, err
	}
	policy.Policy = policy.Portfolio()
	if portfolio.Spec.Activity == v1alpha1.Suspended {
		set.SetReady(v1alpha1.ReasonSuspended, "spec.activity is Suspended: the status is frozen; usage is counted on.")
		set.SetSendable(&want.Usage, rules.RoomOf(rules.Limit{}, rules.Obstacle{Reason: v1alpha1.RoomSuspended}))
		want.NextDeadlineTime = metav1.Time{}
		return statuses.Transitions{}, reconciler.Wake{}, nil
	}

	state, evaluated := State(&portfolio.Status)
	if evaluated && slices.ContainsFunc(numbers, func(n v1alpha1.PhoneNumber) bool { return r.behind(&n, portfolio.Name, now) }) {
		return statuses.Transitions{}, reconciler.Wake{}, errBehind
	}
	if evaluated {
		behind, err := r.templatesBehind(ctx, numbers)
		if behind {
			err = errBehind
		}
		if err != nil {
			return statuses.Transitions{}, reconciler.Wake{}, err
		}
	}
	facts := &rules.Facts{Verification: declaredVerification(portfolio, numbers), Usage: usage}
	var lastReport int64
	facts.Reports, lastReport = reports.After(r.Ledger, lookup.PortfolioSubject(portfolio), portfolio.Status.ObservedReport)
	ofNumbers, later := r.reportsOf(portfolio.Name, numbers, &state, now)
	facts.Reports = append(facts.Reports, ofNumbers...)
	var transitions []rules.Transition
	brought, brings := highest(portfolio, numbers)
	switch {
	case !evaluated && brings:
		state = rules.Initial(policy.Policy, facts.Verification, now) // its numbers have lived through what was before
	case !evaluated:
		state = rules.Initial(policy.Policy, facts.Verification, statuses.Began(facts, now))
	case portfolio.Status.PolicyName != policy.Name || portfolio.Status.PolicyGeneration != policy.Generation:
		state, transitions = rules.MigratePolicy(policy.Policy, state, portfolio.Status.PolicyName == policy.Name, now)
	case joined(portfolio.Name, numbers, state.EvaluatedAt) && state.EvaluatedAt.Before(now):
		state.EvaluatedAt = now // what a number did elsewhere counts from now on, and decided nothing here before
	}
	ratings, err := r.standing(ctx, numbers, state.EvaluatedAt, now)
	if err != nil {
		return statuses.Transitions{}, reconciler.Wake{}, err
	}
	facts.Members = ratings

	if brings {
		var merged []rules.Transition
		state, merged = rules.RaiseTo(policy.Policy, state, brought, now)
		transitions = append(transitions, merged...)
	}
	state, more, next := rules.Advance(policy.Policy, facts, state, now)
	transitions = append(transitions, more...)

	SetStatus(want, policy, facts, state, next)
	share.SetUsage(&want.Usage, policy.Policy)
	want.Numbers = new(int32(len(numbers)))
	want.ObservedReport = lastReport
	said, over := statuses.Fold(&want.LimitReached, transitions, state.EvaluatedAt)
	statuses.AddTransitions(&want.History, &want.Transitions, said.Told)
	want.Explanation = rules.Explain(policy.Policy, facts, state, rules.TierCause(want.History, state.TierSince), now)
	set.SetReady(v1alpha1.ReasonEvaluated, "The rules of policy "+policy.Name+" ran on all that was received.")
	set.SetRestricted(&want.Restriction, want.Tier.Limit)
	set.SetSendable(&want.Usage, rules.RoomOf(rules.LimitAt(policy.Policy, usage, &state, state.EvaluatedAt), standing.Obstacles(lookup.Pointers(numbers))))
	share.SetFresh(set)
	subjects := []report.Subject{lookup.PortfolioSubject(portfolio)}
	for _, r := range reports.Statements(r.Ledger, subjects[0], now, &later) {
		if r.Kind == report.Alert {
			reports.SetStatement(&want.Alert, r)
		}
	}
	for _, account := range lookup.Accounts(numbers) {
		subjects = append(subjects, report.AccountSubject(account))
	}
	agreement := rules.Agree(policy.Policy, facts, state, now)
	set.SetRulesAgree(agreement, reports.NotUnderstood(r.Ledger, subjects, now))
	return said, reconciler.Wake{Policy: policy.Policy, Usage: usage, Next: statuses.Earliest(statuses.Earliest(next, over), statuses.Earliest(later, agreement.Due))}, nil
}

// errBehind says that a number or template of the portfolio was rated, and that its status does not show it yet.
var errBehind = errors.New("a number or template of the portfolio has yet to be evaluated")

// behind says whether a number's status lacks a rating that was reported: after a start, or where its status could not be
// written. What the portfolio concluded without it, for a time at which it held, would stand.
func (r *Reconciler) behind(number *v1alpha1.PhoneNumber, portfolio string, now time.Time) bool {
	status := &number.Status
	if status.Portfolio != portfolio || number.Spec.Activity == v1alpha1.Suspended || !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady) {
		return false
	}
	reports, _ := reports.After(r.Ledger, report.ParseSubject(number.Spec.PhoneNumber), status.ObservedReport)
	return slices.ContainsFunc(reports, func(r report.Report) bool {
		rating := r.Rating()
		return r.Kind == report.Quality && r.Understood() && rating != v1alpha1.QualityUnknown &&
			rating != status.Quality.ReportedRating && !r.Time().Before(statuses.UTC(status.Quality.ReportedTime)) && !r.Time().After(now)
	})
}

// templatesBehind says the same of the templates of some numbers, and of anything that was reported of them: blocked, they count
// no more, and edited, nobody has rated them.
func (r *Reconciler) templatesBehind(ctx context.Context, numbers []v1alpha1.PhoneNumber) (bool, error) {
	for i := range numbers {
		templates, err := lookup.Templates(ctx, r.Cache, &numbers[i])
		if err != nil {
			return false, err
		}
		for j := range templates {
			t := &templates[j]
			if t.Spec.Activity == v1alpha1.Suspended || !meta.IsStatusConditionTrue(t.Status.Conditions, v1alpha1.ConditionReady) {
				continue
			}
			if reports, _ := reports.After(r.Ledger, lookup.TemplateSubject(t), t.Status.ObservedReport); len(reports) > 0 {
				return true, nil
			}
		}
	}
	return false, nil
}

// onlyOne is a problem where an older resource has the same id at Meta: what is reported of it is about one of them.
func (r *Reconciler) onlyOne(ctx context.Context, portfolio *v1alpha1.BusinessPortfolio) error {
	subject := lookup.PortfolioSubject(portfolio).String()
	if subject == "" {
		return nil
	}
	var same v1alpha1.BusinessPortfolioList
	if err := r.Cache.List(ctx, &same, client.MatchingFields{lookup.SubjectIndex: subject}); err != nil {
		return fmt.Errorf("list business portfolios: %w", err)
	}
	for i := range same.Items {
		if other := &same.Items[i]; other.DeletionTimestamp.IsZero() && lookup.Older(other, portfolio) {
			return &conditions.Problem{Reason: v1alpha1.ReasonDuplicatePortfolio, Stalled: true, Message: fmt.Sprintf(
				"BusinessPortfolio %q, which is older, has the same spec.portfolioID: delete one of the two.", other.Name)}
		}
	}
	return nil
}

// members are the numbers that share the portfolio's limit, and the policy that it is governed by.
func (r *Reconciler) members(ctx context.Context, portfolio *v1alpha1.BusinessPortfolio) ([]v1alpha1.PhoneNumber, lookup.Governing, error) {
	policy, err := lookup.Policy(ctx, r.Cache, portfolio.Spec.PolicyName)
	if err != nil {
		return nil, lookup.Governing{}, err
	}
	if policy.Scope != v1alpha1.ScopePortfolio {
		return nil, lookup.Governing{}, &conditions.Problem{Reason: v1alpha1.ReasonPolicyConflict, Stalled: true, Message: fmt.Sprintf(
			"By MessagingPolicy %q limits belong to numbers, not to portfolios: name a policy of scope Portfolio in spec.policyName.", policy.Name)}
	}
	numbers, err := lookup.Numbers(ctx, r.Cache, lookup.PortfolioIndex, portfolio.Name)
	if err != nil {
		return nil, lookup.Governing{}, err
	}
	var members []v1alpha1.PhoneNumber
	for i := range numbers {
		n := &numbers[i]
		if !n.DeletionTimestamp.IsZero() || n.Spec.PolicyName != "" && n.Spec.PolicyName != policy.Name {
			continue
		}
		// Of several resources with the same phone number, here or elsewhere, usage counts for one.
		other, err := lookup.Before(ctx, r.Cache, n)
		if err != nil {
			return nil, lookup.Governing{}, err
		}
		if other == nil {
			members = append(members, *n)
		}
	}
	return members, policy, nil
}

// highest is the highest limit among the numbers that had one of their own until now, and join the portfolio; false if there
// are none. A portfolio that was created again finds at its numbers the limit that it had.
func highest(portfolio *v1alpha1.BusinessPortfolio, numbers []v1alpha1.PhoneNumber) (limit int64, found bool) {
	again := portfolio.Status.Tier.Name == ""
	for i := range numbers {
		n := &numbers[i].Status
		brings := n.Tier.Name != "" && (n.Portfolio == "" || again && n.Portfolio == portfolio.Name)
		if brings && numbers[i].Spec.Activity != v1alpha1.Suspended && (!found || rules.Above(n.Tier.Limit, limit)) {
			limit, found = n.Tier.Limit, true
		}
	}
	return limit, found
}

// joined says whether a number came from elsewhere after an instant.
func joined(portfolio string, numbers []v1alpha1.PhoneNumber, after time.Time) bool {
	return slices.ContainsFunc(numbers, func(n v1alpha1.PhoneNumber) bool {
		// Until it shows the portfolio, it is about to come; not while it is suspended.
		return n.Status.Tier.Name != "" && n.Spec.Activity != v1alpha1.Suspended && (n.Status.Portfolio != portfolio || n.Status.PortfolioSinceTime.After(after))
	})
}

// count has the ledger count what the numbers send together, as far as their counts are its own, and answers for all.
func (r *Reconciler) count(name string, numbers []v1alpha1.PhoneNumber, share usage.Sharing, policy *rules.Policy) (rules.Usage, error) {
	for i := range numbers {
		if err := usage.Configure(r.Ledger, numbers[i].Spec.PhoneNumber, policy.Member()); err != nil {
			return nil, err
		}
	}
	if err := r.Ledger.SetPortfolio(name, share.Counted); err != nil {
		return nil, fmt.Errorf("count the numbers together: %w", err)
	}
	return share.Usage(rules.Exact{Counted: r.Ledger.Usage(counts.PortfolioKey(name))}, policy), nil
}

// declaredVerification is the portfolio's, or Verified if one of its numbers says so.
func declaredVerification(portfolio *v1alpha1.BusinessPortfolio, numbers []v1alpha1.PhoneNumber) v1alpha1.Verification {
	if portfolio.Spec.Verification != "" {
		return portfolio.Spec.Verification
	}
	for i := range numbers {
		if numbers[i].Spec.Verification == v1alpha1.Verified {
			return v1alpha1.Verified
		}
	}
	return v1alpha1.Unverified
}

// reportsOf are Meta's reports of the numbers and of their accounts that are about the portfolio: of the limit and of the
// verification, since each has a part in it. Those that the state already has are older than the last that it knows. One from
// ahead of the clock waits until then: later is when the first of them is due.
func (r *Reconciler) reportsOf(portfolio string, numbers []v1alpha1.PhoneNumber, state *rules.State, now time.Time) (news []report.Report, later time.Time) {
	add := func(r report.Report) {
		at := r.Time()
		switch shared := r.Kind == report.Limit || r.Kind == report.Verification; {
		case !shared || !reports.IsNews(r, state) || r.Kind == report.Limit && at.Before(state.TierSince):
		case at.After(now):
			later = statuses.Earliest(later, at)
		default:
			news = append(news, r)
		}
	}
	for i := range numbers {
		for _, said := range r.Ledger.Reports(report.ParseSubject(numbers[i].Spec.PhoneNumber), reports.JoinedAt(r.Ledger, &numbers[i], portfolio)) {
			add(said)
		}
	}
	for _, account := range lookup.Accounts(numbers) {
		for _, said := range r.Ledger.Reports(report.AccountSubject(account), 0) {
			add(said)
		}
	}
	return news, later
}

func (r *Reconciler) sleep(portfolio *v1alpha1.BusinessPortfolio, of throttle.Resource, wake reconciler.Wake, now time.Time) ctrl.Result {
	if wake.Policy == nil {
		return ctrl.Result{}
	}
	return r.Operator.Sleep(of, wake, r.Ledger.NextExpiry(counts.PortfolioKey(portfolio.Name), now, append(wake.Policy.Windows(), statuses.Week)...), now)
}

func (r *Reconciler) RequestsFor(ctx context.Context, subject string) ([]reconcile.Request, error) {
	var portfolios v1alpha1.BusinessPortfolioList
	if err := r.Cache.List(ctx, &portfolios, client.MatchingFields{lookup.SubjectIndex: subject}); err != nil {
		return nil, fmt.Errorf("list business portfolios: %w", err)
	}
	var all []reconcile.Request
	for i := range portfolios.Items {
		all = append(all, lookup.Request(&portfolios.Items[i]))
	}
	numbers, err := lookup.Numbers(ctx, r.Cache, lookup.SubjectIndex, subject)
	return append(all, lookup.PortfolioRequests(numbers)...), err
}

func (r *Reconciler) requestsForSameID(ctx context.Context, gone *v1alpha1.BusinessPortfolio) ([]reconcile.Request, error) {
	return r.RequestsFor(ctx, lookup.PortfolioSubject(gone).String())
}

func (r *Reconciler) requestsForPolicy(ctx context.Context, policy *v1alpha1.MessagingPolicy) ([]reconcile.Request, error) {
	var all []reconcile.Request
	for _, name := range []string{policy.Name, ""} {
		var portfolios v1alpha1.BusinessPortfolioList
		if err := r.Cache.List(ctx, &portfolios, client.MatchingFields{lookup.PolicyIndex: name}); err != nil {
			return nil, fmt.Errorf("list business portfolios: %w", err)
		}
		for i := range portfolios.Items {
			all = append(all, lookup.Request(&portfolios.Items[i]))
		}
	}
	return all, nil
}

func (r *Reconciler) requestsForTemplate(ctx context.Context, template *v1alpha1.MessageTemplate) ([]reconcile.Request, error) {
	numbers, err := lookup.Senders(ctx, r.Cache, template)
	return lookup.PortfolioRequests(numbers), err
}

// numberMoves enqueues the portfolio of a number that changed in a way that concerns it, and the one that it left.
type numberMoves struct{ handler.Funcs }

// Create implements handler.EventHandler.
func (numberMoves) Create(_ context.Context, e event.CreateEvent, queue throttle.Queue) {
	enqueue(queue, e.Object)
}

// Update implements handler.EventHandler.
func (numberMoves) Update(_ context.Context, e event.UpdateEvent, queue throttle.Queue) {
	before, after := e.ObjectOld.(*v1alpha1.PhoneNumber), e.ObjectNew.(*v1alpha1.PhoneNumber)
	if before.Spec.Business.Portfolio != after.Spec.Business.Portfolio {
		enqueue(queue, before)
	}
	// Counts in the status come from the ledger, which says itself when they change.
	if before.Generation != after.Generation || before.Status.Portfolio != after.Status.Portfolio || before.Status.Transitions != after.Status.Transitions ||
		before.Status.Tier.Name == "" != (after.Status.Tier.Name == "") || standing.Obstacle(before) != standing.Obstacle(after) || after.DeletionTimestamp != nil {
		enqueue(queue, after)
	}
}

// Delete implements handler.EventHandler.
func (numberMoves) Delete(_ context.Context, e event.DeleteEvent, queue throttle.Queue) {
	enqueue(queue, e.Object)
}

func enqueue(to throttle.Queue, number client.Object) {
	for _, r := range lookup.PortfolioRequests([]v1alpha1.PhoneNumber{*number.(*v1alpha1.PhoneNumber)}) {
		to.Add(r)
	}
}
