package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/meta/graph"
)

// readout is what a read of an account told.
type readout struct {
	byID         map[string]*graph.PhoneNumber
	byNumber     map[string]*graph.PhoneNumber // by E.164
	verification graph.Verification            // of the business; optional
	review       graph.ReviewStatus            // of the account; optional
}

func newReadout(numbers []graph.PhoneNumber) *readout {
	r := &readout{byID: map[string]*graph.PhoneNumber{}, byNumber: map[string]*graph.PhoneNumber{}}
	for i := range numbers {
		n := &numbers[i]
		r.byID[n.ID] = n
		if number, ok := identity.E164(n.DisplayPhoneNumber); ok {
			r.byNumber[number] = n
		}
	}
	return r
}

// of is what was told of a number, nil with the reason if nothing was.
func (r *readout) of(number *v1alpha1.PhoneNumber) (found *graph.PhoneNumber, reason string) {
	id := number.Spec.PhoneNumberID
	if id == "" {
		found = r.byNumber[number.Spec.PhoneNumber]
	} else {
		found = r.byID[id]
	}
	if found == nil {
		return nil, v1alpha1.ReasonNotFoundAtMeta
	}
	// The report would be about another number, unless Meta displays the number in another form. One that Meta does not show is taken
	// to be the right one.
	if e164, ok := identity.E164(found.DisplayPhoneNumber); ok && !identity.SameLine(e164, number.Spec.PhoneNumber) {
		return nil, v1alpha1.ReasonNumberMismatch
	}
	return found, ""
}

// record appends to the ledger what a read told that was not known. Limit and verification are those of the portfolio, but
// like Meta's webhooks it says them of each number, and a BusinessPortfolio takes them from its numbers.
func (p *Poller) record(ctx context.Context, account string, found *readout, numbers []v1alpha1.PhoneNumber, at time.Time) error {
	var batch ledger.Batch
	tell := func(subject string, reports ...ledger.Report) {
		known := lastReports(p.Ledger, subject)
		for _, report := range reports {
			report.Number, report.At = subject, at.Unix()
			if tells(report, known) {
				batch.Reports = append(batch.Reports, report)
			}
		}
	}
	review, _ := found.review.Decision()
	tell(ledger.AccountSubject(account), ledger.Report{Kind: ledger.ReviewReport, Value: review})
	done := map[string]bool{} // two resources may have one number
	for i := range numbers {
		n := &numbers[i]
		number := n.Spec.PhoneNumber
		read, _ := found.of(n)
		if read == nil || done[number] || !n.DeletionTimestamp.IsZero() {
			continue
		}
		done[number] = true
		tell(number, reportsOf(read, found.verification)...)
	}
	if len(batch.Reports) == 0 {
		return nil
	}
	if _, err := p.Ledger.Append(ctx, batch, p.Clock.Now()); err != nil {
		return fmt.Errorf("record what was read: %w", err)
	}
	p.Metrics.learned(len(batch.Reports))
	return nil
}

// tells says whether a report has something to say that was not said last, or later. That a number can send messages is worth a
// word only where it could not.
func tells(report ledger.Report, known map[ledger.ReportKind]ledger.Report) bool {
	last, heard := known[report.Kind]
	switch {
	case report.Value == "":
		return false
	case !heard:
		return report.Kind != ledger.HealthReport || report.Value != canSend
	default:
		return (report.Value != last.Value || report.Reason != "" && report.Reason != last.Reason) && report.At >= last.At
	}
}

// canSend is what a HealthReport says where nothing is in the way.
const canSend = "Available"

// reportsOf is what was read of a number in the words of the webhooks. A word that is not known stays as it came; where
// Meta says nothing the value is empty.
func reportsOf(n *graph.PhoneNumber, verification graph.Verification) []ledger.Report {
	rating, _ := n.QualityRating.Quality()
	connection, _ := n.Status.Connection()
	users, _ := n.PortfolioLimit.Users()
	if users == "" { // left out, or TIER_NOT_SET: the older field may say it
		users, _ = n.Limit.Users()
	}
	verified, _ := verification.Status()
	sending, _ := n.Health.Messaging().Sending()
	// They are of one instant, and rules take them in this order: a low rating flags a number that is connected, and the
	// limit is Meta's last word on what a verification brings.
	return []ledger.Report{
		{Kind: ledger.ConnectionReport, Value: connection},
		{Kind: ledger.QualityReport, Value: rating},
		{Kind: ledger.VerificationReport, Value: verified},
		{Kind: ledger.LimitReport, Value: users},
		{Kind: ledger.HealthReport, Value: sending, Reason: clip(strings.Join(n.Health.Hindrances(), "; "), 256)},
	}
}

// lastReports are the last reports of each kind about a subject. The ledger keeps these for good.
func lastReports(book ledger.Ledger, subject string) map[ledger.ReportKind]ledger.Report {
	last := map[ledger.ReportKind]ledger.Report{}
	for _, report := range book.Reports(subject, 0) {
		if known, ok := last[report.Kind]; !ok || report.At >= known.At {
			last[report.Kind] = report
		}
	}
	return last
}
