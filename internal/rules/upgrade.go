package rules

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Rule 2. When enough was sent in good quality, the upgrade is due, and the tier rises one step after the policy's delay. A rating below
// the policy's minimum cancels a pending upgrade, and so does a flag, unless the policy lets a flagged number rise. Usage that falls
// does not. An upgrade does not reset the measure, so several can follow each other.
var upgrade = rule[*evaluation]{
	number:     v1alpha1.RuleUpgrade,
	name:       "Upgrade",
	sentence:   `seeds/001: "A company will move from Level 1 to Level 2 when it sends messages to a total of 2,000 users in a 7-day period."`,
	apply:      (*evaluation).raiseTier,
	due:        func(e *evaluation) time.Time { return next(e.now, e.upgradeDue(), e.spanDue()) },
	measure:    func(e *evaluation) v1alpha1.Measure { return e.p.Measure },
	deliveries: (*evaluation).deliveriesUntilUpgrade,
	objection:  func(e *evaluation) objection { return objection{why: e.failedRequirement()} },
	explain:    (*evaluation).explainUpgrade,
}

func (e *evaluation) raiseTier() {
	e.cancelOnObjection(e.now)
	for {
		to, req := e.p.above(e.place)
		if req == nil {
			return
		}
		if e.s.EligibleSince.IsZero() {
			if !e.eligible(req) {
				return
			}
			e.s.EligibleSince = e.now
			if req.delay > 0 {
				e.emit(v1alpha1.RuleUpgrade, e.now, v1alpha1.ReasonUpgradePending, e.s.Tier.Name, to.Name, fmt.Sprintf(
					"%s, as %s requires: the tier rises at %s", e.achievement(req), to.Name, formatTime(e.now.Add(req.delay))))
			}
		}
		due := e.s.EligibleSince.Add(req.delay)
		if due.After(e.now) {
			return
		}
		why := e.achievement(req)
		if req.delay > 0 {
			why = fmt.Sprintf("all that %s requires was met at %s, and %s have passed", to.Name, formatTime(e.s.EligibleSince), formatDuration(req.delay))
		}
		e.moveTier(v1alpha1.RuleUpgrade, to, due, v1alpha1.FromPolicy, why)
	}
}

// eligible says whether all that the next tier requires is met now.
func (e *evaluation) eligible(req *requirement) bool {
	if e.objection(true) != "" || e.achieved(req).Least < req.required(e.s.Tier.Limit) {
		return false
	}
	if req.span == 0 {
		return true
	}
	first := e.f.Usage.Nth(req.measure, 1, e.countedFrom(req), e.now)
	return !first.IsZero() && !first.Add(req.span).After(e.now)
}

// achieved is how much there is of what the next tier looks at.
func (e *evaluation) achieved(req *requirement) Count {
	return e.f.Usage.Count(req.measure, e.countedFrom(req), e.now)
}

// deliveriesUntilUpgrade is how much of the measure is missing for the next tier.
func (e *evaluation) deliveriesUntilUpgrade(next time.Time) int64 {
	_, req := e.p.above(e.place)
	if req == nil || !e.s.EligibleSince.IsZero() || e.objection(true) != "" {
		return noDelivery
	}
	missing := req.required(e.s.Tier.Limit) - e.achieved(req).Least
	if missing <= 0 && !next.IsZero() && !e.spanDue().Before(next) {
		return noDelivery // only time is missing, and the rules run before it has passed
	}
	return missing
}

// cancelOnObjection cancels a pending upgrade if a rule objects to it. Whatever can make one object calls it at once, so that a change
// that lasts less than a second counts too.
func (e *evaluation) cancelOnObjection(at time.Time) {
	if e.s.EligibleSince.IsZero() {
		return
	}
	if _, req := e.p.above(e.place); req != nil {
		if why := e.objection(false); why != "" {
			e.cancelUpgrade(at, why)
		}
	}
}

func (e *evaluation) cancelUpgrade(at time.Time, why string) {
	to, _ := e.p.above(e.place)
	e.s.EligibleSince = time.Time{}
	e.emit(v1alpha1.RuleUpgrade, at, v1alpha1.ReasonUpgradeCancelled, e.s.Tier.Name, to.Name, fmt.Sprintf("the upgrade to %s is cancelled: %s", to.Name, why))
}

// objection is why the tier may not rise, by the first rule that objects; empty if none does. waiting includes the rules that let a
// pending upgrade go on.
func (e *evaluation) objection(waiting bool) string {
	for i := range e.p.chain {
		if r := &e.p.chain[i]; r.objection != nil {
			if o := r.objection(e); o.why != "" && (waiting || !o.waits) {
				return o.why
			}
		}
	}
	return ""
}

// failedRequirement is what the next tier requires besides deliveries and is not met; empty if all is.
func (e *evaluation) failedRequirement() string {
	_, req := e.p.above(e.place)
	switch {
	case req == nil:
	case e.s.Flagged() && !req.whileFlagged:
		return "the number is flagged"
	case e.s.Rating.Below(req.minimumQuality):
		return fmt.Sprintf("the quality rating is %s and must be at least %s", e.s.Rating, req.minimumQuality)
	case e.s.Members.Rating != "" && e.s.Members.Rating.Below(req.minimumQuality):
		return fmt.Sprintf("the quality rating of %s is %s and must be at least %s", e.s.Members.Name, e.s.Members.Rating, req.minimumQuality)
	}
	return ""
}

// countedFrom is the instant after which deliveries count for the upgrade. Meta had seen the earlier ones when it reported a lower limit.
func (e *evaluation) countedFrom(req *requirement) time.Time {
	from := latest(e.now.Add(-req.window), e.s.LimitLowered)
	if req.restartAfterFlag {
		from = latest(from, e.s.FlagEnded)
	}
	return from
}

// upgradeDue is when a pending upgrade takes effect; zero if none is pending.
func (e *evaluation) upgradeDue() time.Time {
	if e.s.EligibleSince.IsZero() {
		return time.Time{}
	}
	if _, req := e.p.above(e.place); req != nil {
		return e.s.EligibleSince.Add(req.delay)
	}
	return time.Time{}
}

// spanDue is when the deliveries will span long enough, where only that is missing.
func (e *evaluation) spanDue() time.Time {
	_, req := e.p.above(e.place)
	if req == nil || req.span == 0 || !e.s.EligibleSince.IsZero() {
		return time.Time{}
	}
	if e.achieved(req).Least < req.required(e.s.Tier.Limit) {
		return time.Time{}
	}
	first := e.f.Usage.Nth(req.measure, 1, e.countedFrom(req), e.now)
	if first.IsZero() {
		return time.Time{} // the instant of the first is not known
	}
	return first.Add(req.span)
}

// achievement says that the measure has reached what is required.
func (e *evaluation) achievement(req *requirement) string {
	achieved := e.achieved(req).Least
	required := req.required(e.s.Tier.Limit)
	if req.percent > 0 {
		return fmt.Sprintf("%d %s within %s reach %d %% of the limit of %d", achieved, measureNoun(req.measure), formatDuration(req.window), req.percent, e.s.Tier.Limit)
	}
	return fmt.Sprintf("%d %s within %s reach %d", achieved, measureNoun(req.measure), formatDuration(req.window), required)
}
