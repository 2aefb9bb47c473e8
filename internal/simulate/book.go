package simulate

import (
	"context"
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// book is the ledger of a simulation. It appends many events at once, and always before anyone reads a count.
type book struct {
	ledger counts.Ledger
	// pending are not appended yet; they are of an hour at most, which is as far ahead as the ledger lets an event lie.
	pending []counts.Entry
	failed  error
}

const mostPending = 1024

// hasher needs no secret: nothing leaves the process, and every run is like the other.
var hasher = counts.NewHasher([16]byte{})

func newBook() *book {
	return &book{
		ledger:  counts.OpenMemory(),
		pending: make([]counts.Entry, 0, mostPending),
	}
}

// entryOf is what the ledger is told of a delivery, a message from a user or feedback.
func entryOf(e *cloudevents.Event, at time.Time) counts.Entry {
	entry := counts.Entry{Number: e.Number, User: hasher.User(e.User), At: at.Unix()}
	switch e.Type {
	case cloudevents.MessageDelivered:
		entry.Kind, entry.Reply, entry.Message = counts.Delivered, e.Reply(), hasher.Message(e.MessageID)
	case cloudevents.FeedbackReceived:
		entry.Kind, entry.Message = counts.Complained, hasher.Message(e.Source+"\x00"+e.ID)
		entry.Did = counts.NewComplaint(v1alpha1.FeedbackKind(e.Kind), v1alpha1.FeedbackReason(e.Reason))
	default:
		entry.Kind = counts.Received
	}
	return entry
}

// append takes an entry of now.
func (b *book) append(entry counts.Entry) {
	if n := len(b.pending); n == mostPending || n > 0 && entry.At-b.pending[0].At >= int64(counts.Ahead/time.Second) {
		b.flush()
	}
	b.pending = append(b.pending, entry)
}

func (b *book) flush() {
	if len(b.pending) == 0 {
		return
	}
	now := time.Unix(b.pending[len(b.pending)-1].At, 0)
	if _, err := b.ledger.Append(context.Background(), counts.Batch{Entries: b.pending}, now); err != nil && b.failed == nil {
		b.failed = fmt.Errorf("count the events: %w", err)
	}
	b.pending = b.pending[:0]
}

// usage answers the counts of a number or a portfolio. It satisfies rules.Usage.
type usage struct {
	book *book
	of   counts.Subject
}

func (u *usage) Count(measure v1alpha1.Measure, from, to time.Time) int64 {
	u.book.flush()
	return u.of.Count(measure, from, to)
}

func (u *usage) Nth(measure v1alpha1.Measure, n int64, from, to time.Time) time.Time {
	u.book.flush()
	return u.of.Nth(measure, n, from, to)
}

func (u *usage) Last(measure v1alpha1.Measure, from, to time.Time) time.Time {
	u.book.flush()
	return u.of.Last(measure, from, to)
}

func (u *usage) FallsBelow(measure v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time {
	u.book.flush()
	return u.of.FallsBelow(measure, window, limit, now)
}
