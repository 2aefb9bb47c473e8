// Package portfolio takes a BusinessPortfolio through a reconcile: what its numbers sent together, and what Meta reported, go to the
// rules, and what they make of it into its status.
package portfolio

import (
	"context"
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/budgets"
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
)

// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=businessportfolios/status,verbs=patch

// Evaluation is a portfolio on its way through a reconcile.
type Evaluation struct {
	// Unit is what the rules run for.
	Unit *rules.Unit
	// Portfolio is the resource as it stands; once the evaluation has ended, with the status that it is to have.
	Portfolio *v1alpha1.BusinessPortfolio
	// Evaluated says that the portfolio was evaluated before.
	Evaluated bool

	operator   *reconciler.Operator
	policy     lookup.Policy
	numbers    []*v1alpha1.PhoneNumber
	members    usage.Members
	lastReport int64
	later      time.Time // when something that is known already is due
	now        time.Time
}

// Begin gathers what the rules need. The numbers are all that share the limit; counted are those of them whose counts are the
// portfolio's until now; of the moved ones there may be news.
func Begin(o *reconciler.Operator, portfolio *v1alpha1.BusinessPortfolio, policy lookup.Policy, numbers, counted, moved []*v1alpha1.PhoneNumber, now time.Time) (*Evaluation, error) {
	e := &Evaluation{Portfolio: portfolio, operator: o, policy: policy, numbers: numbers, now: now}
	e.Unit = &rules.Unit{Policy: policy.Portfolio()}
	if err := e.Count(counted); err != nil {
		return nil, err
	}
	facts, status := &e.Unit.Facts, &portfolio.Status
	var declared []v1alpha1.Verification
	for _, n := range numbers {
		declared = append(declared, n.Spec.Verification)
	}
	facts.Verification = rules.DeclaredVerification(portfolio.Spec.Verification, declared...)
	facts.Reports, e.lastReport = reports.After(o.Ledger, lookup.PortfolioSubject(portfolio), status.ObservedReport)
	e.Unit.State, e.Evaluated = State(status)
	e.addReportsOf(moved)
	_, brings := highest(portfolio, numbers)
	switch {
	case !e.Evaluated && brings:
		e.Unit.State = rules.Initial(e.Unit.Policy, facts.Verification, now) // its numbers have lived through what was before
	case !e.Evaluated:
		e.Unit.State = rules.Initial(e.Unit.Policy, facts.Verification, statuses.Began(facts, now))
	case status.PolicyName != policy.Name || status.PolicyGeneration != policy.Generation:
		e.Unit.State, e.Unit.Transitions = rules.MigratePolicy(e.Unit.Policy, e.Unit.State, status.PolicyName == policy.Name, now)
	}
	return e, nil
}

// Count has the ledger count together what numbers send, as far as their counts are its own, and the rules look at the counts of all.
func (e *Evaluation) Count(numbers []*v1alpha1.PhoneNumber) error {
	e.members = e.operator.Samples.Members(numbers)
	name := e.Portfolio.Name
	if err := e.operator.Ledger.SetPortfolio(name, e.members.FromLedger); err != nil {
		return fmt.Errorf("count the numbers together: %w", err)
	}
	key := counts.PortfolioKey(name)
	e.Unit.Facts.Usage = e.members.Usage(rules.Exact{Counted: e.operator.Ledger.Usage(key)}, e.policy.Policy)
	e.Unit.Facts.Reserved = e.operator.Ledger.Reserved(key, e.now)
	return nil
}

// TakeLimits gives the portfolio the highest limit of the numbers that join it.
func (e *Evaluation) TakeLimits() {
	if limit, brings := highest(e.Portfolio, e.numbers); brings {
		state, transitions := rules.RaiseTo(e.Unit.Policy, e.Unit.State, limit, e.now)
		e.Unit.State, e.Unit.Transitions = state, append(e.Unit.Transitions, transitions...)
	}
}

// highest is the highest limit among the numbers that had one of their own until now, and join the portfolio; false if there
// are none. A portfolio that was created again finds at its numbers the limit that it had.
func highest(portfolio *v1alpha1.BusinessPortfolio, numbers []*v1alpha1.PhoneNumber) (limit int64, found bool) {
	again := portfolio.Status.Tier.Name == ""
	for _, number := range numbers {
		n := &number.Status
		brings := n.Tier.Name != "" && (n.Portfolio == "" || again && n.Portfolio == portfolio.Name)
		if brings && number.Spec.Activity != v1alpha1.Suspended && (!found || rules.Above(n.Tier.Limit, limit)) {
			limit, found = n.Tier.Limit, true
		}
	}
	return limit, found
}

// addReportsOf adds Meta's reports of numbers and of their accounts that are about the portfolio: of the limit and of the
// verification, since each number has a part in it. Those that the state already has are older than the last that it knows. One from
// ahead of the clock waits until then.
func (e *Evaluation) addReportsOf(numbers []*v1alpha1.PhoneNumber) {
	state, l := &e.Unit.State, e.operator.Ledger
	add := func(r report.Report) {
		at := r.Time()
		switch {
		case !r.Kind.OfPortfolio() || !reports.IsNews(r, state) || r.Kind == report.Limit && at.Before(state.TierSince):
		case at.After(e.now):
			e.later = statuses.Earliest(e.later, at)
		default:
			e.Unit.Facts.Reports = append(e.Unit.Facts.Reports, r)
		}
	}
	for _, n := range numbers {
		for _, r := range l.Reports(report.ParseSubject(n.Spec.PhoneNumber), reports.JoinedAt(l, n, e.Portfolio.Name)) {
			add(r)
		}
	}
	for _, account := range lookup.Accounts(numbers) {
		for _, r := range l.Reports(report.AccountSubject(account), 0) {
			add(r)
		}
	}
}

