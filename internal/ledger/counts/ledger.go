// Package ledger knows who was messaged when, and who complained: exact rolling counts of users, conversations and
// messages for every number and for groups of them, durable and right under redelivery, late and out-of-order events.
//
// The counts are a function of the set of events that were appended, never of their order or number of appearances.
package counts

import (
	"context"
	"errors"
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
	// Joined records that two keys are one user, and nothing else: a user changed the phone number, and the business-scoped
	// id with it. It counts nothing and opens no window.
	Joined
	// Replied records that Meta says of a business message that it is a reply, sent inside a service window. It is no delivery: when
	// the message is delivered, before or after, that does not count.
	Replied
)

// UserKey is the keyed hash of a user's identity (see Hasher). Zero means that the identity is not known.
type UserKey uint64

// MessageKey is the keyed hash of a message id.
type MessageKey uint64

// ChatKey is the keyed hash of the id of a chat: a group of users that a number writes to. Zero is none.
type ChatKey uint64

// Entry is one thing that happened between a number and a user.
type Entry struct {
	Number  string // E.164, with the leading plus
	Kind    Kind
	Did     Complaint  // Complained only: what the user did, and why
	Reply   bool       // Delivered only: Meta says that the message is a reply, as of Replied. One entry of the message is enough
	User    UserKey    // who: the phone number's key where the phone number is known, else the business-scoped id's
	Alias   UserKey    // the user's other key where the event names both: the two count once. Joined: always there
	Message MessageKey // Delivered, Replied: the message, counted once each. Complained: the key of the event, as of a message
	Chat    ChatKey    // Delivered, Replied, Received: the chat that the message was sent to, if it was to one
	At      int64      // event time, Unix seconds
}

// Batch is what one request brought. It is appended whole or not at all.
type Batch struct {
	Entries []Entry
	Reports []report.Report
	Names   []Name // what the batch tells of numbers' names; they count for nothing by themselves
}

// Measure is what a count counts.
type Measure uint8

const (
	// Users counts distinct users by the time of their last counted delivery, up to the instant that is asked about.
	Users Measure = iota
	// Conversations counts conversations by the time they were opened. A counted delivery opens one unless one was
	// opened in the conversation window before it.
	Conversations
	// Messages counts counted deliveries, each message id once.
	Messages
	// Reached counts distinct users by the time of their last delivery, in a customer service window or not, as Users does. It
	// is counted where Windows.Reach asks for it.
	Reached
	// Complaining counts distinct users by the time of their last complaint.
	Complaining
)

// Windows are the lengths that decide what counts. They belong to the number's policy.
type Windows struct {
	// Service is how long after a message from the user deliveries are not counted (the customer service window).
	Service time.Duration
	// Conversation is how long a conversation lasts.
	Conversation time.Duration
	// Reach says to count Reached too. That takes about 4 bytes more for each user.
	Reach bool
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

// ErrClosed is returned by calls on a closed ledger.
var ErrClosed = errors.New("the ledger is closed")

// Ledger records deliveries and answers counts. All methods are safe for concurrent use.
//
// A second engine, shared by several replicas, fits behind it: no method promises more than one subject's consistency,
// and nothing is handed out that aliases the engine's memory. Reservations (reserve, confirm, release) will be entries
// of their own kinds, which changes nothing of what is here.
//
// Counts are of a subject: a number or GroupSubject of a group. An unknown one counts zero.
type Ledger interface {
	// Append makes the batch durable, then counts it; when it returns nil the batch survives a crash. Appending a batch
	// again changes nothing. Entries older than Kept+Lateness before now are dropped: nothing could count them.
	Append(ctx context.Context, batch Batch, now time.Time) (Appended, error)

	// Group makes several numbers one subject as well, GroupSubject of the name, in which a user of several of them is one user
	// and conversations are had with all of them together. It replaces the group of that name; no numbers remove it. A number
	// is in one group at most: this one takes it from another. Groups are not kept over a restart. Windows are the numbers'
	// own; the group has those of its first number, in order.
	Group(name string, numbers []string) error

	// Count is how much of the measure lies in (from, to], as it stood at to: what happened later is no part of it. For users
	// that takes a look at each user of the subject if there was more about some after to.
	Count(subject string, measure Measure, from, to time.Time) int64

	// Nth is the time of the nth event of the measure's in (from, to], the first being 1, and Last that of the last one; zero
	// if there are not so many. Events are deliveries for Reached, complaints for Complaining and else counted deliveries.
	Nth(subject string, measure Measure, n int64, from, to time.Time) time.Time
	Last(subject string, measure Measure, from, to time.Time) time.Time

	// FallsBelow is the first instant at or after now at which Count(subject, measure, t-window, t) < limit, if nothing
	// happens after now; zero if limit is not positive.
	FallsBelow(subject string, measure Measure, window time.Duration, limit int64, now time.Time) time.Time

	// NextExpiry is the first instant after now at which any count over one of the windows falls by itself; zero if none.
	NextExpiry(subject string, now time.Time, windows ...time.Duration) time.Time

	// Deliveries is how many messages were delivered in (from, to], each counted once, in a customer service window or not.
	Deliveries(number string, from, to time.Time) int64

	// Heard is when something last happened between the number and a user, by its own time, and on how many days of 24 hours up
	// to then something did, one day before the other, by the hour and at most ten; zero if nothing ever did.
	Heard(number string) (last time.Time, days int)

	// Feedback is what users did in (from, to] and why, those that most users did first.
	Feedback(subject string, from, to time.Time) []Insight

	// Configure sets the number's windows. What was counted under others is counted anew.
	Configure(number string, windows Windows) error

	// Reports are the reports about the subject with a sequence after the given one, by sequence. They are kept until the controller has
	// seen them, and some time longer, at most 1,024 of a kind about a subject.
	Reports(subject report.Subject, after int64) []report.Report

	// LastReport is the sequence number of the subject's last report; zero if it never had one. It never falls.
	LastReport(subject report.Subject) int64

	// Subject is what a number is known by that Meta names by an id, and displays as a number in E.164; one of the two may be empty. It
	// is the number that claims the id; else the number as displayed, or that of which this is another form; else, where nothing is
	// known about either, the id's own subject.
	Subject(id, number string) string

	// Claim says that an id of Meta's is that of a number in E.164, as a resource has it. What was received under the id alone, or under
	// a form of the number that Meta displayed with the id, is the number's from then on, and so is all that comes under either.
	// A number that cannot be the same one (see identity.SameLine) keeps what is its own.
	Claim(id, number string) error

	// Names are what a subject goes by: its own name first.
	Names(subject string) []string

	// Known says whether anything is known about the subject: of a number an entry or a report, of a group which numbers it has.
	Known(subject string) bool

	// Numbers are all numbers that anything is known about, in order.
	Numbers() []string

	// Subscribe calls changed with a number after anything was appended about it. It must return quickly.
	Subscribe(changed func(number string))

	// Close flushes and releases everything. Appends under way finish first.
	Close() error
}

// GroupSubject is the subject of the counts of several numbers together (see Ledger.Group).
func GroupSubject(name string) string { return "group/" + name }

// Appended says what became of a batch.
type Appended struct {
	// New entries and reports changed something; Repeated were known already; Expired came too late and were dropped.
	New, Repeated, Expired int
}
