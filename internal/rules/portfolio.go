package rules

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Under a policy of scope Portfolio the limit, its tier and the way up belong to the portfolio, and what users think of it,
// to each number. So the rules run once for the portfolio, on the counts of all its numbers together, and once for each
// number, without a ladder. A number without a portfolio is one of its own: then both are one run.
//
// Meta's messaging limits since 2025-10-07: "limit belongs to the business portfolio and is shared by all its numbers".

// role is which of the rules of a policy run.
type role uint8

const (
	alone     role = iota // a number with a limit of its own: all of them
	member                // a number whose portfolio has the limit
	portfolio             // a portfolio
)

// Member is the policy for a number whose portfolio has the limit: it has no ladder.
func (p *Policy) Member() *Policy { return p.member }

// Portfolio is the policy for a portfolio: nothing in it is about one number.
func (p *Policy) Portfolio() *Policy { return p.portfolio }

func (p *Policy) withRole(r role) *Policy {
	c := *p
	c.role, c.member, c.portfolio = r, nil, nil
	if r == member {
		c.tiers, c.startUnverified, c.startVerified = nil, Tier{}, Tier{}
	} else {
		c.RequireHumanEscalation, c.MediumFrom, c.LowFrom = false, 0, 0
	}
	return &c
}

// accepts says whether a report is for this role. What Meta says of one number's limit or verification is said of its
// portfolio, and what it says of a number's rating or connection reaches the portfolio through Standing.
func (r role) accepts(kind ReportKind) bool {
	switch kind {
	case ReportLimit, ReportVerification, ReportIncrease:
		return r != member
	case ReportQuality, ReportAccount, ReportRestriction:
		return r != portfolio
	case ReportStanding:
		return r == portfolio
	default:
		return true
	}
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
	e := evaluation{p: p, s: s, now: latest(now.UTC().Truncate(time.Second), s.EvaluatedAt)}
	from, to := s.Tier, p.TierOf(limit)
	e.setTier(to, e.now, v1alpha1.FromPolicy)
	e.grant()
	e.emit(v1alpha1.NoRule, e.now, v1alpha1.ReasonTierUpgraded, from.Name, to.Name, fmt.Sprintf("the limit rises from %s to %s: a number that has it joins the portfolio",
		limitWords(from.Limit), limitWords(to.Limit)))
	return e.s, e.transitions
}

// Standing is what one number or template contributes to the quality of its portfolio.
type Standing struct {
	Name     string // as people know it: "number shop" or "template order_update"
	Rating   v1alpha1.QualityRating
	Template bool
	// Able says of a number that it is connected and not flagged. A portfolio rises only if one of its numbers is.
	Able bool
}

// StandingOf is what the numbers and templates of a portfolio come to at an instant, as reports to the portfolio: the lowest
// rating among them, Unknown only if nothing else is known, and whether any number is able to send.
//
// Meta's messaging limits since 2025-10-07: the limit rises for "high-quality messages across all numbers and templates".
func StandingOf(at time.Time, of []Standing) []Report {
	rating, name, able := v1alpha1.QualityUnknown, "", v1alpha1.StateOffline
	for _, s := range of {
		if rank(s.Rating) < rank(rating) || rating == v1alpha1.QualityUnknown && rank(s.Rating) == rank(rating) {
			rating, name = s.Rating, s.Name
		}
		if s.Able && !s.Template {
			able = v1alpha1.StateConnected
		}
	}
	if rank(rating) == rank(v1alpha1.QualityHigh) {
		name = "" // nothing stands out
	}
	return []Report{
		{Kind: ReportStanding, At: at, Value: string(rating), Reason: name},
		{Kind: ReportConnection, At: at, Value: string(able)},
	}
}

func (e *evaluation) standing(rating v1alpha1.QualityRating, at time.Time, name string) {
	if s := &e.s; rating != s.Rating {
		s.Rating, s.RatingSince = rating, latest(at, s.RatingSince)
	}
	e.s.RatingReason = name
	e.cancelUnfit(at)
}

func (e *evaluation) able(state v1alpha1.State, at time.Time) {
	if s := &e.s; state != s.Connection {
		s.Connection, s.ConnectionSince = state, latest(at, s.ConnectionSince)
	}
}

// Increases of the limit are for Meta to grant: "Then Meta reviews message quality and approves or denies. Deny: limit
// unchanged". So too after a verification of the business. What the policy had concluded by itself is taken back, and nothing further
// is concluded until Meta reports a limit.
func (e *evaluation) reportIncrease(decision v1alpha1.IncreaseDecision, at time.Time, reason string) {
	s := &e.s
	switch decision {
	case v1alpha1.IncreaseDeferred, v1alpha1.IncreaseFailed, v1alpha1.IncreaseNeedMoreInfo:
	default:
		return
	}
	if at.Before(s.IncreaseReported) || at.Before(s.LimitReported) || at.Before(s.TierSince) && s.TierSource == v1alpha1.FromVerification {
		return
	}
	s.Increase, s.IncreaseReported, s.IncreaseReason = decision, at, reason
	e.cancelUnfit(at)
	from, to := s.Tier, s.Before
	if !s.raised() || s.TierSource == v1alpha1.FromReport || at.Before(s.TierSince) {
		e.emit(v1alpha1.RuleReports, at, v1alpha1.ReasonLimitReported, from.Name, from.Name, fmt.Sprintf("the limit stays %s: %s", limitWords(from.Limit), e.denied()))
		return
	}
	since := s.TierSince
	e.setTier(to, at, v1alpha1.FromReport)
	s.LimitLowered = at
	e.emit(v1alpha1.RuleReports, at, v1alpha1.ReasonLimitReported, from.Name, to.Name, fmt.Sprintf("the limit falls back from %s to %s, since Meta did not grant the increase of %s: %s",
		limitWords(from.Limit), limitWords(to.Limit), stamp(since), e.denied()))
}

// grant ends what Meta answered to an increase: the limit has risen after all.
func (e *evaluation) grant() {
	e.s.Increase, e.s.IncreaseReported, e.s.IncreaseReason = "", time.Time{}, ""
}

// denied says what Meta answered; empty if it denies nothing.
func (e *evaluation) denied() string {
	var text string
	switch e.s.Increase {
	case v1alpha1.IncreaseDeferred:
		text = "Meta put off an increase"
	case v1alpha1.IncreaseFailed:
		text = "Meta denied an increase"
	case v1alpha1.IncreaseNeedMoreInfo:
		text = "Meta needs to know more before an increase"
	default:
		return ""
	}
	text += " at " + stamp(e.s.IncreaseReported)
	if e.s.IncreaseReason != "" {
		text += ": " + e.s.IncreaseReason
	}
	return text
}
