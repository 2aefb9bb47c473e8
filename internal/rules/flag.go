package rules

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Rule 3. A rating that becomes Low flags the number at once. Low for the whole grace period ends the flag and lowers the tier one step.
// Medium or High for the whole recovery period ends the flag and leaves the tier. A relapse starts a whole grace period. Low that
// continues after a fall is not flagged again, and lowers the tier again after each further grace period.
var flag = rule[*evaluation]{
	number:   v1alpha1.RuleFlag,
	name:     "Flag",
	sentence: `seeds/002: "When the quality rating reaches a low state, the phone number is moved to a Flagged status. If the message quality improves to a high or medium state and continues to maintain this for the next 7 days, the phone number will return to Connected status. If the quality rating does not improve, the number will return to a Connected status but with a lower messaging limit imposed on it."`,
	apply:    (*evaluation).endFlags,
	due:      func(e *evaluation) time.Time { return next(e.now, e.graceDue(), e.flagClearDue()) },
	migrate:  (*evaluation).migrateFlag,
	explain:  (*evaluation).explainFlag,
}

func (e *evaluation) endFlags() {
	if due := e.flagClearDue(); !due.IsZero() && !due.After(e.now) {
		e.endFlag(v1alpha1.RuleFlag, due, fmt.Sprintf("the rating has been above Low for %s, since %s", formatDuration(e.p.Recovery), formatTime(e.s.RecoveringSince)))
	}
	for {
		due := e.graceDue()
		if due.IsZero() || due.After(e.now) {
			return
		}
		e.endGrace(due)
	}
}

// endGrace ends a grace period of Low.
func (e *evaluation) endGrace(due time.Time) {
	to, falls := e.p.below(e.place)
	if e.s.Flagged() {
		why := fmt.Sprintf("the rating stayed Low for %s, and the tier falls", formatDuration(e.p.Grace))
		if !falls {
			why = fmt.Sprintf("the rating stayed Low for %s; the tier stays, for %s is the lowest", formatDuration(e.p.Grace), e.s.Tier.Name)
		}
		e.endFlag(v1alpha1.RuleFlag, due, why)
	}
	e.s.GraceStart = due
	if falls {
		e.moveTier(v1alpha1.RuleFlag, to, due, v1alpha1.FromPolicy, fmt.Sprintf("the rating stayed Low for %s, since %s", formatDuration(due.Sub(e.s.LowSince)), formatTime(e.s.LowSince)))
	}
}

// graceDue is when the grace period ends; zero while nothing would happen then.
func (e *evaluation) graceDue() time.Time {
	if e.p.Grace == 0 || e.s.GraceStart.IsZero() || !e.s.Flagged() && !e.falls() {
		return time.Time{}
	}
	return e.s.GraceStart.Add(e.p.Grace)
}

// restartGrace starts a whole grace period for a number that is rated Low. It is called when there is a tier to fall to again.
func (e *evaluation) restartGrace(at time.Time) {
	if !e.s.GraceStart.IsZero() && !e.s.Flagged() {
		e.s.GraceStart = at
	}
}

// flagClearDue is when the flag ends by recovery; zero while it does not recover.
func (e *evaluation) flagClearDue() time.Time {
	if !e.s.Flagged() || e.s.RecoveringSince.IsZero() || e.p.Recovery == 0 {
		return time.Time{}
	}
	return e.s.RecoveringSince.Add(e.p.Recovery)
}

