// Package report is the vocabulary of what Meta says about numbers, templates, accounts and portfolios: the kinds of reports, their
// subjects and their words. Wire formats are translated into it; the ledger, the rules and the controllers know nothing else.
package report

import (
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Kind says what a report is about. Its text is part of the ledger's journal.
type Kind string

// Kinds of reports about a number.
const (
	Quality     Kind = "Quality"    // also of a template: see Report.Rating
	Limit       Kind = "Limit"      // also of an account, whose portfolio has the limit, and of a portfolio: see Report.Limit
	Connection  Kind = "Connection" // see Report.State
	DisplayName Kind = "Name"       // the review of the name that users see: see Decision
	Health      Kind = "Health"     // whether the number may send: see Sending
	Throughput  Kind = "Throughput" // messages a second: see ThroughputLevel; the reason is a Platform
)

// Kinds of reports about an account, and so about all of its numbers.
const (
	AccountConnection Kind = "Account"      // whether the numbers work: see Report.State. Also of one number
	Restriction       Kind = "Restriction"  // see Restricted; Until is its end
	Review            Kind = "Review"       // see Decision
	Violation         Kind = "Violation"    // of which policy, as it came
	Ban               Kind = "Ban"          // as it came; the reason is its date
	Subscription      Kind = "Subscription" // whether the account's webhooks reach the operator: see Subscribed
)

// Kinds of reports about a portfolio.
const (
	Verification Kind = "Verification" // of the business; also of an account or a number: see Report.Verification
	Increase     Kind = "Increase"     // of the limit, which Meta did not grant: see Report.Increase
	Alert        Kind = "Alert"        // as it came; also of an account or a number
)

// Kinds of reports about a template.
const (
	TemplateState   Kind = "Template"     // see Report.TemplateState
	Category        Kind = "Category"     // see CategoryName; the reason is what it was
	PlannedCategory Kind = "CategoryPlan" // what the category will be at Until, or soon where that is zero
)

// OfPortfolio says whether what Meta says of a number by reports of the kind is said of the portfolio that it belongs to: of the limit that
// the numbers share, and of the business.
func (k Kind) OfPortfolio() bool { return k == Limit || k == Verification }

// Report is one thing that Meta said about a subject. Reports are comparable: two that are equal are one.
type Report struct {
	Subject  Subject
	Sequence int64 // place among the reports of the subject, from 1; the ledger sets it, and it is zero before
	Kind     Kind
	At       int64  // when it was said, in Unix seconds
	Value    string // a word of the kind, or what came where that is none of them
	Reason   string // what Meta gave as a reason, as it came; optional
	Until    int64  // when it ends by itself, in Unix seconds; zero where it does not
}

// Time is when it was said, in UTC.
func (r Report) Time() time.Time { return time.Unix(r.At, 0).UTC() }

// End is when it ends by itself, in UTC; zero where it does not.
func (r Report) End() time.Time {
	if r.Until == 0 {
		return time.Time{}
	}
	return time.Unix(r.Until, 0).UTC()
}

// Earliest is when the first of some reports was made, or now where none was before.
func Earliest(reports []Report, now time.Time) time.Time {
	for _, r := range reports {
		if at := r.Time(); at.Before(now) {
			now = at
		}
	}
	return now
}

// The value of a report in the type of its kind. It may be a word that is none of the type's: see Understood.

// Rating is the value of a Quality report.
func (r Report) Rating() v1alpha1.QualityRating { return v1alpha1.QualityRating(r.Value) }

// State is the value of a Connection report, and of an AccountConnection one: Connected, Offline or Blocked.
func (r Report) State() v1alpha1.State { return v1alpha1.State(r.Value) }

// Verification is the value of a Verification report.
func (r Report) Verification() v1alpha1.Verification { return v1alpha1.Verification(r.Value) }

// Increase is the value of an Increase report.
func (r Report) Increase() v1alpha1.IncreaseDecision { return v1alpha1.IncreaseDecision(r.Value) }

// TemplateState is the value of a TemplateState report; Edited is a state of its own.
func (r Report) TemplateState() v1alpha1.TemplateState { return v1alpha1.TemplateState(r.Value) }

// Limit is the value of a Limit report: users in 24 hours, from 1 to MaxLimit, or Unlimited. False means that it is neither.
func (r Report) Limit() (users int64, ok bool) {
	return ParseLimit(r.Value)
}

// Understood says whether the value is a word of its kind. One that is not changes nothing, and is shown as it came. All values of
// the other kinds are.
func (r Report) Understood() bool {
	switch r.Kind {
	case Quality:
		return slices.Contains(Ratings, r.Rating())
	case Limit:
		_, ok := r.Limit()
		return ok
	case Connection, AccountConnection:
		return slices.Contains(States, r.State())
	case Verification:
		return slices.Contains(Verifications, r.Verification())
	case Increase:
		return slices.Contains(Increases, r.Increase())
	default:
		return true
	}
}
