// Package ingest is what the two receivers share: ingest/webhook receives Meta's webhooks, ingest/events the CloudEvents of other
// platforms, and both hand records on to a Backend.
//
// A request is acknowledged after the ledger has made it durable, never before. After any other answer the sender tries again: the
// ledger counts nothing twice.
//
// Nothing here writes a phone number, a user, a message or a secret to a log, an answer or a metric.
package ingest

import (
	"context"
	"iter"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/receipts"
	"numberfleet.dev/numberfleet/internal/records"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/unclaimed"
)

// Ledger appends batches, and knows numbers by the ids that Meta gave to them. A batch may be used again once Append has returned nil.
type Ledger interface {
	meta.Names
	// Fresh says why nothing can be received now: nothing can be recorded, or the clock is wrong by which it would be judged.
	Fresh() error
	Append(ctx context.Context, batch counts.Batch, now time.Time) (counts.Outcome, error)
}

// Backend stores what the receivers take.
type Backend struct {
	Ledger Ledger
	Hasher records.Hasher
	// Known says whether a resource claims the number, given by its subject in the ledger. Records about other numbers are stored as
	// well: the resource may come later. Nil means that all numbers are known.
	Known func(number string) bool
	// Unclaimed collects the activity of numbers that are not known. Optional.
	Unclaimed *unclaimed.Collector
	// Receipts take what was acknowledged. Optional.
	Receipts *receipts.Receipts
}

// Received is what a request brought.
type Received struct {
	counts.Batch
	receipts.Request
	// Activity of numbers that are not known, where the request says more of it than the batch.
	Activity []unclaimed.Activity
}

// Store makes what was received durable, then hands it to Receipts and Unclaimed. It returns how many records are about numbers that are
// not known. After an error the batch must not be used again: the ledger may still read it.
func (b *Backend) Store(ctx context.Context, r *Received, now time.Time) (stored counts.Outcome, unclaimed int, err error) {
	if stored, err = b.Ledger.Append(ctx, r.Batch, now); err != nil {
		return stored, 0, err
	}
	b.Receipts.Take(now, &r.Batch, &r.Request)
	activity, unclaimed := b.unclaimed(&r.Batch)
	if unclaimed > 0 && r.Activity != nil {
		activity = r.Activity
	}
	b.Unclaimed.Add(activity, now)
	return stored, unclaimed, nil
}

// unclaimed is the activity of the numbers of a batch that are not known, and how many records that is.
func (b *Backend) unclaimed(batch *counts.Batch) (all []unclaimed.Activity, records int) {
	if b.Known == nil {
		return nil, 0
	}
	place := map[report.Subject]int{}     // among all
	last, known := report.Subject{}, true // most batches are about one number, or about one after the other
	for number := range numbers(batch) {
		if number != last {
			last, known = number, b.Known(number.String())
		}
		if known {
			continue
		}
		i, seen := place[number]
		if !seen {
			i = len(all)
			place[number] = i
			all = append(all, activityOf(number))
		}
		all[i].Updates++
		records++
	}
	return all, records
}

func activityOf(number report.Subject) unclaimed.Activity {
	activity := unclaimed.Activity{Subject: number.String()}
	if number.Type == report.NumberID {
		activity.ID = number.ID
	}
	return activity
}

// numbers yields the number of each record that is about one. Reports about templates, accounts and portfolios are about none.
func numbers(batch *counts.Batch) iter.Seq[report.Subject] {
	return func(yield func(report.Subject) bool) {
		for i := range batch.Entries {
			if !yield(report.ParseSubject(batch.Entries[i].Number)) {
				return
			}
		}
		for i := range batch.Reports {
			if subject := batch.Reports[i].Subject; subject.IsE164() && !yield(subject) {
				return
			}
		}
	}
}