// setRating changes the rating, and with it the time of Low, the flag and its recovery. The state keeps reason; the transition has why,
// which says the same at length.
func (e *evaluation) setRating(rule v1alpha1.Rule, rating v1alpha1.QualityRating, at time.Time, reason, why string, source v1alpha1.Source) {
	s := &e.s
	before := s.Rating
	s.RatingReason, s.RatingSource = reason, source
	if rating == before {
		return
	}
	s.Rating, s.RatingSince = rating, at
	message := fmt.Sprintf("the quality rating is %s, it was %s", rating, before)
	if why != "" {
		message += ": " + why
	}
	e.emit(rule, at, v1alpha1.ReasonQualityChanged, string(before), string(rating), message)

	if rating != v1alpha1.QualityLow {
		s.LowSince, s.GraceStart = time.Time{}, time.Time{}
		if s.Flagged() && s.RecoveringSince.IsZero() {
			s.RecoveringSince = at
		}
		e.cancelOnObjection(at)
		return
	}
	s.LowSince, s.GraceStart = at, at
	s.RecoveringSince = time.Time{}
	if e.p.Grace > 0 && !s.Flagged() {
		e.flagLow(at)
	}
	e.cancelOnObjection(at)
}

// flagLow flags the number for its Low rating.
func (e *evaluation) flagLow(at time.Time) {
	until := formatTime(at.Add(e.p.Grace))
	message := fmt.Sprintf("the quality rating is Low: the tier falls at %s unless the rating rises before", until)
	if !e.falls() {
		message = fmt.Sprintf("the quality rating is Low; the flag stands until %s, and the tier stays, for %s is the lowest", until, e.s.Tier.Name)
	}
	e.raiseFlag(v1alpha1.RuleFlag, at, v1alpha1.FromPolicy, message)
}

func (e *evaluation) raiseFlag(rule v1alpha1.Rule, at time.Time, source v1alpha1.Source, message string) {
	e.s.FlagSince, e.s.FlagSource = at, source
	e.emit(rule, at, v1alpha1.ReasonFlagged, "", "", message)
	e.cancelOnObjection(at)
}

func (e *evaluation) endFlag(rule v1alpha1.Rule, at time.Time, why string) {
	since := e.s.FlagSince
	e.s.FlagSince, e.s.FlagSource, e.s.RecoveringSince = time.Time{}, "", time.Time{}
	e.s.FlagEnded = at
	e.emit(rule, at, v1alpha1.ReasonFlagCleared, "", "", fmt.Sprintf("the flag of %s ends: %s", formatTime(since), why))
}

// migrateFlag starts the time of Low again, ends a flag that these rules do not know, and raises one that they require.
func (e *evaluation) migrateFlag(bool) {
	s, now := &e.s, e.now
	if s.Rating == v1alpha1.QualityLow {
		s.LowSince, s.GraceStart = now, now
	}
	switch {
	case e.p.Grace == 0 && s.FlagSource == v1alpha1.FromPolicy:
		e.endFlag(v1alpha1.NoRule, now, "the rules of policy "+e.p.Name+" flag no numbers")
	case e.p.Grace > 0 && s.Rating == v1alpha1.QualityLow && !s.Flagged():
		e.flagLow(now)
	case e.p.Recovery > 0 && !s.RecoveringSince.IsZero():
		s.RecoveringSince = latest(s.RecoveringSince, now.Add(-e.p.Recovery))
	}
}

func (e *evaluation) explainFlag(x *explanation) {
	s := &e.s
	switch clear, grace := e.flagClearDue(), e.graceDue(); {
	case !s.Flagged():
	case !clear.IsZero():
		x.say(ratingTopic, v1alpha1.RuleFlag, "Flagged since %s. The flag ends at %s if the rating stays above Low.", formatTime(s.FlagSince), formatTime(clear))
	case !grace.IsZero():
		then := ", and the tier stays, for it is the lowest"
		if to, falls := e.p.below(e.place); falls {
			then = fmt.Sprintf(" with a fall to tier %s (%s), unless the rating rises above Low before", to.Name, FormatLimit(to.Limit))
		}
		x.say(ratingTopic, v1alpha1.RuleFlag, "Flagged since %s. The flag ends at %s%s.", formatTime(s.FlagSince), formatTime(grace), then)
	default:
		x.say(ratingTopic, v1alpha1.RuleReports, "Flagged since %s: Meta reported it, and Meta ends it.", formatTime(s.FlagSince))
	}
}
