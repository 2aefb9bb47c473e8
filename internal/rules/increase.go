package rules

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// Rule 9. Meta grants increases of the limit, also the one after a verification of the business. If Meta refuses one, the tier falls back
// to what it was, and does not rise until Meta reports a limit.
var increase = rule[*evaluation]{
	number:    v1alpha1.RuleReports,
	name:      "Increases that Meta does not grant",
	sentence:  `Meta's messaging limits since 2025-10-07: "Then Meta reviews message quality and approves or denies. Deny: limit unchanged"`,
	reports:   reports{report.Increase: (*evaluation).reportIncrease},
	objection: func(e *evaluation) objection { return objection{why: e.increaseRefusal()} },
}

func (e *evaluation) reportIncrease(r report.Report, at time.Time) {
	s := &e.s
	if at.Before(s.IncreaseReported) || at.Before(s.LimitReported) || at.Before(s.TierSince) && s.TierSource == v1alpha1.FromVerification {
		return
	}
	s.Increase, s.IncreaseReported, s.IncreaseReason = r.Increase(), at, r.Reason
	e.cancelOnObjection(at)
	from, to := s.Tier, s.Before
	if !s.raised() || s.TierSource == v1alpha1.FromReport || at.Before(s.TierSince) {
		e.emit(v1alpha1.RuleReports, at, v1alpha1.ReasonLimitReported, from.Name, from.Name, fmt.Sprintf("the limit stays %s: %s", FormatLimit(from.Limit), e.increaseRefusal()))
		return
	}
	since := s.TierSince
	e.setTier(to, at, v1alpha1.FromReport)
	s.LimitLowered = at
	e.emit(v1alpha1.RuleReports, at, v1alpha1.ReasonLimitReported, from.Name, to.Name, fmt.Sprintf("the limit falls back from %s to %s, since Meta did not grant the increase of %s: %s",
		FormatLimit(from.Limit), FormatLimit(to.Limit), formatTime(since), e.increaseRefusal()))
}

// clearIncrease forgets a refusal: the limit has risen after all.
func (e *evaluation) clearIncrease() {
	e.s.Increase, e.s.IncreaseReported, e.s.IncreaseReason = "", time.Time{}, ""
}

// increaseRefusal says what Meta answered to an increase; empty if nothing stands.
func (e *evaluation) increaseRefusal() string {
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
	text += " at " + formatTime(e.s.IncreaseReported)
	if e.s.IncreaseReason != "" {
		text += ": " + e.s.IncreaseReason
	}
	return text
}
