package rules

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// State is all that the rules remember of a number or a portfolio. Times are whole seconds in UTC; zero means that it is not so.
type State struct {
	// EvaluatedAt is the instant up to which the rules have run.
	EvaluatedAt time.Time

	Tier       Tier
	TierSince  time.Time
	TierSource v1alpha1.Source
	// Before is the tier that the rules raised or lowered to this one; empty where they did not.
	Before Tier
	// LimitReported is when Meta last reported a limit, LimitLowered when it last reported a lower one than was shown.
	LimitReported time.Time
	LimitLowered  time.Time
	// ConcludedTier is the tier by the policy where Meta reports another limit; empty where they agree. ConcludedSince is since when they
	// differ.
	ConcludedTier  Tier
	ConcludedSince time.Time

	Rating        v1alpha1.QualityRating
	RatingSince   time.Time
	RatingReason  string
	RatingSource  v1alpha1.Source
	Reported      v1alpha1.QualityRating // the last reported rating but Unknown; empty if there was none
	ReportedSince time.Time              // when it was reported

	// Members is the quality of the numbers and templates of a portfolio, or of the templates of a number that has its limit itself.
	Members              MemberQuality
	MembersRatedSince    time.Time // of the rating
	MembersSendableSince time.Time // since when one can send, or none

	LowSince   time.Time // start of the present time of Low
	GraceStart time.Time // start of the running grace period: LowSince, or the last fall of the tier

	FlagSince       time.Time
	FlagSource      v1alpha1.Source
	RecoveringSince time.Time
	FlagEnded       time.Time // end of the last flag

	RestrictedSince  time.Time
	RestrictedUntil  time.Time
	RestrictedSource v1alpha1.Source
	// RestrictedReason is what Meta restricts of the account; empty where a limit is why.
	RestrictedReason string
	// BusinessInitiated and CustomerInitiated are the restrictions of the account that hold: of messages that begin a conversation,
	// and of replies too. RestrictionsLifted is when Meta last said that none does.
	BusinessInitiated, CustomerInitiated Period
	RestrictionsLifted                   time.Time

	EligibleSince time.Time // all that the next tier requires was met, and the delay runs

	Connection       v1alpha1.State // Connected, Pending, Offline or Blocked
	ConnectionSince  time.Time
	ConnectionSource v1alpha1.Source
	// ConnectionReason is what Meta gave as the reason of a reported one; optional.
	ConnectionReason string
	// ConnectionReported is when Meta last reported a connection state.
	ConnectionReported time.Time

	Verification       v1alpha1.Verification
	VerificationSince  time.Time
	VerificationSource v1alpha1.Source // FromReport once Meta said it, else FromPolicy
	// VerificationReported is when Meta last reported the verification.
	VerificationReported time.Time

	// Increase is Meta's answer to an increase of the limit that it did not grant; empty where none stands.
	Increase         v1alpha1.IncreaseDecision
	IncreaseReported time.Time
	IncreaseReason   string
}

// Initial is the state of a number at its first sight: connected, quality unknown, at the start tier of its verification.
func Initial(p *Policy, verification v1alpha1.Verification, now time.Time) State {
	if verification == "" {
		verification = v1alpha1.Unverified
	}
	now = now.UTC().Truncate(time.Second)
	return State{
		EvaluatedAt:  now,
		Tier:         p.Start(verification),
		TierSince:    now,
		TierSource:   v1alpha1.FromPolicy,
		Rating:       v1alpha1.QualityUnknown,
		RatingSince:  now,
		RatingSource: v1alpha1.FromPolicy,

		Members:              MemberQuality{Rating: v1alpha1.QualityUnknown, Sendable: true},
		MembersRatedSince:    now,
		MembersSendableSince: now,

		Connection:       v1alpha1.StateConnected,
		ConnectionSince:  now,
		ConnectionSource: v1alpha1.FromPolicy,

		Verification:       verification,
		VerificationSince:  now,
		VerificationSource: v1alpha1.FromPolicy,
	}
}

// raised and fell say whether the rules raised the tier to the present one, or lowered it.
func (s *State) raised() bool { return s.Before != (Tier{}) && Above(s.Tier.Limit, s.Before.Limit) }
func (s *State) fell() bool   { return s.Before != (Tier{}) && Above(s.Before.Limit, s.Tier.Limit) }

// Flagged says whether a flag stands.
func (s *State) Flagged() bool { return !s.FlagSince.IsZero() }

// Restricted says whether the limit is reached, or the account is restricted.
func (s *State) Restricted() bool { return !s.RestrictedSince.IsZero() }

// accountRestricted says whether the account is what is restricted.
func (s *State) accountRestricted() bool { return s.RestrictedReason != "" }

// Shown is the state to show: the first of Blocked, Pending, Offline, Restricted, Flagged and Connected that holds.
func (s *State) Shown() v1alpha1.State {
	switch {
	case s.Connection != v1alpha1.StateConnected:
		return s.Connection
	case s.Restricted():
		return v1alpha1.StateRestricted
	case s.Flagged():
		return v1alpha1.StateFlagged
	default:
		return v1alpha1.StateConnected
	}
}

// Transition is a change of a number, a portfolio or a template that is kept in the history.
type Transition struct {
	Time     time.Time
	Rule     v1alpha1.Rule // that decided it
	Reason   v1alpha1.TransitionReason
	From, To string
	Message  string
}
