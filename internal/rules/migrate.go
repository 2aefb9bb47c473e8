package rules

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// MigratePolicy brings a state that another policy, or an earlier version of this one, led to under this policy. What the other
// concluded stays; what it had begun to count down begins anew, so that nothing is decided for a time at which these rules
// did not hold. edited says that it is the same policy in another version.
func MigratePolicy(p *Policy, s State, edited bool, now time.Time) (State, []Transition) {
	e := evaluate(p, nil, &s, latest(seconds(now), s.EvaluatedAt))
	defer e.release()
	e.s.EvaluatedAt = e.now
	p.chain.migrate(e, edited)
	return e.s, e.transitions
}

// DropLadder is the state of a number whose limit is its portfolio's from now on.
func DropLadder(s State) State {
	s.Tier, s.TierSince, s.TierSource, s.LimitReported, s.LimitLowered = Tier{}, time.Time{}, "", time.Time{}, time.Time{}
	s.Before, s.ConcludedTier, s.ConcludedSince = Tier{}, Tier{}, time.Time{}
	s.EligibleSince = time.Time{}
	if s.RestrictedSource == v1alpha1.FromPolicy {
		s.RestrictedSince, s.RestrictedUntil, s.RestrictedSource = time.Time{}, time.Time{}, ""
	}
	return s
}

// RaiseTo gives the portfolio the limit of a number that joins it, if that is higher: "Existing portfolios took the highest
// limit held by any of their numbers".
func RaiseTo(p *Policy, s State, limit int64, now time.Time) (State, []Transition) {
	if !Above(limit, s.Tier.Limit) {
		return s, nil
	}
	e := evaluate(p, nil, &s, latest(seconds(now), s.EvaluatedAt))
	defer e.release()
	e.moveTier(v1alpha1.NoRule, p.tierOf(limit), e.now, v1alpha1.FromPolicy, "a number that has it joins the portfolio")
	e.clearIncrease()
	return e.s, e.transitions
}

// LeaveAccount is the state of a number that belongs to another account from now on.
func LeaveAccount(s State, now time.Time) (State, []Transition) {
	e := evaluation{s: s}
	e.now = latest(seconds(now), s.EvaluatedAt)
	if s.accountRestricted() {
		e.liftRestriction(v1alpha1.RuleReports, e.now, "the number belongs to another account")
	}
	e.s.RestrictionsLifted, e.s.BusinessInitiated, e.s.CustomerInitiated = time.Time{}, Period{}, Period{}
	return e.s, e.transitions
}
