// Package number takes a PhoneNumber through a reconcile: what is known of it goes to the rules, and what they make of it into its
// status.
package number

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
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=phonenumbers/status,verbs=patch

// Evaluation is a number on its way through a reconcile.
type Evaluation struct {
	// Unit is what the rules run for.
	Unit *rules.Unit
	// Number is the resource as it stands; once the evaluation has ended, with the status that it is to have.
	Number *v1alpha1.PhoneNumber
	// Joins says that the number comes to the portfolio from elsewhere.
	Joins bool

	operator   *reconciler.Operator
	policy     lookup.Policy // with its ladder, whoever has the limit
	portfolio  string        // that has the limit; empty where the number has it itself
	evaluated  bool          // before
	sampled    bool          // the counts are not the ledger's
	lastReport int64
	later      time.Time // when something that is known already is due
	now        time.Time
}

// Shared is what a portfolio shares with its numbers.
type Shared struct {
	// Portfolio has the status that it is to have.
	Portfolio *v1alpha1.BusinessPortfolio
	// Used is how much of the limit is used now; nil where nobody knows.
	Used *int64
	// Reserved is how much more of it is held now.
	Reserved *int64
}

// Begin gathers what the rules need of a number that has its limit itself, or shares that of a portfolio.
func Begin(o *reconciler.Operator, number *v1alpha1.PhoneNumber, policy lookup.Policy, portfolio string, now time.Time) (*Evaluation, error) {
	if err := o.SetWindows(number, policy.Policy); err != nil {
		return nil, err
	}
	e := &Evaluation{Number: number, operator: o, policy: policy, portfolio: portfolio, now: now}
	e.Unit = &rules.Unit{Name: fmt.Sprintf("number %s/%s", number.Namespace, number.Name), Policy: policy.Policy}
	facts := &e.Unit.Facts
	facts.Verification = number.Spec.Verification
	facts.HumanEscalation = len(number.Spec.Business.HumanEscalationPaths) > 0
	facts.Appealed = number.Spec.Appeal.State == v1alpha1.AppealReversed
	facts.Usage, facts.Reserved = rules.Exact{Counted: o.Ledger.Usage(number.Spec.PhoneNumber)}, o.Ledger.Reserved(number.Spec.PhoneNumber, now)
	facts.Reports, e.lastReport = reports.After(o.Ledger, report.ParseSubject(number.Spec.PhoneNumber), number.Status.ObservedReport)
	if e.sampled = o.Samples.Counts(number); e.sampled {
		facts.Usage = o.Samples.Usage(number, policy.Policy, facts.Usage)
	}
	state, evaluated := State(&number.Status)
	e.evaluated, e.Joins = evaluated, evaluated && portfolio != "" && number.Status.Portfolio != portfolio
	if portfolio != "" {
		e.Unit.Policy, state = policy.Member(), rules.DropLadder(state)
	}
	e.Unit.State = e.begin(state)
	return e, nil
}

// begin is the state from which the rules go on. It adds what Meta said of the number's account to the reports.
func (e *Evaluation) begin(state rules.State) rules.State {
	facts, status := &e.Unit.Facts, &e.Number.Status
	account, before := e.Number.Spec.Business.WhatsAppBusinessAccountID, status.Account.ID
	if before != "" && before != account {
		state, e.Unit.Transitions = rules.LeaveAccount(state, e.now)
	}
	ofAccount, later := accountReports(e.operator.Ledger, account, e.policy.Scope, &state, e.evaluated && before != account, e.now)
	facts.Reports, e.later = append(facts.Reports, ofAccount...), later
	same := status.PolicyName == e.policy.Name && status.Portfolio == e.portfolio
	switch {
	case !e.evaluated:
		return rules.Initial(e.Unit.Policy, facts.Verification, statuses.Began(facts, e.now))
	case !same || status.PolicyGeneration != e.policy.Generation:
		migrated, transitions := rules.MigratePolicy(e.Unit.Policy, state, same, e.now)
		e.Unit.Transitions = append(e.Unit.Transitions, transitions...)
		return migrated
	}
	return state
}

