// Package reports reads from the ledger what Meta reported of a resource.
package reports

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// IsNews says whether a report of a number or account is newer than what a state knows of the same.
func IsNews(r report.Report, state *rules.State) bool {
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

// Statements are the reports about a subject up to now, by their time. The first of those to come is the earliest of later.
func Statements(l *ledger.Ledger, subject report.Subject, now time.Time, later *time.Time) []report.Report {
	all := slices.DeleteFunc(l.Reports(subject, 0), func(r report.Report) bool {
		at := r.Time()
		if at.After(now) {
			*later = statuses.Earliest(*later, at)
		}
		return at.After(now)
	})
	slices.SortStableFunc(all, func(a, b report.Report) int { return int(a.At - b.At) })
	return all
}

// SetStatement writes what Meta said over what it had said before.
func SetStatement(into *v1alpha1.Statement, r report.Report) {
	if s := Statement(r); !s.ReportedTime.Before(&into.ReportedTime) {
		*into = s
	}
}

// Statement is a report as a status shows it.
func Statement(r report.Report) v1alpha1.Statement {
	s := v1alpha1.Statement{Value: statuses.Clip(r.Value, 64), Reason: statuses.Clip(r.Reason, 256), ReportedTime: statuses.Time(r.Time())}
	if r.Until != 0 {
		s.UntilTime = statuses.Time(r.End())
	}
	return s
}

// NotUnderstood says what Meta reported of some subjects last that the rules have no word for; empty if there is nothing. It
// changes nothing, and is not to be lost.
func NotUnderstood(l *ledger.Ledger, subjects []report.Subject, now time.Time) string {
	last := map[report.Kind]report.Report{}
	var later time.Time
	for _, subject := range subjects {
		for _, r := range Statements(l, subject, now, &later) {
			if known, ok := last[r.Kind]; !ok || r.At >= known.At {
				last[r.Kind] = r
			}
		}
	}
	for _, kind := range []report.Kind{report.Limit, report.Quality, report.Connection, report.Verification} {
		if r, ok := last[kind]; ok && !r.Understood() {
			return fmt.Sprintf("Meta reported the %s %q at %s, which says nothing to the rules.", words[kind], statuses.Clip(r.Value, 64), statuses.Stamp(statuses.Time(r.Time())))
		}
	}
	return ""
}

// words are how people call what is reported.
var words = map[report.Kind]string{
	report.Limit: "limit", report.Quality: "rating", report.Connection: "state", report.Verification: "verification",
}

// JoinedAt is the sequence number of the last report of a number from before it had a part in a portfolio: of one that
// comes from elsewhere, all that its status has seen.
func JoinedAt(l *ledger.Ledger, number *v1alpha1.PhoneNumber, portfolio string) int64 {
	last := number.Status.ObservedReport
	if number.Status.Portfolio == portfolio {
		last = number.Status.PortfolioReport
	}
	if l.LastReport(report.ParseSubject(number.Spec.PhoneNumber)) < last {
		return 0 // another ledger
	}
	return last
}

// After are the reports about a subject that a status does not have yet, and the number of the last one.
func After(l *ledger.Ledger, subject report.Subject, observed int64) ([]report.Report, int64) {
	if l.LastReport(subject) < observed {
		// The status has seen a report that the ledger never had: it is another ledger, and all of its reports are news.
		observed = 0
	}
	reports := l.Reports(subject, observed)
	if n := len(reports); n > 0 {
		observed = reports[n-1].Sequence
	}
	return reports, observed
}

// ReportsFresh is the condition of that name of a number; nil where it has none.
func ReportsFresh(number *v1alpha1.PhoneNumber) *metav1.Condition {
	return meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionReportsFresh)
}

// Last are the last reports of each kind about a subject. The ledger keeps these for good.
func Last(l *ledger.Ledger, subject report.Subject) map[report.Kind]report.Report {
	last := map[report.Kind]report.Report{}
	for _, r := range l.Reports(subject, 0) {
		if known, ok := last[r.Kind]; !ok || r.At >= known.At {
			last[r.Kind] = r
		}
	}
	return last
}
