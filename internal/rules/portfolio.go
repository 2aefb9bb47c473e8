package rules

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Under a policy of scope Portfolio the limit, its tier and the way up belong to the portfolio, and what users think of it,
// to each number. So the rules run once for the portfolio, on the counts of all its numbers together, and once for each
// number, without a ladder. A number without a portfolio is one of its own: then both are one run.
//
// Meta's messaging limits since 2025-10-07: "limit belongs to the business portfolio and is shared by all its numbers".

// Member is the policy for a number whose portfolio has the limit: it has no ladder.
func (p *Policy) Member() *Policy { return p.member }

// Portfolio is the policy for a portfolio: nothing in it is about one number.
func (p *Policy) Portfolio() *Policy { return p.portfolio }

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
	e.moveTier(v1alpha1.NoRule, p.TierOf(limit), e.now, v1alpha1.FromPolicy, "a number that has it joins the portfolio")
	e.grant()
	return e.s, e.transitions
}
