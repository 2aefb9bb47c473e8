package rules

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Rule 1. Restricted when used has reached the limit, until enough users leave the window. Replies inside a customer
// service window are never restricted.
var restriction = rule[*evaluation]{
	number:   v1alpha1.RuleRestriction,
	name:     "Restriction",
	sentence: `seeds/004: "Phone numbers that reach their messaging limit are moved to a Restricted state. During a Restricted state, the number will be unable to send any notification messages until the 24-hour window for sending messages is reset."`,
	apply:    (*evaluation).restrict,
	due:      func(e *evaluation) time.Time { return e.s.RestrictedUntil },
	measure:  func(e *evaluation) v1alpha1.Measure { return e.p.Measure },
	deliveries: func(e *evaluation, _ time.Time) int64 {
		if e.s.Tier.Limit == Unlimited || e.s.Restricted() {
			return noDelivery
		}
		return e.s.Tier.Limit - e.used().Most
	},
	explain: (*evaluation).explainUsed,
}

func (e *evaluation) restrict() {
	s, limit := &e.s, e.s.Tier.Limit
	if s.RestrictedSource == v1alpha1.FromReport {
		return // Meta said it, and Meta ends it
	}
	count := Count{Known: true}
	if limit != Unlimited {
		count = e.used()
	}
	switch used := count.Most; {
	case limit != Unlimited && used >= limit:
		s.RestrictedUntil = e.f.Usage.FallsBelow(e.p.Measure, e.p.Window, limit, e.now)
		if !s.Restricted() {
			s.RestrictedSince, s.RestrictedSource = e.now, v1alpha1.FromPolicy
			e.emit(v1alpha1.RuleRestriction, e.now, v1alpha1.ReasonRestricted, "", "", fmt.Sprintf("%d of %d %s within %s are used; there is room again %s",
				used, limit, measureNoun(e.p.Measure), formatDuration(e.p.Window), e.roomAgain()))
		}
	case s.Restricted() && !count.Known:
		s.RestrictedUntil = time.Time{} // nobody knows whether there is room
	case s.Restricted():
		e.liftRestriction(v1alpha1.RuleRestriction, e.now, "there is room below the limit again: "+lifted(used, limit))
	}
}

// roomAgain says when there is room again.
func (e *evaluation) roomAgain() string {
	if e.s.RestrictedUntil.IsZero() {
		return "once a count shows it"
	}
	return "from " + formatTime(e.s.RestrictedUntil)
}

func lifted(used, limit int64) string {
	if limit == Unlimited {
		return "the tier has no limit"
	}
	return fmt.Sprintf("%d of %d are used", used, limit)
}

func (e *evaluation) liftRestriction(rule v1alpha1.Rule, at time.Time, why string) {
	e.s.RestrictedSince, e.s.RestrictedUntil, e.s.RestrictedSource, e.s.RestrictedReason = time.Time{}, time.Time{}, "", ""
	e.emit(rule, at, v1alpha1.ReasonRestrictionLifted, "", "", why)
}

func (e *evaluation) used() Count {
	return used(e.p, e.f.Usage, e.now)
}

func (e *evaluation) explainUsed(x *explanation) {
	s, count := &e.s, e.used()
	used, known := count.Most, count.Known
	switch {
	case !known && s.Restricted() && s.RestrictedSource == v1alpha1.FromPolicy:
		x.say(usageTopic, v1alpha1.RuleRestriction, "Restricted since %s, and only replies inside a customer service window go out. How much is used now is not known: there is room again %s.",
			formatTime(s.RestrictedSince), e.roomAgain())
	case !known:
		x.say(usageTopic, v1alpha1.RuleRestriction, "How much of the limit is used now is not known; see the condition UsageFresh.")
	case s.accountRestricted():
		x.say(usageTopic, v1alpha1.RuleRestriction, "%d of %s are used.", used, FormatLimit(s.Tier.Limit))
	case s.RestrictedSource == v1alpha1.FromReport:
		x.say(usageTopic, v1alpha1.RuleReports, "Restricted since %s: Meta reported it. By the count here, %d of %s are used.", formatTime(s.RestrictedSince), used, FormatLimit(s.Tier.Limit))
	case s.Restricted():
		x.say(usageTopic, v1alpha1.RuleRestriction, "Restricted since %s: %d of %d are used, and only replies inside a customer service window go out. There is room again %s.",
			formatTime(s.RestrictedSince), used, s.Tier.Limit, e.roomAgain())
	case s.Tier.Limit == Unlimited:
		x.say(usageTopic, v1alpha1.RuleUnlimited, "%d %s were reached within %s.", used, measureNoun(e.p.Measure), formatDuration(e.p.Window))
	case s.Obstacle().Reason != "":
		x.say(usageTopic, v1alpha1.RuleRestriction, "%d of %d are used, and none remain while the number is %s.", used, s.Tier.Limit, s.Connection)
	case e.f.Reserved > 0:
		x.say(usageTopic, v1alpha1.RuleRestriction, "%d of %d are used, %d are held for messages that are under way, and %d remain.",
			used, s.Tier.Limit, e.f.Reserved, max(0, s.Tier.Limit-used-e.f.Reserved))
	default:
		x.say(usageTopic, v1alpha1.RuleRestriction, "%d of %d are used, and %d remain.", used, s.Tier.Limit, s.Tier.Limit-used)
	}
}
