package controllers

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
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/records"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

// BusinessPortfolioReconciler keeps the status of BusinessPortfolios at what the rules conclude from what their numbers sent
// together. The numbers then show it as their own.
type BusinessPortfolioReconciler struct {
	Operator
}

// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=businessportfolios/status,verbs=patch

// SetupWithManager registers the controller. The indexes must be there (see SetupIndexes).
func (r *BusinessPortfolioReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.BusinessPortfolio{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// When one goes, another with the same id may have to take over.
		Watches(&v1alpha1.BusinessPortfolio{}, handler.EnqueueRequestsFromMapFunc(mapped(r.namesakes)), builder.WithPredicates(gone)).
		// A number that comes, goes, moves to another portfolio, or is rated otherwise.
		Watches(&v1alpha1.PhoneNumber{}, numberMoves{}).
		Watches(&v1alpha1.MessageTemplate{}, handler.EnqueueRequestsFromMapFunc(mapped(r.senders)), builder.WithPredicates(sinceStart)).
		Watches(&v1alpha1.MessagingPolicy{}, handler.EnqueueRequestsFromMapFunc(mapped(r.governed)), builder.WithPredicates(otherPolicy)).
		WatchesRawSource(newUsage(r.Ledger, r.BatchPeriod, r.concerned)).
		WatchesRawSource(newUsage(r.Samples, r.BatchPeriod, r.concerned)).
		WatchesRawSource(r.Throttle.source("BusinessPortfolio")).
		WithOptions(controllerOptions(r.Concurrency)).
		Named("businessportfolio").
		Complete(r)
}

// Reconcile brings one portfolio's status up to now.
func (r *BusinessPortfolioReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var portfolio v1alpha1.BusinessPortfolio
	of := resource{"BusinessPortfolio", request.NamespacedName}
	err := r.Client.Get(ctx, request.NamespacedName, &portfolio)
	if apierrors.IsNotFound(err) || err == nil && !portfolio.DeletionTimestamp.IsZero() {
		r.Throttle.gone(of)
		if err := r.Ledger.Group(request.Name, nil); err != nil {
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
	if d := differ(partsOfPortfolio(&portfolio.Status), partsOfPortfolio(want)); r.due(of, d) {
		ours := *want
		ours.Conditions, ours.Notifications = owned(want.Conditions), nil
		written, result, err := r.record(ctx, &portfolio, &ours, outcome{of, d, transitions, portfolio.Status.Conditions, want.Conditions, portfolio.Status.NextDeadlineTime, now})
		if !written {
			return result, err
		}
		portfolio.Status = *want
	}
	return r.sleep(&portfolio, of, wake, now), nil
}

// evaluate lets the rules decide and writes the outcome into the wanted status. It returns what happened and the next
// instant at which something can.
func (r *BusinessPortfolioReconciler) evaluate(ctx context.Context, portfolio *v1alpha1.BusinessPortfolio, want *v1alpha1.BusinessPortfolioStatus, now time.Time) (folded, wakeUp, error) {
	set := conditionsOf(portfolio, &want.Conditions, now)
	numbers, policy, err := r.members(ctx, portfolio)
	if err == nil {
		err = r.onlyOne(ctx, portfolio)
	}
	if problem := (*problem)(nil); errors.As(err, &problem) {
		set.notReady(problem)
		set.sendableTo(&want.Usage, rules.RoomOf(rules.Limit{}, rules.Obstacle{Reason: v1alpha1.RoomNotReady}))
		want.NextDeadlineTime = metav1.Time{} // nobody keeps it
		return folded{}, wakeUp{}, nil
	} else if err != nil {
		return folded{}, wakeUp{}, err
	}
	// The counts go on while the portfolio is suspended.
	share := r.Samples.sharing(pointers(numbers))
	usage, climb, err := r.count(portfolio.Name, numbers, share, policy.Policy)
	if err != nil {
		return folded{}, wakeUp{}, err
	}
	policy.Policy = policy.Portfolio()
	if portfolio.Spec.Activity == v1alpha1.Suspended {
		set.ready(v1alpha1.ReasonSuspended, "spec.activity is Suspended: the status is frozen; usage is counted on.")
		set.sendableTo(&want.Usage, rules.RoomOf(rules.Limit{}, rules.Obstacle{Reason: v1alpha1.RoomSuspended}))
		want.NextDeadlineTime = metav1.Time{}
		return folded{}, wakeUp{}, nil
	}

	state, evaluated := portfolioStateOf(&portfolio.Status)
	if evaluated && slices.ContainsFunc(numbers, func(n v1alpha1.PhoneNumber) bool { return r.behind(&n, portfolio.Name, now) }) {
		return folded{}, wakeUp{}, errBehind
	}
	if evaluated {
		behind, err := r.templatesBehind(ctx, numbers)
		if behind {
			err = errBehind
		}
		if err != nil {
			return folded{}, wakeUp{}, err
		}
	}
	facts := &rules.Facts{Verification: declaredVerification(portfolio, numbers), Usage: usage, UpgradeUsage: climb}
	var lastReport int64
	facts.Reports, lastReport = reportsAfter(r.Ledger, portfolioSubject(portfolio), portfolio.Status.ObservedReport)
	ofNumbers, later := r.reportsOf(portfolio.Name, numbers, &state, now)
	facts.Reports = append(facts.Reports, ofNumbers...)
	var transitions []rules.Transition
	brought, brings := highest(portfolio, numbers)
	switch {
	case !evaluated && brings:
		state = rules.Initial(policy.Policy, facts.Verification, now) // its numbers have lived through what was before
	case !evaluated:
		state = rules.Initial(policy.Policy, facts.Verification, began(facts, now))
	case portfolio.Status.PolicyName != policy.Name || portfolio.Status.PolicyGeneration != policy.generation:
		state, transitions = rules.MigratePolicy(policy.Policy, state, portfolio.Status.PolicyName == policy.Name, now)
	case joined(portfolio.Name, numbers, state.EvaluatedAt) && state.EvaluatedAt.Before(now):
		state.EvaluatedAt = now // what a number did elsewhere counts from now on, and decided nothing here before
	}
	ratings, err := r.standing(ctx, numbers, state.EvaluatedAt, now)
	if err != nil {
		return folded{}, wakeUp{}, err
	}
	facts.Members = ratings

	if brings {
		var merged []rules.Transition
		state, merged = rules.RaiseTo(policy.Policy, state, brought, now)
		transitions = append(transitions, merged...)
	}
	state, more, next := rules.Advance(policy.Policy, facts, state, now)
	transitions = append(transitions, more...)

	portfolioDecided(want, policy, facts, state, next)
	share.mark(&want.Usage, policy.Policy)
	want.Numbers = new(int32(len(numbers)))
	want.ObservedReport = lastReport
	said, over := fold(&want.LimitReached, transitions, state.EvaluatedAt)
	happened(&want.History, &want.Transitions, said.told)
	want.Explanation = rules.Explain(policy.Policy, facts, state, rules.TierCause(want.History, state.TierSince), now)
	set.ready(v1alpha1.ReasonEvaluated, "The rules of policy "+policy.Name+" ran on all that was received.")
	set.restricted(&want.Restriction, want.Tier.Limit)
	set.sendableTo(&want.Usage, rules.RoomOf(rules.LimitAt(policy.Policy, usage, &state, state.EvaluatedAt), standing.Obstacles(pointers(numbers))))
	set.membersFresh(share)
	subjects := []report.Subject{portfolioSubject(portfolio)}
	for _, r := range statements(r.Ledger, subjects[0], now, &later) {
		if r.Kind == report.Alert {
			stated(&want.Alert, r)
		}
	}
	for _, account := range accountsOf(numbers) {
		subjects = append(subjects, report.AccountSubject(account))
	}
	agreement := rules.Agree(policy.Policy, facts, state, now)
	set.agree(agreement, notUnderstood(r.Ledger, subjects, now))
	return said, wakeUp{policy: policy.Policy, usage: usage, next: earliest(earliest(next, over), earliest(later, agreement.Due))}, nil
}

// errBehind says that a number or template of the portfolio was rated, and that its status does not show it yet.
var errBehind = errors.New("a number or template of the portfolio has yet to be evaluated")

// behind says whether a number's status lacks a rating that was reported: after a start, or where its status could not be
// written. What the portfolio concluded without it, for a time at which it held, would stand.
func (r *BusinessPortfolioReconciler) behind(number *v1alpha1.PhoneNumber, portfolio string, now time.Time) bool {
	status := &number.Status
	if status.Portfolio != portfolio || number.Spec.Activity == v1alpha1.Suspended || !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady) {
		return false
	}
	reports, _ := reportsAfter(r.Ledger, report.ParseSubject(number.Spec.PhoneNumber), status.ObservedReport)
	return slices.ContainsFunc(reports, func(r rules.Report) bool {
		rating := v1alpha1.QualityRating(r.Value)
		return r.Kind == rules.ReportQuality && rules.Understood(r.Kind, r.Value) && rating != v1alpha1.QualityUnknown &&
			rating != status.Quality.ReportedRating && !r.At.Before(utc(status.Quality.ReportedTime)) && !r.At.After(now)
	})
}

// templatesBehind says the same of the templates of some numbers, and of anything that was reported of them: blocked, they count
// no more, and edited, nobody has rated them.
func (r *BusinessPortfolioReconciler) templatesBehind(ctx context.Context, numbers []v1alpha1.PhoneNumber) (bool, error) {
	for i := range numbers {
		templates, err := templatesOf(ctx, r.Cache, &numbers[i])
		if err != nil {
			return false, err
		}
		for j := range templates {
			t := &templates[j]
			if t.Spec.Activity == v1alpha1.Suspended || !meta.IsStatusConditionTrue(t.Status.Conditions, v1alpha1.ConditionReady) {
				continue
			}
			if reports, _ := reportsAfter(r.Ledger, templateSubject(t), t.Status.ObservedReport); len(reports) > 0 {
				return true, nil
			}
		}
	}
	return false, nil
}

// onlyOne is a problem where an older resource has the same id at Meta: what is reported of it is about one of them.
func (r *BusinessPortfolioReconciler) onlyOne(ctx context.Context, portfolio *v1alpha1.BusinessPortfolio) error {
	subject := portfolioSubject(portfolio).String()
	if subject == "" {
		return nil
	}
	var same v1alpha1.BusinessPortfolioList
	if err := r.Cache.List(ctx, &same, client.MatchingFields{subjectIndex: subject}); err != nil {
		return fmt.Errorf("list business portfolios: %w", err)
	}
	for i := range same.Items {
		if other := &same.Items[i]; other.DeletionTimestamp.IsZero() && older(other, portfolio) {
			return &problem{reason: v1alpha1.ReasonDuplicatePortfolio, stalled: true, message: fmt.Sprintf(
				"BusinessPortfolio %q, which is older, has the same spec.portfolioID: delete one of the two.", other.Name)}
		}
	}
	return nil
}

// members are the numbers that share the portfolio's limit, and the policy that it is governed by.
func (r *BusinessPortfolioReconciler) members(ctx context.Context, portfolio *v1alpha1.BusinessPortfolio) ([]v1alpha1.PhoneNumber, governing, error) {
	policy, err := policyNamed(ctx, r.Cache, portfolio.Spec.PolicyName)
	if err != nil {
		return nil, governing{}, err
	}
	if policy.Scope != v1alpha1.ScopePortfolio {
		return nil, governing{}, &problem{reason: v1alpha1.ReasonPolicyConflict, stalled: true, message: fmt.Sprintf(
			"By MessagingPolicy %q limits belong to numbers, not to portfolios: name a policy of scope Portfolio in spec.policyName.", policy.Name)}
	}
	numbers, err := numbersWith(ctx, r.Cache, portfolioIndex, portfolio.Name)
	if err != nil {
		return nil, governing{}, err
	}
	var members []v1alpha1.PhoneNumber
	for i := range numbers {
		n := &numbers[i]
		if !n.DeletionTimestamp.IsZero() || n.Spec.PolicyName != "" && n.Spec.PolicyName != policy.Name {
			continue
		}
		// Of several resources with the same phone number, here or elsewhere, usage counts for one.
		other, err := before(ctx, r.Cache, n)
		if err != nil {
			return nil, governing{}, err
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
func (r *BusinessPortfolioReconciler) count(name string, numbers []v1alpha1.PhoneNumber, share sharing, policy *rules.Policy) (used, climb rules.Usage, err error) {
	for i := range numbers {
		if err := configure(r.Ledger, numbers[i].Spec.PhoneNumber, policy.Member()); err != nil {
			return nil, nil, err
		}
	}
	if err := r.Ledger.Group(name, share.counted); err != nil {
		return nil, nil, fmt.Errorf("count the numbers together: %w", err)
	}
	used, climb = share.usage(r.Ledger.Usage(counts.GroupSubject(name)), policy)
	return used, climb, nil
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
func (r *BusinessPortfolioReconciler) reportsOf(portfolio string, numbers []v1alpha1.PhoneNumber, state *rules.State, now time.Time) (news []rules.Report, later time.Time) {
	add := func(r report.Report) {
		at := r.Time()
		switch shared := r.Kind == report.Limit || r.Kind == report.Verification; {
		case !shared || !isNews(r, state) || r.Kind == report.Limit && at.Before(state.TierSince):
		case at.After(now):
			later = earliest(later, at)
		default:
			news = append(news, records.Reported(r))
		}
	}
	for i := range numbers {
		for _, said := range r.Ledger.Reports(report.ParseSubject(numbers[i].Spec.PhoneNumber), joinedAt(r.Ledger, &numbers[i], portfolio)) {
			add(said)
		}
	}
	for _, account := range accountsOf(numbers) {
		for _, said := range r.Ledger.Reports(report.AccountSubject(account), 0) {
			add(said)
		}
	}
	return news, later
}

// accountsOf are the accounts that numbers name, each once.
func accountsOf(numbers []v1alpha1.PhoneNumber) []string {
	var all []string
	for i := range numbers {
		if account := numbers[i].Spec.Business.WhatsAppBusinessAccountID; account != "" && !slices.Contains(all, account) {
			all = append(all, account)
		}
	}
	return all
}

// joinedAt is the sequence number of the last report of a number from before it had a part in a portfolio: of one that
// comes from elsewhere, all that its status has seen.
func joinedAt(book *ledger.Ledger, number *v1alpha1.PhoneNumber, portfolio string) int64 {
	last := number.Status.ObservedReport
	if number.Status.Portfolio == portfolio {
		last = number.Status.PortfolioReport
	}
	if book.LastReport(report.ParseSubject(number.Spec.PhoneNumber)) < last {
		return 0 // another ledger
	}
	return last
}

func (r *BusinessPortfolioReconciler) sleep(portfolio *v1alpha1.BusinessPortfolio, of resource, wake wakeUp, now time.Time) ctrl.Result {
	if wake.policy == nil {
		return ctrl.Result{}
	}
	return r.Operator.sleep(of, wake, r.Ledger.NextExpiry(counts.GroupSubject(portfolio.Name), now, append(wake.policy.Windows(), week)...), now)
}

func (r *BusinessPortfolioReconciler) concerned(ctx context.Context, subject string) ([]reconcile.Request, error) {
	var portfolios v1alpha1.BusinessPortfolioList
	if err := r.Cache.List(ctx, &portfolios, client.MatchingFields{subjectIndex: subject}); err != nil {
		return nil, fmt.Errorf("list business portfolios: %w", err)
	}
	var all []reconcile.Request
	for i := range portfolios.Items {
		all = append(all, request(&portfolios.Items[i]))
	}
	numbers, err := numbersWith(ctx, r.Cache, subjectIndex, subject)
	return append(all, portfolioRequests(numbers)...), err
}

func (r *BusinessPortfolioReconciler) namesakes(ctx context.Context, gone *v1alpha1.BusinessPortfolio) ([]reconcile.Request, error) {
	return r.concerned(ctx, portfolioSubject(gone).String())
}

func (r *BusinessPortfolioReconciler) governed(ctx context.Context, policy *v1alpha1.MessagingPolicy) ([]reconcile.Request, error) {
	var all []reconcile.Request
	for _, name := range []string{policy.Name, ""} {
		var portfolios v1alpha1.BusinessPortfolioList
		if err := r.Cache.List(ctx, &portfolios, client.MatchingFields{policyIndex: name}); err != nil {
			return nil, fmt.Errorf("list business portfolios: %w", err)
		}
		for i := range portfolios.Items {
			all = append(all, request(&portfolios.Items[i]))
		}
	}
	return all, nil
}

func (r *BusinessPortfolioReconciler) senders(ctx context.Context, template *v1alpha1.MessageTemplate) ([]reconcile.Request, error) {
	numbers, err := numbersOf(ctx, r.Cache, template)
	return portfolioRequests(numbers), err
}

// numberMoves enqueues the portfolio of a number that changed in a way that concerns it, and the one that it left.
type numberMoves struct{ handler.Funcs }

// Create implements handler.EventHandler.
func (numberMoves) Create(_ context.Context, e event.CreateEvent, queue queue) {
	enqueue(queue, e.Object)
}

// Update implements handler.EventHandler.
func (numberMoves) Update(_ context.Context, e event.UpdateEvent, queue queue) {
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
func (numberMoves) Delete(_ context.Context, e event.DeleteEvent, queue queue) {
	enqueue(queue, e.Object)
}

func enqueue(to queue, number client.Object) {
	for _, r := range portfolioRequests([]v1alpha1.PhoneNumber{*number.(*v1alpha1.PhoneNumber)}) {
		to.Add(r)
	}
}
