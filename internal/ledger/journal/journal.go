// Package journal says what the ledger needs of what orders and keeps its records.
package journal

import (
	"context"
	"errors"
	"iter"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Journal orders rounds of records and keeps them, and a snapshot of what followed from those that it does not keep any more. Each round has a
// position, greater than that of the round before.
//
// Append, Replay, Load and Close are called by one at a time; Save and Size beside them.
type Journal interface {
	Source

	// Append keeps a round after all before it. It survives a crash once Append returns nil. Where it fails, or panics, it is not known
	// whether it is kept, and nothing more may be appended until the journal was opened again; but see Shared.
	Append(ctx context.Context, r *counts.Round) error

	// Save keeps the rows as those of a snapshot at a position, and cuts off the rounds up to it: both or neither. Rows that are not
	// given stay as they were saved before; one without a value removes those whose keys begin with its own.
	Save(ctx context.Context, position uint64, rows iter.Seq[counts.Row]) error

	// Size is how many bytes of rounds a start would replay.
	Size() int64

	// Close flushes and releases everything.
	Close() error
}

// Source is what a start reads.
type Source interface {
	// Load is the last snapshot that was saved, in the order of its rows' keys; without rows if none was. A row's bytes may be used until
	// the next one.
	Load() iter.Seq2[counts.Row, error]

	// Replay calls with the rounds after a position, that of the snapshot, in order. It comes before the first Append. It fails if a
	// round cannot be read, or if one is missing that was acknowledged. The round may be used until call returns.
	Replay(after uint64, call func(position uint64, r *counts.Round) error) error
}

// ErrLost is returned where a shared journal lost rounds that it had acknowledged.
var ErrLost = errors.New("the log lost what it had acknowledged")

// Shared is a journal to which several processes append, each of which applies what all append.
//
// Append may be called for several rounds at a time. It asks for the same round again and again, until it was kept or ctx ends: so a round
// may be there twice. When ctx ended it is not known whether the round is kept, or will be; others may be appended.
type Shared interface {
	Journal

	// Follow calls with each round after those of Replay, whoever appended it, in order and as it comes, until ctx ends or call fails. Where
	// it returns for another reason, this process may not go on with what it knows: the log is not the one that it has read.
	Follow(ctx context.Context, call func(position uint64, r *counts.Round) error) error

	// Keep keeps what this process knows, apart from the log: another log can begin with it. It is called after Follow has returned ErrLost.
	Keep(ctx context.Context, k Kept) error

	// Seal appends the digest of all rounds before it. Whoever follows compares it with that of the rounds that it has read.
	Seal(ctx context.Context) error
}

// Kept is what a process knew of a log that lost something.
type Kept struct {
	Position uint64               // up to which rounds were applied
	Rows     iter.Seq[counts.Row] // of the machine to which they were
	Proposer uint64               // as which it proposed rounds
	Beside   []uint64             // the other proposers of the last rounds: a new log that begins without what they knew may lack something
}

// Discard keeps nothing: what is appended is known as long as the process lives.
var Discard Journal = discard{}

type discard struct{}

func (discard) Load() iter.Seq2[counts.Row, error] { return func(func(counts.Row, error) bool) {} }

func (discard) Replay(uint64, func(uint64, *counts.Round) error) error { return nil }

func (discard) Append(context.Context, *counts.Round) error { return nil }

func (discard) Save(context.Context, uint64, iter.Seq[counts.Row]) error { return nil }

func (discard) Size() int64 { return 0 }

func (discard) Close() error { return nil }
