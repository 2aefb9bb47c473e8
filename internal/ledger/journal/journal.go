// Package journal says what the ledger needs of what orders and keeps its records.
package journal

import (
	"context"
	"iter"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Journal orders records and keeps them, and a snapshot of what followed from those that it does not keep any more. Each record has a
// position, one more than that of the record before; the first has 1.
//
// Append, Replay, Load and Close are called by one at a time; Save and Size beside them.
type Journal interface {
	// Load is the last snapshot that was saved, in the order of its rows' keys; without rows if none was. A row's bytes may be used until
	// the next one.
	Load() iter.Seq2[counts.Row, error]

	// Replay calls with the records after a position, that of the snapshot, in order. It comes before the first Append. It fails if a
	// record cannot be read, or if one is missing that was acknowledged. The record may be used until call returns.
	Replay(after uint64, call func(position uint64, r *counts.Record) error) error

	// Append keeps records after all before them, in order. They survive a crash once it returns nil. Where it fails, or panics, it is not
	// known which are kept, and nothing more may be appended until the journal was opened again.
	Append(records []*counts.Record) error

	// Save keeps the rows as those of a snapshot at a position, and cuts off the records up to it: both or neither. Rows that are not
	// given stay as they were saved before; one without a value removes those whose keys begin with its own.
	Save(ctx context.Context, position uint64, rows iter.Seq[counts.Row]) error

	// Size is how many bytes of records a start would replay.
	Size() int64

	// Close flushes and releases everything.
	Close() error
}

// Discard keeps nothing: what is appended is known as long as the process lives.
var Discard Journal = discard{}

type discard struct{}

func (discard) Load() iter.Seq2[counts.Row, error] { return func(func(counts.Row, error) bool) {} }

func (discard) Replay(uint64, func(uint64, *counts.Record) error) error { return nil }

func (discard) Append([]*counts.Record) error { return nil }

func (discard) Save(context.Context, uint64, iter.Seq[counts.Row]) error { return nil }

func (discard) Size() int64 { return 0 }

func (discard) Close() error { return nil }
