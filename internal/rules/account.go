package rules

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Rule 9 as well: what Meta says of a WhatsApp Business account holds for each of its numbers.

// RestrictedMessaging is the restriction of an account that its numbers may begin no conversation under, in Meta's word. It is
// the one restriction that changes what a number can do here; the others are of templates, calls and new numbers.
const RestrictedMessaging = "RESTRICTED_BIZ_INITIATED_MESSAGING"

// NothingRestricted says that no restriction of an account is left.
const NothingRestricted = "None"

// reportAccount is about whether the numbers of an account work. It says nothing of whether one of them is registered, so a
// pending number stays so, and only what Meta had taken away comes back.
func (e *evaluation) reportAccount(to v1alpha1.State, at time.Time, reason string) {
	s := &e.s
	switch to {
	case v1alpha1.StateBlocked:
		e.reportConnection(to, at, reason)
	case v1alpha1.StateOffline:
		if s.Connection != v1alpha1.StatePending {
			e.reportConnection(to, at, reason)
		}
	case v1alpha1.StateConnected:
		away := s.Connection == v1alpha1.StateBlocked || s.Connection == v1alpha1.StateOffline
		if away && s.ConnectionSource == v1alpha1.FromReport {
			e.reportConnection(to, at, reason)
		}
	default: // no word for accounts
	}
}

// reportRestriction is about what is restricted of an account. A restriction with an end is over at that instant; one
// without lasts until Meta says so, of the account or of the number.
//
// Meta's policy enforcement: for days no messages that a business begins, or locked until an appeal lifts it.
func (e *evaluation) reportRestriction(r Report, at time.Time) {
	s := &e.s
	if r.Value != RestrictedMessaging && r.Value != NothingRestricted || at.Before(s.RestrictionReported) {
		return
	}
	s.RestrictionReported = at
	until := r.Until.UTC().Truncate(time.Second)
	over := r.Value == NothingRestricted || !until.IsZero() && !until.After(e.now)
	switch {
	case over && s.AccountRestricted():
		e.liftRestriction(v1alpha1.RuleReports, latest(at, s.RestrictedSince), "Meta reports that the account is no longer restricted")
	case over:
	case s.AccountRestricted() && until.Equal(s.RestrictedUntil): // known
	default:
		s.RestrictedSince, s.RestrictedUntil, s.RestrictedSource, s.RestrictedReason = at, until, v1alpha1.FromReport, r.Value
		message := "Meta restricts the account: its numbers can only reply inside a customer service window, "
		if until.IsZero() {
			message += "until Meta lifts it"
		} else {
			message += "until " + stamp(until)
		}
		e.say(v1alpha1.RuleReports, at, v1alpha1.ReasonRestricted, "", "", message)
	}
}

// endRestriction lifts a reported restriction at its end.
func (e *evaluation) endRestriction() {
	s := &e.s
	if s.RestrictedSource == v1alpha1.FromReport && !s.RestrictedUntil.IsZero() && !s.RestrictedUntil.After(e.now) {
		e.liftRestriction(v1alpha1.RuleReports, s.RestrictedUntil, "the restriction of the account has ended")
	}
}

// LeaveAccount is the state of a number that belongs to another account from now on.
func LeaveAccount(s State, now time.Time) (State, []Transition) {
	e := evaluation{s: s, now: latest(now.UTC().Truncate(time.Second), s.EvaluatedAt)}
	if s.AccountRestricted() {
		e.liftRestriction(v1alpha1.RuleReports, e.now, "the number belongs to another account")
	}
	e.s.RestrictionReported = time.Time{}
	return e.s, e.transitions
}
