package ledger_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/ledger/journal/memory"
)

// slow is a shared journal that is read some milliseconds late.
type slow struct{ journal.Shared }

func (s slow) Follow(ctx context.Context, call func(uint64, *counts.Round) error) error {
	return s.Shared.Follow(ctx, func(position uint64, r *counts.Round) error {
		time.Sleep(5 * time.Millisecond)
		return call(position, r)
	})
}

// What one replica acknowledged another one knows once it has caught up, however late it reads.
func TestAReplicaCatchesUpWithWhatAnotherAcknowledged(t *testing.T) {
	log := memory.NewLog()
	open := func(j journal.Shared) *ledger.Ledger {
		clock := testingclock.NewFakeClock(begin) // nothing is too old, however slow the machine
		l, err := ledger.Open(j, ledger.Options{Clock: clock, Rules: clock})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	one, late := open(log.Open()), open(slow{log.Open()})
	for i := range 20 {
		name := fmt.Sprintf("+1555010%04d", i)
		entry := counts.Entry{Number: name, Kind: counts.Received, User: 1, At: begin.Unix()}
		if _, err := one.Append(t.Context(), counts.Batch{Entries: []counts.Entry{entry}}, begin); err != nil {
			t.Fatal(err)
		}
		if err := late.CatchUp(t.Context(), begin); err != nil || !late.Known(name) {
			t.Fatalf("the other replica does not know what was acknowledged before, %v", err)
		}
	}
}
