package rules

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// MigratePolicy brings a state that another policy, or an earlier version of this one, led to under this policy. What the other
// concluded stays; what it had begun to count down begins anew, so that nothing is decided for a time at which these rules
// did not hold. A policy that was edited keeps its tiers by their names: a limit that was mended there is mended here.
func MigratePolicy(p *Policy, s State, edited bool, now time.Time) (State, []Transition) {
	now = latest(now.UTC().Truncate(time.Second), s.EvaluatedAt)
	s.EvaluatedAt = now
	e := evaluation{p: p, s: s, now: now}

	before := s.Tier
	e.s.Tier = p.TierOf(before.Limit) // the same limit may go by another name
	e.s.EligibleSince = time.Time{}
	if is, err := p.named("", s.ConcludedTier.Name); edited && err == nil {
		e.setConcluded(is, s.ConcludedSince)
	} else {
		e.setConcluded(e.s.Tier, now) // what another policy concluded is not what this one does
	}
	if is, err := p.named("", before.Name); edited && err == nil && is.Limit != before.Limit && s.TierSource != v1alpha1.FromReport {
		e.edited(before, is)
	}
	if start := p.Start(e.s.Verification); Above(start.Limit, e.s.Tier.Limit) && e.s.TierSource != v1alpha1.FromReport && !e.s.fell() {
		from := e.s.Tier
		e.setTier(start, now, v1alpha1.FromPolicy)
		e.emit(v1alpha1.NoRule, now, v1alpha1.ReasonTierUpgraded, from.Name, start.Name, fmt.Sprintf("the limit rises from %s to %s: the rules of policy %s start there",
			limitWords(from.Limit), limitWords(start.Limit), p.Name))
	}
	if p.role != portfolio && e.s.RatingSource == v1alpha1.FromPolicy && !e.lacksHumanAttention() && p.LowFrom == 0 {
		// A rating that these rules do not make could not change under them.
		e.setRating(v1alpha1.NoRule, v1alpha1.QualityUnknown, now, "", "the rules of policy "+p.Name+" take no rating from feedback", v1alpha1.FromPolicy)
	}
	if e.s.Rating == v1alpha1.QualityLow {
		e.s.LowSince, e.s.GraceStart = now, now
	}
	switch {
	case p.Grace == 0 && e.s.FlagSource == v1alpha1.FromPolicy:
		e.endFlag(v1alpha1.NoRule, now, "the rules of policy "+p.Name+" flag no numbers")
	case p.Grace > 0 && e.s.Rating == v1alpha1.QualityLow && !e.s.Flagged():
		e.warn(now)
	case p.Recovery > 0 && !e.s.RecoveringSince.IsZero():
		e.s.RecoveringSince = latest(e.s.RecoveringSince, now.Add(-p.Recovery))
	}
	return e.s, e.transitions
}

// edited gives a tier the limit that it has by now.
func (e *evaluation) edited(before, is Tier) {
	e.setTier(is, e.now, e.s.TierSource)
	reason, moves := v1alpha1.ReasonTierUpgraded, "rises"
	if Above(before.Limit, is.Limit) {
		reason, moves = v1alpha1.ReasonTierDowngraded, "falls"
	}
	e.emit(v1alpha1.NoRule, e.now, reason, before.Name, is.Name, fmt.Sprintf("the limit %s from %s to %s: the tier %s of policy %s was edited",
		moves, limitWords(before.Limit), limitWords(is.Limit), is.Name, e.p.Name))
}
