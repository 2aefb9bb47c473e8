package simulate

import (
	"context"
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
)

// batchedLedger is the ledger of a simulation. It appends many entries at once, and always before a count is read.
type batchedLedger struct {
	*ledger.Ledger
	// pending entries are not appended yet. They span an hour at most, which is as far ahead as the ledger lets an entry lie.
	pending []counts.Entry
	err     error // of the first batch that failed
}

const maxPending = 1024

// hasher needs no secret: nothing leaves the process, and every run is like the other.
var hasher = counts.NewHasher([16]byte{})

func newBatchedLedger() *batchedLedger {
	return &batchedLedger{Ledger: ledger.OpenMemory(), pending: make([]counts.Entry, 0, maxPending)}
}

// add takes an entry of now.
func (l *batchedLedger) add(entry counts.Entry) {
	if n := len(l.pending); n == maxPending || n > 0 && entry.At-l.pending[0].At >= int64(counts.Ahead/time.Second) {
		l.flush()
	}
	l.pending = append(l.pending, entry)
}

func (l *batchedLedger) flush() {
	if len(l.pending) == 0 {
		return
	}
	now := time.Unix(l.pending[len(l.pending)-1].At, 0)
	if _, err := l.Append(context.Background(), counts.Batch{Entries: l.pending}, now); err != nil && l.err == nil {
		l.err = fmt.Errorf("count the events: %w", err)
	}
	l.pending = l.pending[:0]
}

// usage answers the counts of a number or a portfolio. It satisfies rules.Usage.
type usage struct {
	ledger *batchedLedger
	of     rules.Exact
}

func (u *usage) Count(measure v1alpha1.Measure, from, to time.Time) rules.Count {
	u.ledger.flush()
	return u.of.Count(measure, from, to)
}

func (u *usage) Nth(measure v1alpha1.Measure, n int64, from, to time.Time) time.Time {
	u.ledger.flush()
	return u.of.Nth(measure, n, from, to)
}

func (u *usage) Last(measure v1alpha1.Measure, from, to time.Time) time.Time {
	u.ledger.flush()
	return u.of.Last(measure, from, to)
}

func (u *usage) FallsBelow(measure v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time {
	u.ledger.flush()
	return u.of.FallsBelow(measure, window, limit, now)
}
