package ledger_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal/memory"
)

// savingJournal is a journal whose snapshots a test sees, and can make fail.
type savingJournal struct {
	*memory.Journal
	save func() error
}

func (j *savingJournal) Save(ctx context.Context, position uint64, rows iter.Seq[counts.Row]) error {
	if err := j.save(); err != nil {
		return err
	}
	return j.Journal.Save(ctx, position, rows)
}

// A snapshot is taken when the journal has grown to its bound. One that fails is tried again when the journal has grown by a quarter of
// the bound, and its problem is logged; after one that succeeds the bound is what it was.
func TestSnapshotsAreTakenAsTheJournalGrows(t *testing.T) {
	const bound, snapshots = 10_000, 5
	fails := map[int]bool{1: true, 2: true} // of the snapshots
	var mu sync.Mutex
	var tried []int64 // the sizes of the journal
	var logged []string
	j := &savingJournal{Journal: memory.New()}
	j.save = func() error {
		mu.Lock()
		defer mu.Unlock()
		if tried = append(tried, j.Size()); fails[len(tried)-1] {
			return errors.New("the disk is full")
		}
		return nil
	}
	log := funcr.New(func(_, args string) {
		mu.Lock()
		defer mu.Unlock()
		logged = append(logged, args)
	}, funcr.Options{})
	ended := func(n int) bool { // the first n snapshots
		mu.Lock()
		defer mu.Unlock()
		if len(tried) < n {
			return false
		}
		if fails[n-1] {
			return len(logged) == n-1
		}
		return j.Size() == 0
	}
	l, err := ledger.Open(j, ledger.Options{JournalBytes: bound, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	row, size := int64(0), int64(0)
	for i := range snapshots {
		next := int64(bound)
		if i > 0 && fails[i-1] {
			next = size + bound/4
		}
		for n := 0; !ended(i + 1); n++ {
			if _, err := l.Append(t.Context(), delivery(i<<20|n), begin); err != nil {
				t.Fatal(err)
			}
			if row == 0 {
				row = j.Size()
			}
			if j.Size() >= next { // the background may have yet to note that the last one succeeded: then a record more wakes it
				soon(func() bool { return ended(i + 1) })
			}
		}
		mu.Lock()
		if size = tried[i]; len(tried) != i+1 || size < next || size > next+20*row {
			t.Errorf("snapshot %d is tried at %d bytes, not at %d: %d", i, size, next, tried)
		}
		mu.Unlock()
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if len(logged) != len(fails) || !strings.Contains(logged[0], "The journal grows until a snapshot succeeds") || !strings.Contains(logged[1], "the disk is full") {
		t.Errorf("logged is %q", logged)
	}
}

// soon waits until something is so, for three seconds at most: twenty times are a minute.
func soon(is func() bool) {
	for range 3000 {
		if is() {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
