package rules

import (
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// Shows says whether the state shows already what a report says, so that the report would change nothing. A state that nobody has
// reported does not.
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
			return !s.Restricted() || s.accountRestricted() // the state of a number says nothing of its account
		}
	}
	return false
}
