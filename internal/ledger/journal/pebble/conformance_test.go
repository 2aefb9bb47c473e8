package pebble

import (
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/ledger/ledgertest"
)

// store is a folder of a file system that can crash: it then has what was synced, and of the rest some blocks.
type store struct{ fs *vfs.MemFS }

func (s store) Open() (journal.Journal, error) { return Open("ledger", Options{FS: s.fs}) }

func (s store) Crash(seed uint64) ledgertest.Store {
	return store{s.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(seed, 0))})}
}

func TestJournal(t *testing.T) {
	ledgertest.Run(t, func() ledgertest.Store { return store{vfs.NewCrashableMem()} })
}
