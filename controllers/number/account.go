package number

import (
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reports"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

// What Meta says of a WhatsApp Business account names no number: the ledger has it once, under the account, and each number
// whose spec names the account reads it there. The state of a number tells what it knows already, so no status counts how
// many of the reports it has seen.

// accountReports are what Meta said of a number's account that concerns the number and that its state does not know. A number
// that names the account only now has no part in what came and went before: the last word of each kind counts. A limit is
// that of the account's portfolio, and nothing to a number with one of its own. A report from ahead of the clock waits until
// then: later is when the first of them is due.
func accountReports(l *ledger.Ledger, account string, scope v1alpha1.Scope, state *rules.State, joins bool, now time.Time) (news []report.Report, later time.Time) {
	for _, r := range reports.Statements(l, report.AccountSubject(account), now, &later) {
		if !reports.IsNews(r, state) || r.Kind == report.Limit && scope != v1alpha1.ScopePortfolio {
			continue
		}
		if joins && r.Kind != report.Restriction {
			news = slices.DeleteFunc(news, func(before report.Report) bool { return before.Kind == r.Kind })
		}
		news = append(news, r)
	}
	return news, later
}

// setStatements writes into a number's status what Meta said of its account, its display name, its health and what it alerted
// to, as far as it is no matter of the rules. It returns when the first of it ends, or is due.
func setStatements(l *ledger.Ledger, number *v1alpha1.PhoneNumber, status *v1alpha1.PhoneNumberStatus, now time.Time) (next time.Time) {
	account := number.Spec.Business.WhatsAppBusinessAccountID
	if status.Account.ID != account {
		of := status.Account
		status.Account = v1alpha1.AccountStatus{ID: account, BusinessInitiated: of.BusinessInitiated, CustomerInitiated: of.CustomerInitiated,
			RestrictionsLiftedTime: of.RestrictionsLiftedTime}
	}
	for _, subject := range lookup.NumberSubjects(number) {
		for _, r := range reports.Statements(l, subject, now, &next) {
			switch r.Kind {
			case report.DisplayName:
				reports.SetStatement(&status.DisplayName, r)
			case report.Alert:
				reports.SetStatement(&status.Alert, r)
			case report.Health:
				reports.SetStatement(&status.Health, r)
			case report.Throughput:
				setThroughput(&status.Throughput, r)
			case report.Review:
				reports.SetStatement(&status.Account.Review, r)
			case report.Violation:
				reports.SetStatement(&status.Account.Violation, r)
			case report.Ban:
				reports.SetStatement(&status.Account.Ban, r)
			case report.Restriction:
				status.Account.Restrictions = addRestriction(status.Account.Restrictions, r)
			default: // for the rules
			}
		}
	}
	status.Account.Restrictions = slices.DeleteFunc(status.Account.Restrictions, func(s v1alpha1.Statement) bool {
		return !s.UntilTime.IsZero() && !s.UntilTime.After(now)
	})
	for _, s := range status.Account.Restrictions {
		next = statuses.Earliest(next, statuses.UTC(s.UntilTime))
	}
	return next
}

// setThroughput writes how many messages Meta lets a number send, by its page "throughput".
func setThroughput(into *v1alpha1.ThroughputStatus, r report.Report) {
	level := v1alpha1.ThroughputStatus{Level: statuses.Clip(r.Value, 64), ReportedTime: statuses.Time(r.Time())}
	switch {
	case r.Reason == report.OnBusinessApp:
		level.MessagesPerSecond = 20
	case r.Value == report.ThroughputStandard:
		level.MessagesPerSecond = standing.StandardThroughput
	case r.Value == report.ThroughputHigh:
		level.MessagesPerSecond = 1000
	}
	if !level.ReportedTime.Before(&into.ReportedTime) {
		*into = level
	}
}

// addRestriction adds what is restricted to what was, by name. The last word about each holds; None ends all before it.
func addRestriction(all []v1alpha1.Statement, r report.Report) []v1alpha1.Statement {
	s := reports.Statement(r)
	i := slices.IndexFunc(all, func(known v1alpha1.Statement) bool { return known.Value == s.Value })
	switch {
	case r.Value == report.NothingRestricted:
		return slices.DeleteFunc(all, func(known v1alpha1.Statement) bool { return !known.ReportedTime.After(s.ReportedTime.Time) })
	case i >= 0:
		reports.SetStatement(&all[i], r)
	case len(all) < maxRestrictions:
		all = append(all, s)
	}
	return all
}

// maxRestrictions is how many restrictions a status lists: Meta documents nine.
const maxRestrictions = 16
