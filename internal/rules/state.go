package rules

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// State is all that the engine remembers of a number or a portfolio. Times are whole seconds in UTC; zero means that it is not so.
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
	// ConcludedTier is what the policy had concluded when Meta reported another limit, and since when they differ; empty where they
	// do not.
	ConcludedTier  Tier
	ConcludedSince time.Time

	Rating        v1alpha1.QualityRating
	RatingSince   time.Time
	RatingReason  string
	RatingSource  v1alpha1.Source
	Reported      v1alpha1.QualityRating // the last reported rating but Unknown; empty if there was none
	ReportedSince time.Time              // when it was reported

	// Members is what the numbers and templates of a portfolio come to, or the templates of a number that has its limit itself, and
	// since when they are rated so, and can send or not.
	Members                                 MemberQuality
	MembersRatedSince, MembersSendableSince time.Time

	LowSince   time.Time // start of the present spell of Low
	GraceStart time.Time // start of the grace period that is running: the spell's, or the last fall's

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

	EligibleSince time.Time // everything for the next tier was met, and the delay runs

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

// raised says whether the rules raised the tier to what it is, and fell, whether they lowered it.
func (s *State) raised() bool { return s.Before != (Tier{}) && Above(s.Tier.Limit, s.Before.Limit) }
func (s *State) fell() bool   { return s.Before != (Tier{}) && Above(s.Before.Limit, s.Tier.Limit) }

// Flagged says whether a flag stands.
func (s *State) Flagged() bool { return !s.FlagSince.IsZero() }

// Restricted says whether the limit is reached, or the account is restricted.
func (s *State) Restricted() bool { return !s.RestrictedSince.IsZero() }

// AccountRestricted says whether the account is what is restricted.
func (s *State) AccountRestricted() bool { return s.RestrictedReason != "" }

// MayReply says whether replies inside a customer service window go out.
func (s *State) MayReply() bool {
	return s.Connection == v1alpha1.StateConnected && s.RestrictedReason != report.RestrictedReplies
}

// Shown is the state to show: the highest of those that hold.
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

// Transition is one thing that happened to a number.
type Transition struct {
	Time     time.Time
	Rule     v1alpha1.Rule // that made it
	Reason   v1alpha1.TransitionReason
	From, To string
	Message  string
}
