package account

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/reports"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/controllers/number"
	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta/graph"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// readout is what a read of an account told.
type readout struct {
	byID         map[string]*graph.PhoneNumber
	byNumber     map[string]*graph.PhoneNumber // by E.164
	verification v1alpha1.Verification         // of the business; optional
	review       report.Decision               // of the account; optional
	apps         []string                      // that get the account's webhooks; nil where it is not told
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

// record appends to the ledger what a read told that is news. Limit and verification are those of the portfolio, but like Meta's
// webhooks it says them of each number, and a BusinessPortfolio takes them from its numbers: from the first that says it.
func (p *Poller) record(ctx context.Context, account string, found *readout, numbers []v1alpha1.PhoneNumber, at time.Time) error {
	var batch counts.Batch
	ofAccount := report.AccountSubject(account)
	said := p.Ledger.Reports(ofAccount, 0)
	for _, r := range [...]report.Report{{Kind: report.Review, Value: string(found.review)}, p.subscription(account, found.apps)} {
		if r.Subject, r.At = ofAccount, at.Unix(); isNews(r, said, &rules.State{}) {
			batch.Reports = append(batch.Reports, r)
		}
	}
	done := map[report.Subject]bool{} // two resources may have one subject
	told := map[string]bool{}         // and two numbers one portfolio
	for i := range numbers {
		n := &numbers[i]
		subject := report.ParseSubject(n.Spec.PhoneNumber)
		read, _ := found.of(n)
		if read == nil || done[subject] || !n.DeletionTimestamp.IsZero() {
			continue
		}
		done[subject] = true
		state, _ := number.State(&n.Status) // with what its portfolio shares
		said := slices.Concat(p.Ledger.Reports(subject, 0), p.Ledger.Reports(ofAccount, 0))
		for _, r := range reportsOf(read, found.verification) {
			r.Subject, r.At = subject, at.Unix()
			shared := fmt.Sprint(n.Status.Portfolio, r.Kind, r.Value)
			if n.Status.Portfolio == "" || !r.Kind.OfPortfolio() {
				shared = ""
			}
			if !told[shared] && isNews(r, said, &state) {
				batch.Reports = append(batch.Reports, r)
				told[shared] = shared != ""
			}
		}
	}
	return p.append(ctx, batch)
}

// append appends reports to the ledger, if there are any.
func (p *Poller) append(ctx context.Context, batch counts.Batch) error {
	if len(batch.Reports) == 0 {
		return nil
	}
	if _, err := p.Ledger.Append(ctx, batch, p.Clock.Now()); err != nil {
		return fmt.Errorf("record what was read: %w", err)
	}
	p.Metrics.countReports(len(batch.Reports))
	return nil
}

// isNews says whether what was read is to be told: it is not what Meta said last, as long as the state does not know that; and else it
// is not what shows, whoever said that, or what Meta has said nothing of yet. That a number can send messages, or
// an app is subscribed, is worth a word only where it was not so.
func isNews(read report.Report, said []report.Report, state *rules.State) bool {
	if read.Value == "" {
		return false
	}
	var last report.Report // of what the state does not know, or of all that no rule takes
	heard := false
	for _, r := range said {
		if kindRead(r.Kind) != read.Kind {
			continue
		}
		heard = true
		if (reports.IsNews(r, state) || !takenByRules[read.Kind]) && r.At >= last.At {
			last = r
		}
	}
	switch {
	case last.Kind != "":
		return (read.Value != last.Value || read.Reason != "" && read.Reason != last.Reason) && read.At >= last.At
	case !takenByRules[read.Kind]:
		return read.Value != string(report.SendingAvailable) && read.Value != report.Subscribed
	case !heard && read.Kind == report.Quality && read.Value == string(v1alpha1.QualityUnknown):
		return state.Reported == ""
	default:
		return !state.Shows(read)
	}
}

// takenByRules are the kinds of what is read that the rules take, and that therefore show in a state.
var takenByRules = map[report.Kind]bool{
	report.Connection: true, report.Quality: true, report.Verification: true, report.Limit: true,
}

// kindRead is the kind under which the same is read: what Meta says of an account's numbers is said of their connection.
func kindRead(kind report.Kind) report.Kind {
	if kind == report.AccountConnection {
		return report.Connection
	}
	return kind
}

// subscription says whether one of the operator's apps is among those that get an account's webhooks. Where not all of its apps are
// known by their ids, any app will do.
func (p *Poller) subscription(account string, told []string) report.Report {
	said := report.Report{Kind: report.Subscription}
	if told == nil {
		return said
	}
	var own []string
	if p.Apps != nil {
		own = p.Apps(account)
	}
	said.Value = report.NotSubscribed
	if slices.ContainsFunc(told, func(app string) bool { return len(own) == 0 || app == "" || slices.Contains(own, app) }) {
		said.Value = report.Subscribed
	}
	return said
}

// reportsOf is what was read of a number. Where Meta says nothing the value is empty.
func reportsOf(n *graph.PhoneNumber, verification v1alpha1.Verification) []report.Report {
	// They are of one instant, and rules take them in this order: a low rating flags a number that is connected, and the
	// limit is Meta's last word on what a verification brings.
	return []report.Report{
		{Kind: report.Connection, Value: string(n.Connection)},
		{Kind: report.Quality, Value: string(n.Rating)},
		{Kind: report.Verification, Value: string(verification)},
		{Kind: report.Limit, Value: cmp.Or(n.PortfolioLimit, n.Limit)},
		{Kind: report.Health, Value: string(n.Health.Messaging()), Reason: statuses.Clip(strings.Join(n.Health.Hindrances(), "; "), 256)},
		throughput(n),
	}
}

// throughput is how many messages Meta lets a number send.
func throughput(n *graph.PhoneNumber) report.Report {
	said := report.Report{Kind: report.Throughput, Value: n.Throughput, Reason: report.OnCloudAPI}
	if n.OnBusinessApp {
		said.Reason = report.OnBusinessApp
	}
	return said
}
