package rules

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// Rule 9, its other half: where a report and the policy disagree, both are kept, and it is said that they do.

// Agreement is how what Meta reported stands to what the policy concludes by itself.
type Agreement struct {
	// Reported says whether Meta reported anything that the policy has an opinion of too.
	Reported bool
	// Limit, Quality and State say in a sentence how the two differ; empty where they do not.
	Limit, Quality, State string
	// Settling says of a limit that differs since too short a time to tell: one may only be later than the other. It is over
	// at Due.
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
	case s.RestrictedSource == v1alpha1.FromReport && !s.AccountRestricted():
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

// Shows says whether what is reported shows already, so that a report of it would change nothing. What nobody has reported yet does
// not, and neither does a word that the rules do not know.
func (s *State) Shows(r report.Report) bool {
	switch r.Kind {
	case report.Quality:
		return r.Rating() == v1alpha1.QualityUnknown || s.Reported != "" && r.Rating() == s.Rating
	case report.Limit:
		limit, ok := r.Limit()
		return ok && !s.LimitReported.IsZero() && limit == s.Tier.Limit
	case report.Verification:
		return !s.VerificationReported.IsZero() && r.Verification() == s.Verification
	case report.Connection:
		return !s.ConnectionReported.IsZero() && s.showsConnection(r.State())
	default:
		return false
	}
}

func (s *State) showsConnection(state v1alpha1.State) bool {
	registered := s.Connection == v1alpha1.StateConnected || s.Connection == v1alpha1.StateBlocked // only Connected lifts a block
	switch state {
	case v1alpha1.StateBlocked:
		return s.Connection == state
	case v1alpha1.StatePending, v1alpha1.StateOffline:
		return s.Connection == state || s.Connection == v1alpha1.StateBlocked
	case v1alpha1.StateFlagged:
		return registered && s.Flagged()
	case v1alpha1.StateRestricted:
		return registered && s.Restricted()
	case v1alpha1.StateConnected:
		switch {
		case s.Connection != state || s.Flagged():
			return false
		case s.RestrictedSource == v1alpha1.FromPolicy:
			return s.ConnectionReported.After(s.RestrictedSince) // both are kept, and that they differ has been said
		default:
			return !s.Restricted() || s.AccountRestricted() // the state of a number says nothing of its account
		}
	}
	return false
}
