package rules

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// RestrictedTo says what a restriction of an account leaves its numbers.
func RestrictedTo(restriction string) string {
	if restriction == report.RestrictedReplies {
		return "no messages go out, not even replies"
	}
	return "only replies inside a customer service window go out"
}

// ExplainRestriction says what a restriction of the account is that does not restrict messages; empty for one that does.
func ExplainRestriction(what string, since, until time.Time) string {
	if what == report.RestrictedMessaging || what == report.RestrictedReplies {
		return ""
	}
	sentence := "Meta restricts the account since " + formatTime(since)
	if !until.IsZero() {
		sentence += ", until " + formatTime(until)
	}
	sentence += ": " + what
	if takes := report.RestrictionEffect(what); takes != "" {
		sentence += ", " + takes
	}
	return sentence + "."
}

// Period is the time in which something holds. It ends at Until, or when Meta says so if that is zero. The zero value is no time.
type Period struct {
	Since, Until time.Time
}

func (s Period) holds() bool { return !s.Since.IsZero() }

// Rule 9 for accounts. What Meta says of a WhatsApp Business account holds for each of its numbers.
var account = rule[*evaluation]{
	number:   v1alpha1.RuleReports,
	name:     "Reports about the account",
	sentence: `Meta's policy enforcement: for days no messages that a business begins, or none at all, or locked until an appeal lifts it`,
	reports:  reports{report.AccountConnection: (*evaluation).reportAccount, report.Restriction: (*evaluation).reportRestriction},
	apply:    (*evaluation).endRestriction,
	due:      func(e *evaluation) time.Time { return e.s.RestrictedUntil },
	explain: func(e *evaluation, x *explanation) {
		s, until := &e.s, "until Meta lifts it"
		if !s.RestrictedUntil.IsZero() {
			until = "until " + formatTime(s.RestrictedUntil)
		}
		if s.accountRestricted() {
			x.say(accountTopic, v1alpha1.RuleReports, "Restricted since %s, %s: Meta restricts the account (%s), and %s.", formatTime(s.RestrictedSince), until, s.RestrictedReason,
				RestrictedTo(s.RestrictedReason))
		}
	},
}

// reportAccount takes whether the numbers of an account work. It says nothing about the registration of a number: a pending one stays
// pending, and Connected gives back only what Meta had taken away.
func (e *evaluation) reportAccount(r report.Report, at time.Time) {
	s, to := &e.s, r.State()
	var concerned bool
	switch to {
	case v1alpha1.StateBlocked:
		concerned = true
	case v1alpha1.StateOffline:
		concerned = s.Connection != v1alpha1.StatePending
	case v1alpha1.StateConnected:
		away := s.Connection == v1alpha1.StateOffline || s.Connection == v1alpha1.StateBlocked && r.Reason == report.ReasonReinstated
		concerned = away && s.ConnectionSource == v1alpha1.FromReport
	default:
		return
	}
	if concerned {
		e.setReportedConnection(to, at, r.Reason)
	} else {
		s.ConnectionReported = latest(s.ConnectionReported, at) // older reports are over
	}
}

// reportRestriction takes what Meta restricts of an account. A restriction ends at its end. One without lasts until Meta says something
// else about the account or the number. Of several the strictest shows, and each has its own end.
func (e *evaluation) reportRestriction(r report.Report, at time.Time) {
	s := &e.s
	const lifted = "Meta reports that the account is no longer restricted"
	of := s.restriction(r.Value)
	switch {
	case r.Value == report.NothingRestricted:
		if at.Before(s.RestrictionsLifted) {
			return
		}
		s.RestrictionsLifted, s.BusinessInitiated, s.CustomerInitiated = at, Period{}, Period{}
		e.showStrictest(at, lifted)
		return
	case of == nil || at.Before(s.RestrictionsLifted) || at.Before(of.Since): // shown as it came, or older than what is known
		return
	}
	until := r.End()
	over := !until.IsZero() && !until.After(e.now)
	switch {
	case over:
		*of = Period{}
	case of.holds():
		of.Until = until
	default:
		*of = Period{at, until}
	}
	e.showStrictest(at, lifted)
}

// restriction is the time of a restriction that changes what a number can send; nil for others.
func (s *State) restriction(what string) *Period {
	switch what {
	case report.RestrictedMessaging:
		return &s.BusinessInitiated
	case report.RestrictedReplies:
		return &s.CustomerInitiated
	}
	return nil
}

// NewRestriction says whether a report about restrictions of the account is newer than what the state knows.
func (s *State) NewRestriction(what string, at time.Time) bool {
	of := s.restriction(what)
	return at.After(s.RestrictionsLifted) && (what == report.NothingRestricted || of != nil && at.After(of.Since))
}

// showStrictest shows the strictest restriction of the account that holds, or lifts the one that shows if none holds.
func (e *evaluation) showStrictest(at time.Time, lifted string) {
	s := &e.s
	reason, is := report.RestrictedReplies, s.CustomerInitiated
	if !is.holds() {
		reason, is = report.RestrictedMessaging, s.BusinessInitiated
	}
	switch {
	case !is.holds() && s.accountRestricted():
		e.liftRestriction(v1alpha1.RuleReports, latest(at, s.RestrictedSince), lifted)
	case !is.holds(), reason == s.RestrictedReason && is.Until.Equal(s.RestrictedUntil): // known
	default:
		s.RestrictedSince, s.RestrictedUntil, s.RestrictedSource, s.RestrictedReason = is.Since, is.Until, v1alpha1.FromReport, reason
		message := "Meta restricts the account: its numbers can only reply inside a customer service window"
		if reason == report.RestrictedReplies {
			message = "Meta restricts the account: its numbers can send nothing, and cannot even reply"
		}
		if is.Until.IsZero() {
			message += ", until Meta lifts it"
		} else {
			message += ", until " + formatTime(is.Until)
		}
		e.emit(v1alpha1.RuleReports, at, v1alpha1.ReasonRestricted, "", "", message)
	}
}

// endRestriction ends restrictions of the account at their time.
func (e *evaluation) endRestriction() {
	s := &e.s
	for s.RestrictedSource == v1alpha1.FromReport && !s.RestrictedUntil.IsZero() && !s.RestrictedUntil.After(e.now) {
		end := s.RestrictedUntil
		for _, of := range []*Period{&s.BusinessInitiated, &s.CustomerInitiated} {
			if !of.Until.IsZero() && !of.Until.After(end) {
				*of = Period{}
			}
		}
		e.showStrictest(end, "the restriction of the account has ended")
	}
}

// liftIndefinite ends the restrictions of the account that have no end of their own.
func (e *evaluation) liftIndefinite(at time.Time, why string) {
	s := &e.s
	for _, of := range []*Period{&s.BusinessInitiated, &s.CustomerInitiated} {
		if of.Until.IsZero() && !at.Before(of.Since) {
			*of = Period{}
		}
	}
	s.RestrictionsLifted = at
	e.showStrictest(at, why)
}
