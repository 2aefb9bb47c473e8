// Package ingest is where the front doors hand on what they received: webhooks those of Meta, events those of other platforms.
//
// A request is acknowledged after the ledger has made it durable, never before. Whatever else happens, the answer has the sender try
// again: the ledger takes what it knows already without counting it.
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

// Ledger is what is needed of a ledger. A batch is the caller's again once Append has returned nil.
type Ledger interface {
	meta.Names
	Append(ctx context.Context, batch counts.Batch, now time.Time) (counts.Outcome, error)
}

// Backend is where what was received goes.
type Backend struct {
	Ledger Ledger
	Hasher records.Hasher
	// Known says whether a resource names the number, given by its subject in the ledger. What comes about others is kept as well, since
	// the resource may come later. Nil means that all are known.
	Known func(number string) bool
	// Unclaimed collects what Known does not know. Optional.
	Unclaimed *unclaimed.Collector
	// Receipts are told of what was acknowledged. Optional.
	Receipts *receipts.Receipts
}

// Received is what a request brought.
type Received struct {
	counts.Batch
	receipts.Request
	// Unclaimed is how many records are about numbers that are not known, and Sightings what they say of those.
	Unclaimed int
	Sightings []unclaimed.Sighting
}

// Store makes what was received durable, and tells of it then. After an error the batch must not be used again: whoever still works on it
// may not be done.
func (b *Backend) Store(ctx context.Context, r *Received, now time.Time) (counts.Outcome, error) {
	appended, err := b.Ledger.Append(ctx, r.Batch, now)
	if err != nil {
		return counts.Outcome{}, err
	}
	b.Receipts.Take(now, &r.Batch, &r.Request)
	b.Unclaimed.Add(r.Sightings, now)
	return appended, nil
}

// CountUnclaimed counts the records of a batch that are about numbers that are not known.
func (b *Backend) CountUnclaimed(batch *counts.Batch) (records int) {
	if b.Known == nil {
		return 0
	}
	last, known := report.Subject{}, true // most batches are about one number, or about one after the other
	for number := range numbers(batch) {
		if number != last {
			last, known = number, b.Known(number.String())
		}
		if !known {
			records++
		}
	}
	return records
}

// Sightings are those of the numbers of a batch that are not known, of which there is one at least.
func (b *Backend) Sightings(batch *counts.Batch) (all []unclaimed.Sighting) {
	place := map[report.Subject]int{} // among all; below zero for a known number
	for number := range numbers(batch) {
		i, seen := place[number]
		if !seen {
			if i = len(all); b.Known(number.String()) {
				i = -1
			} else {
				all = append(all, sightingOf(number))
			}
			place[number] = i
		}
		if i >= 0 {
			all[i].Updates++
		}
	}
	return all
}

func sightingOf(number report.Subject) unclaimed.Sighting {
	sighting := unclaimed.Sighting{Subject: number.String()}
	if number.Type == report.NumberID {
		sighting.ID = number.ID
	}
	return sighting
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
