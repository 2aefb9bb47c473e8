package controllers

import (
	"fmt"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/records"
	"numberfleet.dev/numberfleet/internal/rules"
)

// What Meta says of a WhatsApp Business account names no number: the ledger has it once, under the account, and each number
// whose spec names the account reads it there. The state of a number tells what it knows already, so no status counts how
// many of the reports it has seen.

// accountReports are what Meta said of a number's account that concerns the number and that its state does not know. A number
// that names the account only now has no part in what came and went before: the last word of each kind counts. A limit is
// that of the account's portfolio, and nothing to a number with one of its own. A report from ahead of the clock waits until
// then: later is when the first of them is due.
func accountReports(book counts.Ledger, account string, scope v1alpha1.Scope, state *rules.State, joins bool, now time.Time) (news []rules.Report, later time.Time) {
	for _, report := range statements(book, counts.AccountSubject(account), now, &later) {
		if !isNews(report, state) || report.Kind == counts.LimitReport && scope != v1alpha1.ScopePortfolio {
			continue
		}
		if joins && report.Kind != counts.RestrictionReport {
			news = slices.DeleteFunc(news, func(r rules.Report) bool { return r.Kind == rules.ReportKind(report.Kind) })
		}
		news = append(news, records.Reported(report))
	}
	return news, later
}

// isNews says whether a report of a number or account is newer than what a state knows of the same.
func isNews(report counts.Report, state *rules.State) bool {
	at := time.Unix(report.At, 0).UTC()
	switch report.Kind {
	case counts.LimitReport:
		return at.After(state.LimitReported)
	case counts.VerificationReport:
		return at.After(state.VerificationReported)
	case counts.AccountReport, counts.ConnectionReport:
		return at.After(state.ConnectionReported)
	case counts.QualityReport:
		return at.After(state.ReportedSince)
	case counts.RestrictionReport:
		return state.NewRestriction(report.Value, at)
	default:
		return false
	}
}

// statements are the reports about a subject up to now, by their time. The first of those to come is the earliest of later.
func statements(book counts.Ledger, subject string, now time.Time, later *time.Time) []counts.Report {
	all := slices.DeleteFunc(book.Reports(subject, 0), func(r counts.Report) bool {
		at := time.Unix(r.At, 0).UTC()
		if at.After(now) {
			*later = earliest(*later, at)
		}
		return at.After(now)
	})
	slices.SortStableFunc(all, func(a, b counts.Report) int { return int(a.At - b.At) })
	return all
}

// accounted writes into a number's status what Meta said of its account, its display name, its health and what it alerted
// to, as far as it is no matter of the rules. It returns when the first of it ends, or is due.
func accounted(book counts.Ledger, number *v1alpha1.PhoneNumber, status *v1alpha1.PhoneNumberStatus, now time.Time) (next time.Time) {
	account := number.Spec.Business.WhatsAppBusinessAccountID
	if status.Account.ID != account {
		of := status.Account
		status.Account = v1alpha1.AccountStatus{ID: account, BusinessInitiated: of.BusinessInitiated, CustomerInitiated: of.CustomerInitiated,
			RestrictionsLiftedTime: of.RestrictionsLiftedTime}
	}
	for _, subject := range numberSubjects(number) {
		for _, r := range statements(book, subject, now, &next) {
			switch r.Kind {
			case counts.NameReport:
				stated(&status.DisplayName, r)
			case counts.AlertReport:
				stated(&status.Alert, r)
			case counts.HealthReport:
				stated(&status.Health, r)
			case counts.ThroughputReport:
				allowed(&status.Throughput, r)
			case counts.ReviewReport:
				stated(&status.Account.Review, r)
			case counts.ViolationReport:
				stated(&status.Account.Violation, r)
			case counts.BanReport:
				stated(&status.Account.Ban, r)
			case counts.RestrictionReport:
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
func allowed(into *v1alpha1.ThroughputStatus, r counts.Report) {
	level := v1alpha1.ThroughputStatus{Level: clip(r.Value, 64), ReportedTime: at(time.Unix(r.At, 0))}
	switch {
	case r.Reason == onBusinessApp:
		level.MessagesPerSecond = 20
	case r.Value == "STANDARD":
		level.MessagesPerSecond = 80
	case r.Value == "HIGH":
		level.MessagesPerSecond = 1000
	}
	if !level.ReportedTime.Before(&into.ReportedTime) {
		*into = level
	}
}

// stated writes what Meta said over what it had said before.
func stated(into *v1alpha1.Statement, r counts.Report) {
	if s := statement(r); !s.ReportedTime.Before(&into.ReportedTime) {
		*into = s
	}
}

func statement(r counts.Report) v1alpha1.Statement {
	s := v1alpha1.Statement{Value: clip(r.Value, 64), Reason: clip(r.Reason, 256), ReportedTime: at(time.Unix(r.At, 0))}
	if r.Until != 0 {
		s.UntilTime = at(time.Unix(r.Until, 0))
	}
	return s
}

// restrict adds what is restricted to what was, by name. The last word about each holds; None ends all before it.
func restrict(all []v1alpha1.Statement, r counts.Report) []v1alpha1.Statement {
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
func notUnderstood(book counts.Ledger, subjects []string, now time.Time) string {
	last := map[counts.ReportKind]counts.Report{}
	var later time.Time
	for _, subject := range subjects {
		for _, r := range statements(book, subject, now, &later) {
			if known, ok := last[r.Kind]; !ok || r.At >= known.At {
				last[r.Kind] = r
			}
		}
	}
	for _, kind := range []counts.ReportKind{counts.LimitReport, counts.QualityReport, counts.ConnectionReport, counts.VerificationReport} {
		if r, ok := last[kind]; ok && !rules.Understood(rules.ReportKind(kind), r.Value) {
			return fmt.Sprintf("Meta reported the %s %q at %s, which says nothing to the rules.", words[kind], clip(r.Value, 64), stamp(at(time.Unix(r.At, 0))))
		}
	}
	return ""
}

// words are how people call what is reported.
var words = map[counts.ReportKind]string{
	counts.LimitReport: "limit", counts.QualityReport: "rating", counts.ConnectionReport: "state", counts.VerificationReport: "verification",
}
