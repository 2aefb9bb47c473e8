// Package cloudevents reads events about numbers as CloudEvents 1.0: in JSON, one per line, one alone or a batch of them, and
// in the headers and body of an HTTP request.
//
// Whatever it refuses, it says in which line or place of the batch, in which field and what is allowed there, and never what
// stood there: fields hold phone numbers.
package cloudevents

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// Type is the type of an event, as it stands in its attribute type.
type Type string

// The types, with the fields of their data.
const (
	// MessageDelivered: number or numberID, user, messageID, template and category (optional).
	MessageDelivered Type = "dev.numberfleet.message.delivered.v1"
	// MessageReceived: number or numberID, user.
	MessageReceived Type = "dev.numberfleet.message.received.v1"
	// MessageFailed: number or numberID, user, messageID, code.
	MessageFailed Type = "dev.numberfleet.message.failed.v1"
	// FeedbackReceived: number or numberID, user, kind, reason.
	FeedbackReceived Type = "dev.numberfleet.feedback.received.v1"
	// QualityReported: number or numberID, rating, reason (optional).
	QualityReported Type = "dev.numberfleet.quality.reported.v1"
	// LimitReported: number, numberID or portfolio, limit (absent: unlimited).
	LimitReported Type = "dev.numberfleet.limit.reported.v1"
	// ConnectionReported: number or numberID, state.
	ConnectionReported Type = "dev.numberfleet.connection.reported.v1"
	// VerificationReported: number, numberID or portfolio, business.
	VerificationReported Type = "dev.numberfleet.verification.reported.v1"
	// TemplateReported: template, number or numberID (optional), rating or state or both.
	TemplateReported Type = "dev.numberfleet.template.reported.v1"
)

// Event is one event. Fields that its type does not have are empty.
type Event struct {
	Line int // in which it stood, from 1; zero if it did not come in lines
	Item int // its place in a batch, from 1; zero if it did not come in one

	// Source and ID together identify the event: another with both is the same one again.
	Source, ID string
	Type       Type
	Time       time.Time // in UTC, from 1970 to 2106

	Number    string // E.164, with the leading plus, or what Resolve made of it
	NumberID  string // that Meta gave to the number; with Number, or in its place
	Portfolio string
	User      string // a business-scoped id, or a phone number in digits: without the plus, as identity.ParseUser gives it
	MessageID string
	Template  string

	Category       report.CategoryName // of a delivered message; empty where it is not said
	Code           string              // of a failure: Meta's number for it
	Feedback       v1alpha1.FeedbackKind
	FeedbackReason v1alpha1.FeedbackReason
	Rating         v1alpha1.QualityRating // of a number or a template
	Reason         string                 // of a rating, as it came
	Limit          int64                  // 1 to report.MaxLimit, or report.Unlimited
	State          v1alpha1.State
	TemplateState  v1alpha1.TemplateState // one of report.TemplateChanges
	Verification   v1alpha1.Verification
}

// Reply says whether a delivered message is a reply by definition: one of category Service can be sent inside a customer service
// window only.
func (e *Event) Reply() bool { return e.Category == report.Service }

// Refuse is an error about a field of the event, such as data.user. The problem says what is allowed.
func (e *Event) Refuse(field, problem string) *Error {
	return &Error{Line: e.Line, Item: e.Item, Field: field, Problem: problem}
}

// Resolve makes Number what the number goes by: that which claims NumberID, else that of which Number is a form. The subject of an id,
// a number or both is what subject says: in E.164, unless nothing but the id is known. As in webhooks, the id goes before the number,
// which Meta does not always display as it is dialled.
func (e *Event) Resolve(subject func(id, number string) string) {
	if e.Number != "" || e.NumberID != "" {
		e.Number = subject(e.NumberID, e.Number)
	}
}

// Reports are what the event reports of a subject, in the order in which they are to be taken; none where it reports nothing.
func (e *Event) Reports(of report.Subject) []report.Report {
	say := func(kind report.Kind, value string) report.Report {
		return report.Report{Subject: of, Kind: kind, At: e.Time.Unix(), Value: value, Reason: strings.ToValidUTF8(e.Reason, "\uFFFD")}
	}
	switch e.Type {
	case QualityReported:
		return []report.Report{say(report.Quality, string(e.Rating))}
	case LimitReported:
		return []report.Report{say(report.Limit, report.LimitValue(e.Limit))}
	case ConnectionReported:
		return []report.Report{say(report.Connection, string(e.State))}
	case VerificationReported:
		return []report.Report{say(report.Verification, string(e.Verification))}
	case TemplateReported:
		rating, state := say(report.Quality, string(e.Rating)), say(report.TemplateState, string(e.TemplateState))
		switch {
		case e.TemplateState == "":
			return []report.Report{rating}
		case e.Rating == "":
			return []report.Report{state}
		case e.stateFirst():
			return []report.Report{state, rating}
		default:
			return []report.Report{rating, state}
		}
	default:
		return nil
	}
}

// stateFirst says of a template's rating and state, which one event may report together, whether the state is to be taken
// first. They then hold together, but whoever takes them sees one after the other. What follows from the rating must not
// replace the state that is reported, so the state comes first where the rating is Low. A pause comes after the rating even
// so, as it is the same pause. An edit is before the rating of the new wording.
func (e *Event) stateFirst() bool {
	return e.TemplateState == report.Edited || e.Rating == v1alpha1.QualityLow && e.TemplateState != v1alpha1.TemplatePaused
}

// Error is what is wrong with an event, or with the whole that it came in.
type Error struct {
	Line    int    // as of Event
	Item    int    // as of Event
	Field   string // such as data.user; empty if the event as a whole is wrong
	Problem string // and what is allowed, as the end of a sentence about the field
}

func (e *Error) Error() string {
	text := e.Problem
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	switch {
	case e.Line > 0:
		return fmt.Sprintf("line %d: %s", e.Line, text)
	case e.Item > 0:
		return fmt.Sprintf("[%d]: %s", e.Item-1, text) // as JSON counts
	default:
		return text
	}
}

// Types are all types of events.
func Types() []Type { return slices.Clone(types) }
