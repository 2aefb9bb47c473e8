package controllers

import (
	"fmt"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/records"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// What Meta says of a WhatsApp Business account names no number: the ledger has it once, under the account, and each number
// whose spec names the account reads it there. The state of a number tells what it knows already, so no status counts how
// many of the reports it has seen.

// accountReports are what Meta said of a number's account that concerns the number and that its state does not know. A number
// that names the account only now has no part in what came and went before: the last word of each kind counts. A limit is
// that of the account's portfolio, and nothing to a number with one of its own. A report from ahead of the clock waits until
// then: later is when the first of them is due.
func accountReports(book *ledger.Ledger, account string, scope v1alpha1.Scope, state *rules.State, joins bool, now time.Time) (news []rules.Report, later time.Time) {
	for _, r := range statements(book, report.AccountSubject(account), now, &later) {
		if !isNews(r, state) || r.Kind == report.Limit && scope != v1alpha1.ScopePortfolio {
			continue
		}
		if joins && r.Kind != report.Restriction {
			news = slices.DeleteFunc(news, func(before rules.Report) bool { return before.Kind == rules.ReportKind(r.Kind) })
		}
		news = append(news, records.Reported(r))
	}
	return news, later
}

// isNews says whether a report of a number or account is newer than what a state knows of the same.
func isNews(r report.Report, state *rules.State) bool {
	at := r.Time()
	switch r.Kind {
	case report.Limit:
		return at.After(state.LimitReported)
	case report.Verification:
		return at.After(state.VerificationReported)
	case report.AccountConnection, report.Connection:
		return at.After(state.ConnectionReported)
	case report.Quality:
		return at.After(state.ReportedSince)
	case report.Restriction:
		return state.NewRestriction(r.Value, at)
	default:
		return false
	}
}

// statements are the reports about a subject up to now, by their time. The first of those to come is the earliest of later.
func statements(book *ledger.Ledger, subject report.Subject, now time.Time, later *time.Time) []report.Report {
	all := slices.DeleteFunc(book.Reports(subject, 0), func(r report.Report) bool {
		at := r.Time()
		if at.After(now) {
			*later = earliest(*later, at)
		}
		return at.After(now)
	})
	slices.SortStableFunc(all, func(a, b report.Report) int { return int(a.At - b.At) })
	return all
}

// accounted writes into a number's status what Meta said of its account, its display name, its health and what it alerted
// to, as far as it is no matter of the rules. It returns when the first of it ends, or is due.
func accounted(book *ledger.Ledger, number *v1alpha1.PhoneNumber, status *v1alpha1.PhoneNumberStatus, now time.Time) (next time.Time) {
	account := number.Spec.Business.WhatsAppBusinessAccountID
	if status.Account.ID != account {
		of := status.Account
		status.Account = v1alpha1.AccountStatus{ID: account, BusinessInitiated: of.BusinessInitiated, CustomerInitiated: of.CustomerInitiated,
			RestrictionsLiftedTime: of.RestrictionsLiftedTime}
	}
	for _, subject := range numberSubjects(number) {
		for _, r := range statements(book, subject, now, &next) {
			switch r.Kind {
			case report.DisplayName:
				stated(&status.DisplayName, r)
			case report.Alert:
				stated(&status.Alert, r)
			case report.Health:
				stated(&status.Health, r)
			case report.Throughput:
				allowed(&status.Throughput, r)
			case report.Review:
				stated(&status.Account.Review, r)
			case report.Violation:
				stated(&status.Account.Violation, r)
			case report.Ban:
				stated(&status.Account.Ban, r)
			case report.Restriction:
				status.Account.Restrictions = restrict(status.Account.Restrictions, r)
			default: // for the rules
			}
		}
	}
	status.Account.Restrictions = slices.DeleteFunc(status.Account.Restrictions, func(s v1alpha1.Statement) bool {
		return !s.UntilTime.IsZero() && !s.UntilTime.After(now)
	})
	for _, s := range status.Account.Restrictions {
		next = earliest(next, utc(s.UntilTime))
	}
	return next
}

// allowed writes how many messages Meta lets a number send, by its page "throughput".
func allowed(into *v1alpha1.ThroughputStatus, r report.Report) {
	level := v1alpha1.ThroughputStatus{Level: clip(r.Value, 64), ReportedTime: at(r.Time())}
	switch {
	case r.Reason == report.OnBusinessApp:
		level.MessagesPerSecond = 20
	case r.Value == report.ThroughputStandard:
		level.MessagesPerSecond = 80
	case r.Value == report.ThroughputHigh:
		level.MessagesPerSecond = 1000
	}
	if !level.ReportedTime.Before(&into.ReportedTime) {
		*into = level
	}
}

// stated writes what Meta said over what it had said before.
func stated(into *v1alpha1.Statement, r report.Report) {
	if s := statement(r); !s.ReportedTime.Before(&into.ReportedTime) {
		*into = s
	}
}

func statement(r report.Report) v1alpha1.Statement {
	s := v1alpha1.Statement{Value: clip(r.Value, 64), Reason: clip(r.Reason, 256), ReportedTime: at(r.Time())}
	if r.Until != 0 {
		s.UntilTime = at(r.End())
	}
	return s
}

// restrict adds what is restricted to what was, by name. The last word about each holds; None ends all before it.
func restrict(all []v1alpha1.Statement, r report.Report) []v1alpha1.Statement {
	s := statement(r)
	i := slices.IndexFunc(all, func(known v1alpha1.Statement) bool { return known.Value == s.Value })
	switch {
	case r.Value == rules.NothingRestricted:
		return slices.DeleteFunc(all, func(known v1alpha1.Statement) bool { return !known.ReportedTime.After(s.ReportedTime.Time) })
	case i >= 0:
		stated(&all[i], r)
	case len(all) < maxRestrictions:
		all = append(all, s)
	}
	return all
}

// maxRestrictions is how many restrictions a status lists: Meta documents nine.
const maxRestrictions = 16

// notUnderstood says what Meta reported of some subjects last that the rules have no word for; empty if there is nothing. It
// changes nothing, and is not to be lost.
func notUnderstood(book *ledger.Ledger, subjects []report.Subject, now time.Time) string {
	last := map[report.Kind]report.Report{}
	var later time.Time
	for _, subject := range subjects {
		for _, r := range statements(book, subject, now, &later) {
			if known, ok := last[r.Kind]; !ok || r.At >= known.At {
				last[r.Kind] = r
			}
		}
	}
	for _, kind := range []report.Kind{report.Limit, report.Quality, report.Connection, report.Verification} {
		if r, ok := last[kind]; ok && !rules.Understood(rules.ReportKind(kind), r.Value) {
			return fmt.Sprintf("Meta reported the %s %q at %s, which says nothing to the rules.", words[kind], clip(r.Value, 64), stamp(at(r.Time())))
		}
	}
	return ""
}

// words are how people call what is reported.
var words = map[report.Kind]string{
	report.Limit: "limit", report.Quality: "rating", report.Connection: "state", report.Verification: "verification",
}