// End makes the status that the portfolio is to have, of what the rules came to. The obstacle is why none of its numbers can send.
func (e *Evaluation) End(obstacle rules.Obstacle) *reconciler.Change {
	o, portfolio, state, facts := e.operator, e.Portfolio, &e.Unit.State, &e.Unit.Facts
	var transitions statuses.Transitions
	var deadline time.Time
	change := change(portfolio, e.now, &transitions, func(set conditions.Setter, want *v1alpha1.BusinessPortfolioStatus) {
		SetStatus(want, e.Unit, e.policy)
		e.members.SetUsage(&want.Usage, e.policy.Policy)
		want.Numbers = new(int32(len(e.numbers)))
		want.ObservedReport = e.lastReport
		var over time.Time
		transitions, over = statuses.Fold(&want.LimitReached, e.Unit.Transitions, state.EvaluatedAt)
		statuses.AddTransitions(&want.History, &want.Transitions, transitions.Told)
		want.Explanation = rules.Explain(e.Unit.Policy, facts, *state, rules.TierCause(want.History, state.TierSince), e.now)
		set.SetEvaluated(e.policy.Name)
		set.SetRestricted(&want.Restriction, want.Tier.Limit)
		room := rules.RoomOf(rules.LimitAt(e.Unit.Policy, facts, state, state.EvaluatedAt), obstacle)
		set.SetSendable(&want.Usage, room)
		key := counts.PortfolioKey(portfolio.Name)
		budgets.Set(set, &want.LimitStatus, portfolio.Spec.Budgets, room, o.Ledger.Budgets(key, e.now), o.Ledger.SetElsewhere(key))
		e.members.SetFresh(set)
		subjects := []report.Subject{lookup.PortfolioSubject(portfolio)}
		for _, r := range reports.Statements(o.Ledger, subjects[0], e.now, &e.later) {
			if r.Kind == report.Alert {
				reports.SetStatement(&want.Alert, r)
			}
		}
		for _, account := range lookup.Accounts(e.numbers) {
			subjects = append(subjects, report.AccountSubject(account))
		}
		agreement := rules.Agree(e.Unit.Policy, facts, *state, e.now)
		set.SetRulesAgree(agreement, reports.NotUnderstood(o.Ledger, subjects, e.now))
		deadline = statuses.Earliest(e.Unit.Next, over, e.later, agreement.Due)
	})
	windows := append(e.Unit.Policy.Windows(), statuses.Week)
	change.Until, change.Expiry = reconciler.Until(facts.Usage, e.now, deadline), o.Ledger.NextExpiry(counts.PortfolioKey(portfolio.Name), e.now, windows...)
	return change
}

// Freeze is the change of a portfolio that the rules do not run for: for a problem, or where there is none because it is suspended.
func Freeze(portfolio *v1alpha1.BusinessPortfolio, problem *conditions.Problem, now time.Time) *reconciler.Change {
	return change(portfolio, now, &statuses.Transitions{}, func(set conditions.Setter, want *v1alpha1.BusinessPortfolioStatus) {
		set.Freeze(problem, &want.LimitStatus)
	})
}

// change gives a portfolio another status.
func change(portfolio *v1alpha1.BusinessPortfolio, now time.Time, transitions *statuses.Transitions, set func(conditions.Setter, *v1alpha1.BusinessPortfolioStatus)) *reconciler.Change {
	want := portfolio.Status.DeepCopy()
	want.ObservedGeneration = portfolio.Generation
	set(conditions.Of(portfolio, &want.Conditions, now), want)
	have := *portfolio
	portfolio.Status = *want
	ours := *want
	ours.Conditions, ours.Notifications = conditions.Owned(want.Conditions), nil
	return &reconciler.Change{
		Key: lookup.PortfolioKey(portfolio.Name), Object: &have, Status: &ours, Conditions: want.Conditions, Deadline: have.Status.NextDeadlineTime,
		Difference: throttle.Differ(parts(&have.Status), parts(want)), Transitions: *transitions,
	}
}

// PolicyOf is the policy that a portfolio is governed by. A *conditions.Problem is for the status.
func PolicyOf(ctx context.Context, o *reconciler.Operator, portfolio *v1alpha1.BusinessPortfolio) (lookup.Policy, error) {
	policy, err := o.Policies.Named(ctx, portfolio.Spec.PolicyName)
	if err == nil && policy.Scope != v1alpha1.ScopePortfolio {
		err = &conditions.Problem{Reason: v1alpha1.ReasonPolicyConflict, Stalled: true, Message: fmt.Sprintf(
			"By MessagingPolicy %q limits belong to numbers, not to portfolios: name a policy of scope Portfolio in spec.policyName.", policy.Name)}
	}
	if err == nil {
		err = onlyOne(ctx, o, portfolio)
	}
	return policy, err
}

// onlyOne is a problem where an older resource has the same id at Meta: what is reported of it is about one of them.
func onlyOne(ctx context.Context, o *reconciler.Operator, portfolio *v1alpha1.BusinessPortfolio) error {
	subject := lookup.PortfolioSubject(portfolio).String()
	if subject == "" {
		return nil
	}
	same, err := lookup.PortfoliosWith(ctx, o.Cache, lookup.SubjectIndex, subject)
	if err != nil {
		return err
	}
	if other := lookup.Before(same, portfolio); other != nil {
		return &conditions.Problem{Reason: v1alpha1.ReasonDuplicatePortfolio, Stalled: true, Message: fmt.Sprintf(
			"BusinessPortfolio %q, which is older, has the same spec.portfolioID: delete one of the two.", other.Name)}
	}
	return nil
}