// End makes the status that the number is to have, of what the rules came to. The room is what it may send, and the templates are
// those that it sends.
func (e *Evaluation) End(room rules.Room, shared *Shared, templates []*v1alpha1.MessageTemplate) *reconciler.Change {
	o, number, state := e.operator, e.Number, &e.Unit.State
	var transitions statuses.Transitions
	var deadline time.Time
	change := change(number, e.now, &transitions, func(set conditions.Setter, want *v1alpha1.PhoneNumberStatus) {
		stays := number.Status.Portfolio == e.portfolio
		if !stays || e.portfolio != "" {
			want.LimitReached = v1alpha1.LimitReachedStatus{} // it was the portfolio's
		}
		var over time.Time
		transitions, over = statuses.Fold(&want.LimitReached, e.Unit.Transitions, state.EvaluatedAt)

		SetStatus(want, e.Unit, e.policy)
		if e.sampled {
			o.Samples.SetUsage(&want.Usage, number, e.policy.Policy)
			want.Usage.OwnUsed, want.Usage.LastDeliveryTime = want.Usage.Used, lastDelivery(o.Ledger, number, e.now)
		}
		want.Usage.OwnReserved = new(o.Ledger.NumberReserved(number.Spec.PhoneNumber, e.now))
		if shared == nil {
			budgets.Set(set, &want.LimitStatus, number.Spec.Budgets, room, o.Ledger.Budgets(number.Spec.PhoneNumber, e.now),
				o.Ledger.SetElsewhere(number.Spec.PhoneNumber))
		} else {
			budgets.SetShared(set, &want.LimitStatus, number.Spec.Budgets, e.portfolio)
			setShared(want, shared)
			want.PortfolioReport = reports.JoinedAt(o.Ledger, number, e.portfolio)
			if stays {
				want.PortfolioSinceTime = number.Status.PortfolioSinceTime
			} else if e.evaluated {
				want.PortfolioSinceTime = statuses.Time(e.now)
			}
		}
		want.Quality.Feedback = feedbackStatus(o.Ledger, number.Spec.PhoneNumber, e.Unit.Policy, state.EvaluatedAt)
		want.Flag.Appeal = appealOf(number, want)
		want.Templates = templatesInUse(templates)
		want.ObservedReport = e.lastReport
		statuses.AddTransitions(&want.History, &want.Transitions, transitions.Told)
		ends := setStatements(o.Ledger, number, want, e.now)
		want.Explanation = e.explain(want, shared)

		set.SetEvaluated(e.policy.Name)
		setFlagged(set, number, want, state)
		set.SetRestricted(&want.Restriction, want.Tier.Limit)
		set.SetSendable(&want.Usage, room)
		received, silent := e.lastReceived()
		want.Usage.LastReceivedTime, want.LastFailure = statuses.Time(received), e.lastFailure()
		silence := e.setUsageFresh(set, received, silent)
		shown, _ := State(want) // with what its portfolio shares
		agreement := rules.Agree(e.policy.Policy, &e.Unit.Facts, shown, e.now)
		set.SetRulesAgree(agreement, reports.NotUnderstood(o.Ledger, lookup.NumberSubjects(number), e.now))
		deadline = statuses.Earliest(e.Unit.Next, over, e.later, ends, silence, agreement.Due)
	})
	windows := append(e.Unit.Policy.Windows(), statuses.Week)
	change.Until, change.Expiry = reconciler.Until(e.Unit.Facts.Usage, e.now, deadline), o.Ledger.NextExpiry(number.Spec.PhoneNumber, e.now, windows...)
	if e.portfolio != "" && throttle.AllHeld(string(room.Reason), &number.Status.LimitStatus) {
		// Others of the portfolio hold what is left. That they let go of it is no news about this one.
		change.Expiry = statuses.Earliest(change.Expiry, e.now.Add(time.Minute))
	}
	return change
}

// Freeze is the change of a number that the rules do not run for: for a problem, or where there is none because it is suspended.
func Freeze(number *v1alpha1.PhoneNumber, problem *conditions.Problem, now time.Time) *reconciler.Change {
	return change(number, now, &statuses.Transitions{}, func(set conditions.Setter, want *v1alpha1.PhoneNumberStatus) { set.Freeze(problem, &want.LimitStatus) })
}

// Claim tells the ledger which number has the id of Meta's that a resource gives. The oldest resource with it says so.
func Claim(ctx context.Context, o *reconciler.Operator, number *v1alpha1.PhoneNumber) error {
	id := number.Spec.PhoneNumberID
	if id == "" {
		return nil
	}
	oldest, err := lookup.Served(ctx, o.Cache, report.NumberIDSubject(id))
	if err != nil || oldest == nil || oldest.UID != number.UID {
		return err
	}
	if err := o.Ledger.Claim(id, number.Spec.PhoneNumber); err != nil {
		return fmt.Errorf("claim the number's id: %w", err)
	}
	return nil
}

// OnlyOne is a problem where an older resource has the same phone number: usage counts for one of them.
func OnlyOne(ctx context.Context, o *reconciler.Operator, number *v1alpha1.PhoneNumber) error {
	same, err := lookup.Numbers(ctx, o.Cache, lookup.SubjectIndex, number.Spec.PhoneNumber)
	if err != nil {
		return err
	}
	other := lookup.Before(same, number)
	if other == nil {
		return nil
	}
	which := fmt.Sprintf("PhoneNumber %q", other.Name)
	if other.Namespace != number.Namespace {
		which = "A PhoneNumber of another namespace" // whose, is not everyone's business
	}
	return &conditions.Problem{Reason: v1alpha1.ReasonDuplicateNumber, Stalled: true, Message: which + ", which is older, has the same spec.phoneNumber: delete one of the two."}
}
