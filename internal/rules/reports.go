package rules

import (
	"cmp"
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// Rule 9. What Meta reports replaces what the policy concluded, and is marked as reported. A report that is older than the last one of
// the same kind changes nothing, and neither does a word that is not understood.
//
// Each report is taken by the rule about the same thing. This one takes whether the number works.
var connection = rule[*evaluation]{
	number:   v1alpha1.RuleReports,
	name:     "Reports win",
	sentence: `seeds/001: "If the company fails to comply with WhatsApp regulations, it may be marked in red."`,
	reports:  reports{report.Connection: (*evaluation).reportConnection},
	objection: func(e *evaluation) objection {
		if e.s.Connection == v1alpha1.StateConnected {
			return objection{}
		}
		return objection{fmt.Sprintf("the number is %s and must be connected", e.s.Connection), true}
	},
	explain: func(e *evaluation, x *explanation) {
		switch s := &e.s; {
		case s.Connection == v1alpha1.StateConnected:
		case s.Connection == v1alpha1.StateBlocked && s.ConnectionSource == v1alpha1.FromPolicy:
			x.say(connectionTopic, v1alpha1.RuleBlock, "Blocked since %s: the rating stayed Low for %s at the lowest tier. Only Meta can lift it.", formatTime(s.ConnectionSince), formatDuration(e.p.BlockAfter))
		default:
			x.say(connectionTopic, v1alpha1.RuleReports, "%s since %s: Meta reported it%s.", s.Connection, formatTime(s.ConnectionSince), reasonSuffix(s.ConnectionReason))
		}
	},
}

func (e *evaluation) reportQuality(r report.Report, at time.Time) {
	s, rating := &e.s, r.Rating()
	// A report of Unknown keeps the rating before it (rule 3).
	if rating == v1alpha1.QualityUnknown || at.Before(s.ReportedSince) {
		return
	}
	s.Reported, s.ReportedSince = rating, at
	e.setRating(v1alpha1.RuleReports, rating, at, r.Reason, r.Reason, v1alpha1.FromReport)
}

func (e *evaluation) reportLimit(r report.Report, at time.Time) {
	s := &e.s
	limit, _ := r.Limit()
	if at.Before(s.LimitReported) {
		return
	}
	first := s.LimitReported.IsZero()
	s.LimitReported = at
	e.clearIncrease() // a limit is the last word about an increase
	if at.Before(s.TierSince) {
		if s.Tier != e.p.Start(s.Verification) {
			return // the number has risen or fallen since
		}
		at = s.TierSince
	}
	if limit == s.Tier.Limit {
		s.TierSource = v1alpha1.FromReport
		return
	}
	from, to := s.Tier, e.p.tierOf(limit)
	if Above(from.Limit, to.Limit) {
		s.LimitLowered = at
	}
	pending, _ := e.p.above(e.place)
	// The policy concludes the same, and only waits; or it knows nothing of how the number rose before it was seen here.
	agreed := !s.EligibleSince.IsZero() && pending.Limit == to.Limit || first && from == e.p.Start(s.Verification) && Above(to.Limit, from.Limit)
	e.setTier(to, at, v1alpha1.FromReport)
	if agreed {
		e.setConcluded(to, at)
	}
	e.emit(v1alpha1.RuleReports, at, v1alpha1.ReasonLimitReported, from.Name, to.Name, fmt.Sprintf("Meta reports a limit of %s; it was %s here", FormatLimit(limit), FormatLimit(from.Limit)))
}

func (e *evaluation) reportConnection(r report.Report, at time.Time) {
	e.setReportedConnection(r.State(), at, r.Reason)
}

func (e *evaluation) setReportedConnection(to v1alpha1.State, at time.Time, reason string) {
	s := &e.s
	if at.Before(s.ConnectionReported) {
		return
	}
	before := s.Connection
	if at.Before(s.ConnectionSince) {
		if before == v1alpha1.StateBlocked {
			return // the policy has blocked the number since
		}
		at = s.ConnectionSince
	}
	s.ConnectionReported = at
	switch to {
	case v1alpha1.StateConnected:
		switch {
		case before == v1alpha1.StateBlocked:
			e.setConnection(to, at)
			if s.Rating == v1alpha1.QualityLow {
				s.LowSince, s.GraceStart = at, at // the time that led to the block does not count again
			}
			e.emit(v1alpha1.RuleReports, at, v1alpha1.ReasonUnblocked, "", "", "Meta reports the number as connected again"+reasonSuffix(reason))
		case before != to:
			e.changeConnection(to, at, reason)
		default:
			s.ConnectionSource = v1alpha1.FromReport
			// Connected means neither flagged nor restricted, by Meta's own count.
			if s.Flagged() && !at.Before(s.FlagSince) {
				e.endFlag(v1alpha1.RuleReports, at, "Meta reports the number as connected")
				if s.Rating == v1alpha1.QualityLow {
					s.GraceStart = at
				}
			}
		}
		// A restriction of the account with an end goes on until then; one without is lifted by this report.
		if s.RestrictedSource == v1alpha1.FromReport && s.RestrictedUntil.IsZero() && !at.Before(s.RestrictedSince) {
			if s.accountRestricted() {
				e.liftIndefinite(at, "Meta reports the number as connected")
			} else {
				e.liftRestriction(v1alpha1.RuleReports, at, "Meta reports the number as connected")
			}
		}
	case v1alpha1.StatePending, v1alpha1.StateOffline:
		switch before {
		case v1alpha1.StateBlocked: // that goes further
		case to:
			s.ConnectionReason = cmp.Or(reason, s.ConnectionReason)
		default:
			e.changeConnection(to, at, reason)
		}
	case v1alpha1.StateBlocked:
		if before != to {
			e.setConnection(to, at)
			e.emit(v1alpha1.RuleReports, at, v1alpha1.ReasonBlocked, "", "", "Meta reports the number as blocked"+reasonSuffix(reason))
		}
		s.ConnectionSource, s.ConnectionReason = v1alpha1.FromReport, cmp.Or(reason, s.ConnectionReason)
	case v1alpha1.StateFlagged:
		e.setReachable(at)
		if !s.Flagged() {
			e.raiseFlag(v1alpha1.RuleReports, at, v1alpha1.FromReport, "Meta reports the number as flagged")
			if s.Rating == v1alpha1.QualityLow {
				s.GraceStart = at // a new flag starts a whole grace period
			} else {
				s.RecoveringSince = at
			}
		}
		s.FlagSource = v1alpha1.FromReport
	case v1alpha1.StateRestricted:
		e.setReachable(at)
		if s.accountRestricted() {
			return // that goes further
		}
		if !s.Restricted() {
			e.emit(v1alpha1.RuleReports, at, v1alpha1.ReasonRestricted, "", "", "Meta reports the number as restricted")
			s.RestrictedSince = at
		}
		s.RestrictedSource, s.RestrictedUntil = v1alpha1.FromReport, time.Time{}
	}
}

// setReachable takes from a report of Flagged or Restricted that the number is registered and reachable.
func (e *evaluation) setReachable(at time.Time) {
	if c := e.s.Connection; c == v1alpha1.StatePending || c == v1alpha1.StateOffline {
		e.changeConnection(v1alpha1.StateConnected, at, "")
	} else if c == v1alpha1.StateConnected {
		e.s.ConnectionSource = v1alpha1.FromReport
	}
}

func (e *evaluation) changeConnection(to v1alpha1.State, at time.Time, reason string) {
	before := e.s.Connection
	e.setConnection(to, at)
	if to != v1alpha1.StateConnected {
		e.s.ConnectionReason = reason
	}
	e.emit(v1alpha1.RuleReports, at, v1alpha1.ReasonConnectionChanged, string(before), string(to), fmt.Sprintf("Meta reports the number as %s, it was %s%s", to, before, reasonSuffix(reason)))
}

// reasonSuffix is a reason at the end of a sentence.
func reasonSuffix(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func (e *evaluation) setConnection(to v1alpha1.State, at time.Time) {
	e.s.Connection, e.s.ConnectionSince, e.s.ConnectionSource, e.s.ConnectionReason = to, at, v1alpha1.FromReport, ""
}

func (e *evaluation) reportVerification(r report.Report, at time.Time) {
	to := r.Verification()
	if at.Before(e.s.VerificationReported) {
		return
	}
	e.s.VerificationReported = at
	e.setVerification(to, latest(at, e.s.VerificationSince), v1alpha1.FromReport)
}
