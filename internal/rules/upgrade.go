package rules

import (
	"fmt"
	"math"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Rule 2. When enough was sent in good quality, the upgrade is due, and after the policy's delay the tier rises one step.
// A fall below the quality floor, where the policy has one, or a flag, unless it lets a flagged number rise, cancels it before; usage
// that falls afterwards does not. The measure is not
// reset by an upgrade, so that several steps may follow each other.
//
// seeds/000: "if you have sent 2000 notifications within two days, Facebook fixes it, reflects for 48 hours, and then
// increases your trust rating". seeds/001: "A company will move from Level 1 to Level 2 when it sends messages to a total
// of 2,000 users in a 7-day period." seeds/003: "Its quality rating is not in the Red state, AND it messages 50% the
// number of customers of its current limit in a maximum window of 7 days."
func (e *evaluation) upgrade() {
	if e.f.Template.Rating != "" {
		e.cancelUnfit(e.now)
	}
	for {
		to, way := e.p.next(e.s.Tier.Limit)
		if way == nil {
			return
		}
		if e.s.EligibleSince.IsZero() {
			if !e.eligible(way) {
				return
			}
			e.s.EligibleSince = e.now
			if way.delay > 0 {
				e.emit(v1alpha1.RuleUpgrade, e.now, v1alpha1.ReasonUpgradePending, e.s.Tier.Name, to.Name, fmt.Sprintf(
					"%s, as %s requires: the tier rises at %s", e.achievement(way), to.Name, stamp(e.now.Add(way.delay))))
			}
		}
		due := e.s.EligibleSince.Add(way.delay)
		if due.After(e.now) {
			return
		}
		from := e.s.Tier
		message := fmt.Sprintf("the limit rises from %s to %s: ", limitWords(from.Limit), limitWords(to.Limit))
		if way.delay > 0 {
			message += fmt.Sprintf("all that %s requires was met at %s, and %s have passed", to.Name, stamp(e.s.EligibleSince), words(way.delay))
		} else {
			message += e.achievement(way)
		}
		e.setTier(to, due, v1alpha1.FromPolicy)
		e.s.Before = from
		e.emit(v1alpha1.RuleUpgrade, due, v1alpha1.ReasonTierUpgraded, from.Name, to.Name, message)
	}
}

// eligible says whether everything for the upgrade is met now.
func (e *evaluation) eligible(way *requirement) bool {
	if e.cancels(way) != "" || e.s.Connection != v1alpha1.StateConnected {
		return false
	}
	if !e.knowsAchieved(way) || e.achieved(way) < way.required(e.s.Tier.Limit) {
		return false
	}
	if way.span == 0 {
		return true
	}
	first := e.climb().Nth(way.measure, 1, e.countedFrom(way), e.now)
	return !first.IsZero() && !first.Add(way.span).After(e.now)
}

// climb answers the counts that lead to the next tier.
func (e *evaluation) climb() Usage {
	if e.f.UpgradeUsage != nil {
		return e.f.UpgradeUsage
	}
	return e.f.Usage
}

// achieved is how much there is of what the way up looks at.
func (e *evaluation) achieved(way *requirement) int64 {
	return e.climb().Count(way.measure, e.countedFrom(way), e.now)
}

func (e *evaluation) knowsAchieved(way *requirement) bool {
	return knows(e.climb(), way.measure, e.countedFrom(way), e.now)
}

// missingForUpgrade is how much more of the measure makes what the next tier requires; endless while that brings nothing.
func (e *evaluation) missingForUpgrade() int64 {
	_, way := e.p.next(e.s.Tier.Limit)
	if way == nil || !e.s.EligibleSince.IsZero() || e.cancels(way) != "" || e.s.Connection != v1alpha1.StateConnected || !e.knowsAchieved(way) {
		return math.MaxInt64
	}
	return way.required(e.s.Tier.Limit) - e.achieved(way)
}

// cancelUnfit cancels a pending upgrade if the number may not rise any more. It is called with each change that can bring
// that about, so that one that lasts no second counts as well.
func (e *evaluation) cancelUnfit(at time.Time) {
	if e.s.EligibleSince.IsZero() {
		return
	}
	if _, way := e.p.next(e.s.Tier.Limit); way != nil {
		if why := e.cancels(way); why != "" {
			e.cancelUpgrade(at, why)
		}
	}
}

func (e *evaluation) cancelUpgrade(at time.Time, why string) {
	to, _ := e.p.next(e.s.Tier.Limit)
	e.s.EligibleSince = time.Time{}
	e.emit(v1alpha1.RuleUpgrade, at, v1alpha1.ReasonUpgradeCancelled, e.s.Tier.Name, to.Name, fmt.Sprintf("the upgrade to %s is cancelled: %s", to.Name, why))
}

// cancels says why the number may not rise, whatever it sends; empty if it may.
func (e *evaluation) cancels(way *requirement) string {
	if why := e.unfit(way); why != "" {
		return why
	}
	return e.denied()
}

// unfit says what of the number itself is in the way of a higher tier; empty if nothing is.
func (e *evaluation) unfit(way *requirement) string {
	switch {
	case e.s.Flagged() && !way.whileFlagged:
		return "the number is flagged"
	case rank(e.s.Rating) < rank(way.minimumQuality):
		of := ""
		if e.p.role == portfolio && e.s.RatingReason != "" {
			of = " of " + e.s.RatingReason
		}
		return fmt.Sprintf("the quality rating%s is %s and must be at least %s", of, e.s.Rating, way.minimumQuality)
	case e.f.Template.Rating != "" && rank(e.f.Template.Rating) < rank(way.minimumQuality):
		return fmt.Sprintf("the quality rating of %s is %s and must be at least %s", e.f.Template.Name, e.f.Template.Rating, way.minimumQuality)
	}
	return ""
}

// countedFrom is the instant after which deliveries count for the upgrade. Meta has seen those before a lower limit that
// it reports, and concluded otherwise.
func (e *evaluation) countedFrom(way *requirement) time.Time {
	from := latest(e.now.Add(-way.window), e.s.LimitLowered)
	if way.restartAfterFlag {
		from = latest(from, e.s.FlagEnded)
	}
	return from
}

// upgradeDue is when a pending upgrade takes effect.
func (e *evaluation) upgradeDue() time.Time {
	if e.s.EligibleSince.IsZero() {
		return time.Time{}
	}
	if _, way := e.p.next(e.s.Tier.Limit); way != nil {
		return e.s.EligibleSince.Add(way.delay)
	}
	return time.Time{}
}

// spanDue is when the deliveries will span long enough, where only that is missing.
func (e *evaluation) spanDue() time.Time {
	_, way := e.p.next(e.s.Tier.Limit)
	if way == nil || way.span == 0 || !e.s.EligibleSince.IsZero() {
		return time.Time{}
	}
	if !e.knowsAchieved(way) || e.achieved(way) < way.required(e.s.Tier.Limit) {
		return time.Time{}
	}
	first := e.climb().Nth(way.measure, 1, e.countedFrom(way), e.now)
	if first.IsZero() {
		return time.Time{} // there was one, and nobody saw when
	}
	return first.Add(way.span)
}

func (e *evaluation) achievement(way *requirement) string {
	achieved := e.achieved(way)
	required := way.required(e.s.Tier.Limit)
	if way.percent > 0 {
		return fmt.Sprintf("%d %s within %s reach %d %% of the limit of %d", achieved, noun(way.measure), words(way.window), way.percent, e.s.Tier.Limit)
	}
	return fmt.Sprintf("%d %s within %s reach %d", achieved, noun(way.measure), words(way.window), required)
}
