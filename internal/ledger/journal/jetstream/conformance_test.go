package jetstream

import (
	"context"
	"testing"

	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/ledger/ledgertest"
)

// store is a log. The process that crashes is not the one that has it: what is in the log stays there.
type store struct{ Options }

func (s store) Open() (journal.Journal, error) { return Open(context.Background(), s.Options) }

func (s store) Crash(uint64) ledgertest.Store { return s }

func TestJournal(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, func() ledgertest.Store { return store{onServer()} })
}

func TestLedgersThatShareAJournal(t *testing.T) {
	t.Parallel()
	ledgertest.RunShared(t, func() ledgertest.Store { return store{onServer()} })
}
