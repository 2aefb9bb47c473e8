package rules

import (
	"fmt"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// Rule 4. The tier never falls below the first one, whether the business is verified or not.
//
// Rule 10. Unlimited is a tier without a limit: it is never restricted and never raised.
var ladder = rule[*evaluation]{
	number:   v1alpha1.RuleFloor,
	name:     "Ladder",
	sentence: `seeds/002: "the number will return to a Connected status but with a lower messaging limit imposed on it", and its ladder has a tier below the one that a verified business starts at`,
	reports:  reports{report.Limit: (*evaluation).reportLimit},
	migrate:  (*evaluation).migrateTier,
	explain:  (*evaluation).explainTier,
}

// Above says whether one limit is higher than another; Unlimited is higher than all.
func Above(a, b int64) bool {
	return b != Unlimited && (a == Unlimited || a > b)
}

// Start is the tier that a number of this verification starts at.
func (p *Policy) Start(verification v1alpha1.Verification) Tier {
	if verification == v1alpha1.Verified {
		return p.startVerified
	}
	return p.startUnverified
}

// Tiers are the tiers of the ladder, lowest first.
func (p *Policy) Tiers() []Tier {
	tiers := make([]Tier, len(p.tiers))
	for i, t := range p.tiers {
		tiers[i] = t.Tier
	}
	return tiers
}

// TierNamed is the tier of that name; false if there is none.
func (p *Policy) TierNamed(name string) (Tier, bool) {
	i := slices.IndexFunc(p.tiers, func(t tier) bool { return t.Name == name })
	if i < 0 {
		return Tier{}, false
	}
	return p.tiers[i].Tier, true
}

// tierOf is the tier with this limit; a limit that the policy does not know goes by its number.
func (p *Policy) tierOf(limit int64) Tier {
	for _, t := range p.tiers {
		if t.Limit == limit {
			return t.Tier
		}
	}
	return Tier{Name: report.LimitValue(limit), Limit: limit}
}

// place is where a tier stands on the ladder. A limit that Meta reports may be none of a tier: then it stands between two.
type place struct {
	step int  // index of the tier, or of the highest one below; -1 if there is none below
	off  bool // between two tiers
}

// placeOf is the place of a tier.
func (p *Policy) placeOf(t Tier) place {
	at := place{-1, true}
	for i := range p.tiers {
		switch step := p.tiers[i].Tier; {
		case step == t:
			return place{i, false}
		case !Above(step.Limit, t.Limit):
			at = place{i, step.Limit != t.Limit}
		}
	}
	return at
}

// above is the tier above a place, with what it requires; nil on the last tier. Between two tiers, the one below says what is required.
func (p *Policy) above(at place) (Tier, *requirement) {
	if at.step+1 >= len(p.tiers) {
		return Tier{}, nil
	}
	return p.tiers[at.step+1].Tier, p.tiers[max(0, at.step)].up
}

// below is the tier below a place; false at the floor.
func (p *Policy) below(at place) (Tier, bool) {
	step := at.step
	if !at.off {
		step--
	}
	if step < 0 {
		return Tier{}, false
	}
	return p.tiers[step].Tier, true
}

// UpgradeMeasure is the measure that the tier above this one requires, and its window; false on the last tier.
func (p *Policy) UpgradeMeasure(t Tier) (v1alpha1.Measure, time.Duration, bool) {
	_, required := p.above(p.placeOf(t))
	if required == nil {
		return "", 0, false
	}
	return required.measure, required.window, true
}

// setTier changes the tier. A pending upgrade is of the tier before.
func (e *evaluation) setTier(to Tier, at time.Time, source v1alpha1.Source) {
	if pending, _ := e.p.above(e.place); !e.s.EligibleSince.IsZero() && Above(pending.Limit, to.Limit) {
		e.cancelUpgrade(at, "the limit is "+FormatLimit(to.Limit)+" now")
	}
	before, fell := e.s.Tier, e.falls()
	e.s.Tier, e.place = to, e.p.placeOf(to)
	e.s.TierSince, e.s.TierSource, e.s.Before = at, source, Tier{}
	switch {
	case source != v1alpha1.FromReport:
		e.setConcluded(to, at)
	case e.s.ConcludedTier == (Tier{}):
		e.setConcluded(before, at)
	default:
		e.setConcluded(e.s.ConcludedTier, e.s.ConcludedSince)
	}
	e.s.EligibleSince = time.Time{}
	if !fell && e.falls() {
		e.restartGrace(at)
	}
}

// moveTier changes the tier, and emits why.
func (e *evaluation) moveTier(rule v1alpha1.Rule, to Tier, at time.Time, source v1alpha1.Source, why string) {
	from, reason, moves := e.s.Tier, v1alpha1.ReasonTierUpgraded, "rises"
	if Above(from.Limit, to.Limit) {
		reason, moves = v1alpha1.ReasonTierDowngraded, "falls"
	}
	e.setTier(to, at, source)
	if rule != v1alpha1.NoRule {
		e.s.Before = from
	}
	e.emit(rule, at, reason, from.Name, to.Name, fmt.Sprintf("the limit %s from %s to %s: %s", moves, FormatLimit(from.Limit), FormatLimit(to.Limit), why))
}

// setConcluded keeps the tier by the policy while Meta reports another limit, and since when the two differ.
func (e *evaluation) setConcluded(concluded Tier, since time.Time) {
	if concluded.Limit == e.s.Tier.Limit {
		concluded, since = Tier{}, time.Time{}
	}
	e.s.ConcludedTier, e.s.ConcludedSince = concluded, since
}

// falls says whether there is a tier to fall to.
func (e *evaluation) falls() bool {
	_, falls := e.p.below(e.place)
	return falls
}

// migrateTier gives the state its tier under this policy. A pending upgrade starts again. The tiers of an edited policy are found by
// their names, so that the state takes over a limit that was changed.
func (e *evaluation) migrateTier(edited bool) {
	s, p, before := &e.s, e.p, e.s.Tier
	s.Tier = p.tierOf(before.Limit) // the same limit may go by another name
	e.place = p.placeOf(s.Tier)
	s.EligibleSince = time.Time{}
	if is, found := p.TierNamed(s.ConcludedTier.Name); edited && found {
		e.setConcluded(is, s.ConcludedSince)
	} else {
		e.setConcluded(s.Tier, e.now) // what another policy concluded is not what this one does
	}
	if is, found := p.TierNamed(before.Name); edited && found && is.Limit != before.Limit && s.TierSource != v1alpha1.FromReport {
		s.Tier = before
		e.moveTier(v1alpha1.NoRule, is, e.now, s.TierSource, fmt.Sprintf("the tier %s of policy %s was edited", is.Name, p.Name))
	}
	if start := p.Start(s.Verification); Above(start.Limit, s.Tier.Limit) && s.TierSource != v1alpha1.FromReport && !s.fell() {
		e.moveTier(v1alpha1.NoRule, start, e.now, v1alpha1.FromPolicy, fmt.Sprintf("the rules of policy %s start there", p.Name))
	}
}

func (e *evaluation) explainTier(x *explanation) {
	s := &e.s
	limit := fmt.Sprintf("The limit is %d %s within %s (tier %s)", s.Tier.Limit, measureNoun(e.p.Measure), formatDuration(e.p.Window), s.Tier.Name)
	if s.Tier.Limit == Unlimited {
		limit = fmt.Sprintf("There is no limit (tier %s)", s.Tier.Name)
	}
	limit += " since " + formatTime(s.TierSince)
	switch {
	case s.ConcludedTier != (Tier{}):
		x.say(limitTopic, v1alpha1.RuleReports, "%s: Meta reported it. By the policy it was %s at %s.", limit, FormatLimit(s.ConcludedTier.Limit), formatTime(s.ConcludedSince))
	case s.TierSource == v1alpha1.FromReport:
		x.say(limitTopic, v1alpha1.RuleReports, "%s: Meta reported it.", limit)
	case s.TierSource == v1alpha1.FromVerification:
		x.say(limitTopic, v1alpha1.RuleVerification, "%s: the business is verified.", limit)
	case x.cause.Message != "":
		x.say(limitTopic, x.cause.Rule, "%s: %s.", limit, x.cause.Message)
	case s.Tier == e.p.Start(s.Verification):
		x.say(limitTopic, v1alpha1.RuleVerification, "%s: new ones start there whose business is %s.", limit, s.Verification)
	default:
		x.say(limitTopic, v1alpha1.NoRule, "%s: what led to it is older than the history", limit)
	}
	switch to, falls := e.p.below(e.place); {
	case e.p.Grace == 0:
		x.say(downgradeTopic, v1alpha1.RuleFlag, "A Low rating lowers nothing under policy %s.", e.p.Name)
	case !falls:
		x.say(downgradeTopic, v1alpha1.RuleFloor, "Tier %s is the lowest: nothing lowers it.", s.Tier.Name)
	case s.Flagged(): // the sentence about the flag tells it
	case s.Rating == v1alpha1.QualityLow:
		x.say(downgradeTopic, v1alpha1.RuleFlag, "The limit falls to %s (tier %s) at %s unless the rating rises above Low before.", FormatLimit(to.Limit), to.Name, formatTime(e.graceDue()))
	default:
		x.say(downgradeTopic, v1alpha1.RuleFlag, "A Low rating that lasts %s lowers the limit to %s (tier %s).", formatDuration(e.p.Grace), FormatLimit(to.Limit), to.Name)
	}
}
