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

// sharedStore is where a journal on a log in memory is kept: in the log.
type sharedStore struct{ *memory.Log }

func (s sharedStore) Open() (journal.Journal, error) { return s.Log.Open(), nil }

func (s sharedStore) Crash(uint64) ledgertest.Store { return sharedStore{s.Clone()} }

func TestSharedJournal(t *testing.T) {
	ledgertest.Run(t, func() ledgertest.Store { return sharedStore{memory.NewLog()} })
}

func TestLedgersThatShareAJournal(t *testing.T) {
	ledgertest.RunShared(t, func() ledgertest.Store { return sharedStore{memory.NewLog()} })
}
