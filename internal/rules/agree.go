package rules

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Agreement compares what Meta reported with what the policy concludes by itself. By rule 9 a report wins; where the two differ, both
// are kept.
type Agreement struct {
	// Reported says whether Meta reported anything that the policy concludes too.
	Reported bool
	// Limit, Quality and State say in a sentence how the two differ; empty where they agree.
	Limit, Quality, State string
	// Settling is the sentence about a limit that differs, but not for long: one of the two may only be later. That is over at Due.
	Settling string
	Due      time.Time
}

// Agree compares the two as of an instant. The policy is the whole one, of a number or a portfolio.
func Agree(p *Policy, f *Facts, s State, now time.Time) Agreement {
	e := evaluate(p, f, &s, now)
	defer e.release()
	a := Agreement{Reported: !s.LimitReported.IsZero() || s.Reported != "" || !s.ConnectionReported.IsZero() || s.ConcludedTier != (Tier{})}
	if limit := e.limitsDiffer(); limit != "" {
		// Meta raises a limit within some hours of what the policy looks at, or before it.
		if due := s.ConcludedSince.Add(p.longestDelay()); due.After(now) {
			a.Settling, a.Due = limit, due
		} else {
			a.Limit = limit
		}
	}
	a.Quality, a.State = e.ratingsDiffer(), e.statesDiffer()
	return a
}

func (e *evaluation) limitsDiffer() string {
	s := &e.s
	if s.ConcludedTier == (Tier{}) {
		return ""
	}
	return fmt.Sprintf("Meta reports a limit of %s, and by the policy it was %s at %s.", FormatLimit(s.Tier.Limit), FormatLimit(s.ConcludedTier.Limit), formatTime(s.ConcludedSince))
}

func (e *evaluation) ratingsDiffer() string {
	s := &e.s
	if s.Reported == "" {
		return ""
	}
	concluded, because := v1alpha1.QualityUnknown, ""
	switch {
	case e.p.RequireHumanEscalation && !e.f.HumanEscalation && !e.f.Appealed:
		concluded, because = v1alpha1.QualityLow, "it has no direct way to a human"
	case e.p.LowFrom > 0:
		concluded, _, _ = e.feedbackRating()
		because = "that is what the feedback of users comes to"
	}
	if concluded == v1alpha1.QualityUnknown || concluded == s.Reported {
		return ""
	}
	return fmt.Sprintf("Meta reports a rating of %s, and by the policy it is %s: %s.", s.Reported, concluded, because)
}

func (e *evaluation) statesDiffer() string {
	s := &e.s
	switch {
	case s.Connection == v1alpha1.StateBlocked && s.ConnectionSource == v1alpha1.FromReport && e.p.BlockAfter > 0 && s.Rating != v1alpha1.QualityLow:
		return "Meta reports the number as blocked, and by the policy it is not: the rating is not Low."
	case s.Connection != v1alpha1.StateConnected:
		return "" // the policy concludes nothing of how a number is registered
	case s.RestrictedSource == v1alpha1.FromReport && !s.accountRestricted():
		return "Meta reports the number as restricted, and by the policy it is not: there is room below the limit."
	case s.RestrictedSource == v1alpha1.FromPolicy && s.ConnectionSource == v1alpha1.FromReport && s.ConnectionReported.After(s.RestrictedSince):
		return "Meta reports the number as connected, and by the policy it is restricted: the limit is reached."
	case s.Flagged() && s.FlagSource == v1alpha1.FromReport && s.Rating != v1alpha1.QualityLow && s.RecoveringSince.Equal(s.FlagSince):
		return "Meta reports the number as flagged, and by the policy it is not: the rating is not Low."
	}
	return ""
}

// longestDelay is the longest that a tier takes to rise once it is due.
func (p *Policy) longestDelay() time.Duration {
	var longest time.Duration
	for _, t := range p.tiers {
		if t.up != nil {
			longest = max(longest, t.up.delay)
		}
	}
	return longest
}
