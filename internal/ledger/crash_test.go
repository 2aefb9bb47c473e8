package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	randv2 "math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/ledger/journal/pebble"
)

type fataler interface {
	Helper()
	Fatal(...any)
}

// openTest opens the ledger that is kept in a folder of a file system.
func openTest(t fataler, fs vfs.FS) *Ledger {
	t.Helper()
	l, _ := openStore(t, fs, Options{})
	return l
}

func openStore(t fataler, fs vfs.FS, options Options) (*Ledger, *failing) {
	t.Helper()
	store, err := pebble.Open("ledger", pebble.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	options.Secret = store.Secret()
	j := &failing{Journal: store}
	l, err := Open(j, options)
	if err != nil {
		t.Fatal(err)
	}
	return l, j
}

// failing is a journal that a test can make fail, or do something at a row of a snapshot.
type failing struct {
	journal.Journal
	row func(row int) error
}

func (f *failing) Save(ctx context.Context, position uint64, rows iter.Seq[counts.Row]) error {
	if f.row == nil {
		return f.Journal.Save(ctx, position, rows)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := f.Journal.Save(ctx, position, func(yield func(counts.Row) bool) {
		n := 0
		for row := range rows {
			if err := f.row(n); err != nil {
				cancel(err)
			}
			if n++; !yield(row) {
				return
			}
		}
	})
	return errors.Join(err, context.Cause(ctx))
}

// describe is the snapshot of what a ledger knows, for comparisons.
func describe(l *Ledger) string {
	l.applying.Lock()
	defer l.applying.Unlock()
	var b strings.Builder
	c := l.machine.Capture(true)
	defer c.End(false)
	for row := range c.Rows() {
		fmt.Fprintf(&b, "%q %x\n", row.Key, row.Value)
	}
	return b.String()
}

// sweep makes it so late that what is over is forgotten.
func sweep(l *Ledger, now time.Time) {
	for range 4 {
		_, _ = l.commit(&counts.Record{Clock: now.UnixMilli()})
	}
}

// Through weeks of events, sweeps, snapshots that fail at any step, restarts and crashes, nothing that was appended is
// lost or counted twice.
func TestCountsSurviveCrashesAndSnapshots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := vfs.NewCrashableMem()
		l, j := openStore(t, fs, Options{})
		defer func() { _ = l.Close() }()
		now := begin
		m := model{windows: someWindows(t)}
		numbers := []string{number, "+15550100002", "+15550100003"}[:rapid.IntRange(1, 3).Draw(t, "numbers")]
		for _, number := range numbers {
			if err := l.SetWindows(number, m.windows); err != nil {
				t.Fatal(err)
			}
		}
		groups := portfolios{}
		message := counts.MessageKey(0)
		for range rapid.SampledFrom([]int{5, 30}).Draw(t, "steps") {
			switch rapid.IntRange(0, 8).Draw(t, "step") {
			case 0, 1, 2:
				var entries []counts.Entry
				for range rapid.IntRange(1, 20).Draw(t, "entries") {
					// Users from 10 on have two keys. At the first number every event names both, in either order; the others know
					// them by one each.
					e := counts.Entry{Number: rapid.SampledFrom(numbers).Draw(t, "number"), Kind: counts.Delivered, User: counts.UserKey(rapid.IntRange(1, 12).Draw(t, "user"))}
					e.At = someTime(t, now.Add(-counts.Lateness).Unix(), now.Unix())
					if e.User >= 10 && e.Number == number {
						e.Alias = e.User + 100
						if rapid.Bool().Draw(t, "swapped") {
							e.User, e.Alias = e.Alias, e.User
						}
					}
					switch rapid.IntRange(0, 7).Draw(t, "kind") {
					case 0, 1:
						e.Kind = counts.Received
					case 2:
						e.Kind = counts.Complained
						e.Complaint = someComplaint(t)
					case 3:
						e.Kind = counts.Replied
					}
					if e.Kind != counts.Received {
						message++
						e.Message = message
					}
					someWord(t, &e)
					if e.Alias != 0 && rapid.IntRange(0, 3).Draw(t, "joins") == 0 {
						e.Kind, e.Complaint, e.Message, e.Reply, e.Chat = counts.AliasLinked, 0, 0, false, 0
					}
					entries = append(entries, e)
				}
				// Some of the last weeks come again, at their time or later.
				for range 5 {
					if len(m.entries) > 0 {
						e := rapid.SampledFrom(m.entries).Draw(t, "again")
						if e.At > now.Add(-counts.Kept).Unix() && e.Kind != counts.Received {
							e.At = min(now.Unix(), e.At+rapid.SampledFrom([]int64{0, 5, day}).Draw(t, "later"))
							// One status of a message may say what another does not, and be of it before it is delivered.
							if e.Kind == counts.Delivered || e.Kind == counts.Replied {
								e.Kind = rapid.SampledFrom([]counts.Kind{counts.Delivered, counts.Delivered, counts.Replied}).Draw(t, "kind")
								e.Reply, e.Chat = false, rapid.SampledFrom([]counts.ChatKey{0, e.Chat}).Draw(t, "chat")
								if e.Kind == counts.Delivered {
									e.Reply = rapid.IntRange(0, 3).Draw(t, "reply") == 0
								}
							}
							entries = append(entries, e)
						}
					}
				}
				m.add(entries, now)
				appendAll(t, l, entries, now)
			case 3:
				now = now.Add(rapid.SampledFrom([]time.Duration{time.Hour, 20 * time.Hour, 100 * time.Hour, 30 * 24 * time.Hour, 120 * 24 * time.Hour}).Draw(t, "on"))
			case 4:
				sweep(l, now)
			case 5:
				if err := l.Snapshot(context.Background()); err != nil {
					t.Fatal(err)
				}
			case 6:
				at := rapid.IntRange(0, 4).Draw(t, "failing at")
				j.row = func(row int) error {
					if row == at {
						return errors.New("as the test wants")
					}
					return nil
				}
				_ = l.Snapshot(context.Background())
				j.row = nil
			case 7:
				if rapid.Bool().Draw(t, "crash") {
					rng := randv2.New(randv2.NewPCG(rapid.Uint64().Draw(t, "lost"), 0))
					fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
				}
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				l, j = openStore(t, fs, Options{})
			case 8:
				groups.regroup(t, l, numbers)
			}
			groups.compare(t, l, &m, numbers, now, now.Add(-counts.Kept), "step")
		}
	})
}
