// Package cloudevents reads events about numbers as CloudEvents 1.0 in JSON, one per line.
//
// Whatever it refuses, it says in which line and field and what is allowed there, and never what stood there: fields hold
// phone numbers.
package cloudevents

import (
	"fmt"
	"time"
)

// Type is the type of an event, as it stands in its attribute type.
type Type string

// The types, with the fields of their data.
const (
	// MessageDelivered: number, user, messageID, template (optional).
	MessageDelivered Type = "dev.numberfleet.message.delivered.v1"
	// MessageReceived: number, user.
	MessageReceived Type = "dev.numberfleet.message.received.v1"
	// MessageFailed: number, user, messageID, code.
	MessageFailed Type = "dev.numberfleet.message.failed.v1"
	// FeedbackReceived: number, user, kind, reason.
	FeedbackReceived Type = "dev.numberfleet.feedback.received.v1"
	// QualityReported: number, rating, reason (optional).
	QualityReported Type = "dev.numberfleet.quality.reported.v1"
	// LimitReported: number or portfolio, limit (absent: unlimited).
	LimitReported Type = "dev.numberfleet.limit.reported.v1"
	// ConnectionReported: number, state.
	ConnectionReported Type = "dev.numberfleet.connection.reported.v1"
	// VerificationReported: number or portfolio, business.
	VerificationReported Type = "dev.numberfleet.verification.reported.v1"
	// TemplateReported: template, number (optional), rating or state or both.
	TemplateReported Type = "dev.numberfleet.template.reported.v1"
)

// Unlimited is the Limit of a report that has none.
const Unlimited int64 = 0

// Event is one event. Fields that its type does not have are empty.
type Event struct {
	Line int // in which it stood, from 1

	// Source and ID together identify the event: another with both is the same one again.
	Source, ID string
	Type       Type
	Time       time.Time // in UTC, from 1970 to 2106

	Number    string // E.164, with the leading plus
	Portfolio string
	User      string // a phone number or a business-scoped id
	MessageID string
	Template  string

	Code         string // of a failure: Meta's number for it
	Kind         string // of feedback: Block, Report, Mute or Archive
	Reason       string // of feedback, one of the known ones; of a rating, as it came
	Rating       string // High, Medium, Low or Unknown
	Limit        int64  // 1 to 1,000,000,000, or Unlimited
	State        string // of a connection or of a template
	Verification string // Verified, Unverified, Pending or Rejected
}

// Error is what is wrong with a line.
type Error struct {
	Line    int
	Field   string // such as data.user; empty if the line as a whole is wrong
	Problem string // and what is allowed, as the end of a sentence about the field
}

func (e *Error) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("line %d: %s", e.Line, e.Problem)
	}
	return fmt.Sprintf("line %d: %s: %s", e.Line, e.Field, e.Problem)
}
