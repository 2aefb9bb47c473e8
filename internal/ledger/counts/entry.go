// Package counts is the state machine of the ledger. It knows who was messaged when, and who complained: exact rolling counts of users,
// conversations and messages for every number and for portfolios of them, right under redelivery, late and out-of-order events.
//
// Counts are a function of the set of entries that were applied, never of their order or number of appearances; what else a machine
// knows follows from the order of the records.
package counts

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"

	"numberfleet.dev/numberfleet/internal/report"
)

// Kind says what an Entry records.
type Kind uint8

const (
	// Delivered records that a business message reached a user. A read or played receipt implies it; the earliest time
	// seen for a message id is the time of its delivery.
	Delivered Kind = iota + 1
	// Received records a message or call from a user to the number. It opens or refreshes the customer service window of the user or,
	// where it was sent to a chat, of the chat.
	Received
	// Complained records that a user blocked, reported, muted or archived the number.
	Complained
	// AliasLinked records that two keys are one user, and nothing else: a user changed the phone number, and the business-scoped
	// id with it. It counts nothing and opens no window.
	AliasLinked
	// Replied records that Meta says of a business message that it is a reply, sent inside a service window. It is no delivery: when
	// the message is delivered, before or after, that does not count.
	Replied
	// Failed records that Meta says that a message will not reach its user. It counts nothing and opens no window.
	Failed
)

// UserKey is the keyed hash of a user's identity (see Hasher). Zero means that the identity is not known.
type UserKey uint64

// MessageKey is the keyed hash of a message id.
type MessageKey uint64

// ChatKey is the keyed hash of the id of a chat: a portfolio of users that a number writes to. Zero is none.
type ChatKey uint64

// Entry is one thing that happened between a number and a user.
type Entry struct {
	Number    string // E.164, with the leading plus
	Kind      Kind
	Complaint Complaint  // Complained only: what the user did, and why
	Reply     bool       // Delivered only: Meta says that the message is a reply, as of Replied. One entry of the message is enough
	Category  Category   // Delivered only: what the message is paid for, where the event tells it
	User      UserKey    // who: the phone number's key where the phone number is known, else the business-scoped id's
	Alias     UserKey    // the user's other key where the event names both: the two count once. Joined: always there
	Message   MessageKey // Delivered, Replied, Failed: the message, counted once each. Complained: the key of the event, as of a message
	Chat      ChatKey    // Delivered, Replied, Received: the chat that the message was sent to, if it was to one
	At        int64      // event time, Unix seconds
}

// Batch is what one request brought.
type Batch struct {
	Entries  []Entry
	Reports  []report.Report
	Displays []Display // what the batch tells of numbers' names; they count for nothing by themselves
}

// Windows are the lengths that decide what counts. They belong to the number's policy.
type Windows struct {
	// Service is how long after a message from the user deliveries are not counted (the customer service window).
	Service time.Duration
	// Conversation is how long a conversation lasts.
	Conversation time.Duration
	// Reach says to count Reached too. That takes about 4 bytes more for each user.
	CountReached bool
}

// DefaultWindows are the windows of every era of Meta's rules: 24 hours each.
var DefaultWindows = Windows{Service: 24 * time.Hour, Conversation: 24 * time.Hour}

const (
	// Kept is the longest span that can be counted over.
	Kept = 30 * 24 * time.Hour
	// Lateness is how late an event may come and still be counted right. Meta redelivers for up to 7 days.
	Lateness = 7 * 24 * time.Hour
	// Ahead is how far ahead of the clock an event's time may lie. It covers clocks that differ; it is no forecast.
	Ahead = time.Hour
)

const (
	maxTime   = math.MaxUint32 // Unix seconds: the year 2106
	maxNumber = 64             // bytes
)

// ErrInvalid is wrapped by errors about what was given; trying again is no use.
var ErrInvalid = errors.New("invalid")

// Validate says which entry or report is not valid at now, and which field of it. It quotes no value.
func (b *Batch) Validate(now time.Time) error {
	invalid := func(what string, i int, field, reason string) error {
		return fmt.Errorf("%w: %s %d: %s %s", ErrInvalid, what, i, field, reason)
	}
	last := min(now.Add(Ahead).Unix(), maxTime)
	for i := range b.Entries {
		entry := &b.Entries[i]
		switch {
		case entry.Number == "":
			return invalid("entry", i, "Number", "is empty")
		case len(entry.Number) > maxNumber:
			return invalid("entry", i, "Number", "is too long")
		case entry.At > last:
			return invalid("entry", i, "At", "lies in the future")
		}
		if field, reason := entry.invalid(); field != "" {
			return invalid("entry", i, field, reason)
		}
	}
	for i := range b.Reports {
		r := &b.Reports[i]
		switch {
		case r.Subject.ID == "":
			return invalid("report", i, "Subject", "is empty")
		case len(r.Subject.String()) > maxNumber:
			return invalid("report", i, "Subject", "is too long")
		case r.Kind == "":
			return invalid("report", i, "Kind", "is empty")
		case r.At > last:
			return invalid("report", i, "At", "lies in the future")
		}
	}
	return nil
}

// Parts are batches that are together what the batch is, in its order. The row of each has about so many bytes at most.
func (b Batch) Parts(most int) iter.Seq[Batch] {
	return func(yield func(Batch) bool) {
		for more := true; more; {
			part, left := Batch{Displays: b.Displays}, most
			part.Entries, b.Entries = cut(b.Entries, &left, (*Entry).size)
			part.Reports, b.Reports = cut(b.Reports, &left, reportSize)
			b.Displays = nil
			more = len(b.Entries)+len(b.Reports) > 0
			if !yield(part) {
				return
			}
		}
	}
}

// Timely returns the batch without what is too late for any machine whose log time has reached now, and how much that is.
func (b Batch) Timely(now time.Time) (Batch, int) {
	first := oldest(now.Unix())
	late := func(e Entry) bool { return e.At < first }
	lateReport := func(r report.Report) bool { return r.At < first }
	all := len(b.Entries) + len(b.Reports)
	if slices.ContainsFunc(b.Entries, late) {
		b.Entries = slices.DeleteFunc(slices.Clone(b.Entries), late)
	}
	if slices.ContainsFunc(b.Reports, lateReport) {
		b.Reports = slices.DeleteFunc(slices.Clone(b.Reports), lateReport)
	}
	return b, all - len(b.Entries) - len(b.Reports)
}

// invalid returns the field of an entry that is not valid at any time, and why; empty if all are valid.
func (e *Entry) invalid() (field, reason string) {
	switch {
	case e.Kind < Delivered || e.Kind > Failed:
		return "Kind", "is not known"
	case e.Kind == Complained && !e.Complaint.valid():
		return "Complaint", "is not known"
	case e.User == 0:
		return "User", "is not known"
	case e.Kind == AliasLinked && e.Alias == 0:
		return "Alias", "is not known"
	case e.Kind != Received && e.Kind != AliasLinked && e.Message == 0:
		return "Message", "is not known"
	case e.Reply && e.Kind != Delivered:
		return "Reply", "is said of no delivery"
	case !e.Category.valid():
		return "Category", "is not known"
	case e.Category != NoCategory && e.Kind != Delivered:
		return "Category", "is said of no delivery"
	case e.Chat != 0 && !e.Kind.inChat():
		return "Chat", "is said of no message"
	}
	return "", ""
}

// inChat reports whether an entry of a kind can be about a message to a chat.
func (k Kind) inChat() bool { return k == Delivered || k == Replied || k == Received }
