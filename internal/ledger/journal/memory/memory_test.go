package memory_test

import (
	"testing"

	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/ledger/journal/memory"
	"numberfleet.dev/numberfleet/internal/ledger/ledgertest"
)

// store is where a journal in memory is kept: in itself.
type store struct{ *memory.Journal }

func (s store) Open() (journal.Journal, error) { return s.Journal, nil }

func (s store) Crash(uint64) ledgertest.Store { return store{s.Clone()} }

func TestJournal(t *testing.T) {
	ledgertest.Run(t, func() ledgertest.Store { return store{memory.New()} })
}
