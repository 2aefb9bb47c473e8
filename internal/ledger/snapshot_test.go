package ledger

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-logr/logr/funcr"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal/memory"
	"numberfleet.dev/numberfleet/internal/report"
)

// Users who turn out to be one while a snapshot is between their two parts are saved whole.
func TestJoinDuringSnapshot(t *testing.T) {
	fs := vfs.NewCrashableMem()
	l, j := openStore(t, fs, Options{})
	const pairs = 10_000
	for _, second := range []int64{0, 1} {
		var batch counts.Batch
		for i := range pairs {
			for _, user := range []int{i, i + pairs} {
				batch.Entries = append(batch.Entries, counts.Entry{
					Number: number, Kind: counts.Delivered, User: counts.UserKey(user + 1), Message: counts.MessageKey(user + 1), At: begin.Unix() - second,
				})
			}
		}
		if _, err := l.Append(context.Background(), batch, begin); err != nil {
			t.Fatal(err)
		}
	}
	joined := 0
	j.row = func(int) error {
		var batch counts.Batch
		for range 100 {
			joined++
			batch.Entries = append(batch.Entries, counts.Entry{
				Number: number, Kind: counts.Received, User: counts.UserKey(joined), Alias: counts.UserKey(joined + pairs), At: begin.Unix() - 3*day,
			})
		}
		_, err := l.Append(context.Background(), batch, begin)
		return err
	}
	if err := l.Snapshot(context.Background()); err != nil {
		t.Fatal(err)
	}
	crashed := openTest(t, fs.CrashClone(vfs.CrashCloneCfg{}))
	if got, want := describe(crashed), describe(l); joined < 200 || got != want {
		t.Fatalf("after %d joins the ledger is not as it was:\n%.300s\nwant\n%.300s", joined, got, want)
	}
	if err := errors.Join(crashed.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
}

// A snapshot while numbers grow, split, join users and are swept saves each as it was at one moment.
func TestSnapshotsDuringAppends(t *testing.T) {
	fs := vfs.NewCrashableMem()
	l, j := openStore(t, fs, Options{})
	now := begin
	var writers sync.WaitGroup
	var done atomic.Bool
	for w := range 2 {
		writers.Go(func() {
			defer done.Store(true)
			rng := rand.New(rand.NewSource(int64(w)))
			for i := range 150 {
				var batch counts.Batch
				for range 200 {
					user := counts.UserKey(1 + rng.Intn(40_000))
					e := counts.Entry{Number: fmt.Sprint("+1555", rng.Intn(3)), Kind: counts.Delivered, User: user, At: now.Unix() - rng.Int63n(day)}
					e.Message = counts.MessageKey(rng.Uint64() | 1)
					if rng.Intn(4) == 0 {
						e.Alias = user + 100_000
					} else if rng.Intn(4) == 0 {
						e.User += 100_000
					}
					batch.Entries = append(batch.Entries, e)
				}
				batch.Reports = []report.Report{{Subject: report.ParseSubject("+15550"), Kind: report.Quality, At: now.Unix(), Value: fmt.Sprint(w, i)}}
				if _, err := l.Append(context.Background(), batch, now); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 1000 {
		if done.Load() {
			break
		}
		if i%3 == 2 {
			left := i % 20
			j.row = func(int) error {
				if left--; left < 0 {
					return errors.New("as the test wants")
				}
				return nil
			}
		}
		_ = l.Snapshot(context.Background())
		j.row = nil
		crashed := openTest(t, fs.CrashClone(vfs.CrashCloneCfg{}))
		if err := crashed.Close(); err != nil {
			t.Fatal(err)
		}
	}
	writers.Wait()
	want := describe(l)
	for _, step := range []string{"crashed", "restarted", "saved"} {
		if step == "saved" {
			if err := l.Snapshot(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if step != "crashed" {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		} else {
			fs = fs.CrashClone(vfs.CrashCloneCfg{})
			defer func(l *Ledger) { _ = l.Close() }(l)
		}
		l = openTest(t, fs)
		if got := describe(l); got != want {
			t.Fatalf("%s: the ledger is not as it was:\n%.300s\nwant\n%.300s", step, got, want)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// The background takes snapshots when the journal is long, and cuts it.
func TestJournalIsCut(t *testing.T) {
	l, j := openStore(t, vfs.NewMem(), Options{JournalBytes: 10_000})
	defer func() { _ = l.Close() }()
	for i := range 20_000 {
		batch := counts.Batch{Entries: []counts.Entry{{Number: number, Kind: counts.Received, User: counts.UserKey(i + 1), At: begin.Unix()}}}
		if _, err := l.Append(context.Background(), batch, begin); err != nil {
			t.Fatal(err)
		}
		for range j.Load() {
			return
		}
	}
	t.Fatalf("no snapshot was taken by itself at %d bytes", l.journal.Size())
}

// A snapshot that fails by itself is tried again when the journal has grown by a quarter of its bound, and its problem is logged; after
// one that succeeds the bound is what it was.
func TestASnapshotThatFailsIsTriedAgain(t *testing.T) {
	const bound, fails = 10_000, 2
	var logged []string
	log := funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{})
	var tried []int64 // the sizes of the journal
	j := &failing{Journal: memory.New()}
	j.row = func(row int) error {
		if row > 0 {
			return nil
		}
		if tried = append(tried, j.Size()); len(tried) <= fails {
			return errors.New("the disk is full")
		}
		return nil
	}
	l, err := Open(j, Options{JournalBytes: bound, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	var row int64
	for i := 0; i == 0 || j.Size() > 0; i++ {
		if _, err := l.Append(t.Context(), counts.Batch{Entries: []counts.Entry{{Number: number, Kind: counts.Received, User: counts.UserKey(i + 1), At: begin.Unix()}}}, begin); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			row = j.Size()
		}
		if i > 10*bound {
			t.Fatal("no snapshot succeeds")
		}
		eventually(t, func() bool { return j.Size() < max(bound, l.retryAt.Load()) })
	}
	eventually(t, func() bool { return l.retryAt.Load() == 0 })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	least := int64(bound)
	for _, size := range tried {
		if size < least || size >= least+row {
			t.Errorf("it was tried at %d bytes, not at %d", size, least)
		}
		least = size + bound/4
	}
	const problem = "The journal grows until a snapshot succeeds"
	if len(tried) != fails+1 || len(logged) != fails || !strings.Contains(logged[0], problem) || !strings.Contains(logged[1], "the disk is full") {
		t.Errorf("it was tried %d times, and logged is %q", len(tried), logged)
	}
}
