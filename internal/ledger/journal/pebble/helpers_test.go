package pebble

import (
	"os"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

const (
	number   = "+15550100001"
	perBatch = 7
)

var begin = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// batchTime is a second of a batch's own.
func batchTime(i int) time.Time { return begin.Add(time.Duration(i)*time.Second - counts.Kept) }

// batchOf is a batch of deliveries, each to a user of its own.
func batchOf(i int) (b counts.Batch) {
	for j := range perBatch {
		id := uint64(i*perBatch + j + 1)
		b.Entries = append(b.Entries, counts.Entry{
			Number: number, Kind: counts.Delivered, User: counts.UserKey(id), Message: counts.MessageKey(id), At: batchTime(i).Unix(),
		})
	}
	return b
}

func open(options Options) (*ledger.Ledger, error) { return openFolder("ledger", options) }

func openFolder(dir string, options Options) (*ledger.Ledger, error) {
	store, err := Open(dir, options)
	if err != nil {
		return nil, err
	}
	return ledger.Open(store, ledger.Options{Secret: store.Secret(), Log: options.Log, Fatal: options.Fatal})
}

// openTest opens the ledger that is kept in a folder of a file system.
func openTest(t *testing.T, fs vfs.FS) *ledger.Ledger {
	t.Helper()
	l, err := open(Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedDir); dir != "" {
		appendUntilKilled(dir)
		return
	}
	os.Exit(m.Run())
}
