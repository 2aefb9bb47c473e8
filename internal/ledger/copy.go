package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

// Copy replaces what a journal has by what another one has: it saves a snapshot of all that follows from that one's rounds, at a position of the
// journal after all its rounds, or where the journal is if that is zero. It then reads the journal as a start does, and fails if that does not know
// exactly the same. Nobody else uses either of them meanwhile. Where the journal has the same already, Copy leaves it as it is: so it may be repeated.
func Copy(ctx context.Context, to journal.Journal, position uint64, from journal.Source) (Copied, error) {
	machine, err := read(from)
	if err != nil {
		return Copied{}, fmt.Errorf("read the ledger: %w", err)
	}
	if _, shared := to.(journal.Shared); !shared {
		machine.Disown()
	}
	return replace(ctx, to, position, machine)
}

// Merge is as Copy, of what is left of a log in several places: what the first of them knows, with what the others know besides (see
// counts.Machine.Merge). Nothing is granted before the leader has set again by what.
func Merge(ctx context.Context, to journal.Journal, position uint64, from iter.Seq[journal.Source]) (Copied, error) {
	var all *counts.Machine
	for s := range from {
		machine, err := read(s)
		if err != nil {
			return Copied{}, fmt.Errorf("read what is left of the ledger: %w", err)
		}
		if all == nil {
			all = machine
		} else {
			all.Merge(machine)
		}
	}
	if all == nil {
		return Copied{}, errors.New("nothing that can be read is left of the ledger")
	}
	all.Withdraw()
	return replace(ctx, to, position, all)
}

// replace replaces what a journal has by what a machine knows.
func replace(ctx context.Context, to journal.Journal, position uint64, machine *counts.Machine) (Copied, error) {
	is, err := read(to)
	if err != nil {
		return Copied{}, fmt.Errorf("read what is there: %w", err)
	}
	machine.MoveTo(max(position, is.Position()))
	want := digest(machine)
	if digest(is) != want {
		capture := machine.Capture(true)
		if err := to.Save(ctx, capture.Position(), instead(capture.Rows())); err != nil {
			return Copied{}, fmt.Errorf("write the snapshot: %w", err)
		}
		capture.End(true)
		if is, err = read(to); err != nil {
			return Copied{}, fmt.Errorf("read the snapshot: %w", err)
		}
	}
	if digest(is) != want {
		return Copied{}, errors.New("what was written is not what was read")
	}
	return Copied{Numbers: len(is.Numbers()), Portfolios: len(is.Portfolios())}, nil
}

// Copied is how much a journal knows after Copy.
type Copied struct {
	Numbers, Portfolios int
}

// digest is that of all that a machine knows: of machines that know the same it is the same.
func digest(m *counts.Machine) (sum [sha256.Size]byte) {
	capture := m.Capture(true)
	defer capture.End(false)
	h := sha256.New()
	for row := range capture.Rows() {
		_, _ = fmt.Fprintf(h, "%d %s %d %s", len(row.Key), row.Key, len(row.Value), row.Value) // a hash never fails
	}
	h.Sum(sum[:0])
	return sum
}
