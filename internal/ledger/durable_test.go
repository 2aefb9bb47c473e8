package ledger

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

const perBatch = 7

// batchOf is a batch of deliveries, each to a user of its own.
func batchOf(i int) (b counts.Batch) {
	for j := range perBatch {
		id := uint64(i*perBatch + j + 1)
		b.Entries = append(b.Entries, counts.Entry{
			Number: number, Kind: counts.Delivered, User: counts.UserKey(id), Message: counts.MessageKey(id), At: begin.Add(time.Duration(i)*time.Second - counts.Kept).Unix(),
		})
	}
	return b
}

// counted is how many messages a ledger has of those that were acknowledged.
func counted(l *Ledger) int64 {
	return l.Count(number, v1alpha1.MeasureMessages, begin.Add(-counts.Kept-1), begin)
}

// What was acknowledged is there after the machine lost all that was not on disk: each batch, whether a snapshot came before it, after
// it, or not at all.
func TestWhatIsAcknowledgedIsOnDisk(t *testing.T) {
	for _, snapshots := range [][]int{nil, {0}, {1}, {2}, {4}, {1, 2, 3}, {4, 4}} {
		fs := vfs.NewCrashableMem()
		l := openTest(t, fs)
		for i := range 5 {
			if _, err := l.Append(context.Background(), batchOf(i), begin); err != nil {
				t.Fatal(err)
			}
			for _, after := range snapshots {
				if after == i {
					if err := l.Snapshot(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
			}
			want := describe(l)
			lost := openTest(t, fs.CrashClone(vfs.CrashCloneCfg{}))
			if got := describe(lost); got != want {
				t.Errorf("with snapshots after %v, after batch %d there is\n%swhich was\n%s", snapshots, i, got, want)
			}
			if n := lost.Count(number, v1alpha1.MeasureMessages, begin.Add(-counts.Kept-counts.Lateness), begin); n != int64((i+1)*perBatch) {
				t.Errorf("with snapshots after %v, after batch %d there are %d messages", snapshots, i, n)
			}
			if err := lost.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What is appended while a snapshot is taken is in the journal that is left, though the snapshot has nothing of it.
func TestWhatIsAppendedMeanwhileIsOnDisk(t *testing.T) {
	for at := range 3 {
		fs := vfs.NewCrashableMem()
		l, j := openStore(t, fs, Options{})
		next := 0
		give := func() error {
			next++
			_, err := l.Append(context.Background(), batchOf(next-1), begin)
			return err
		}
		if err := give(); err != nil {
			t.Fatal(err)
		}
		j.row = func(row int) error {
			if row != at {
				return nil
			}
			return give()
		}
		if err := l.Snapshot(context.Background()); err != nil {
			t.Fatal(err)
		}
		lost := openTest(t, fs.CrashClone(vfs.CrashCloneCfg{}))
		if got, want := describe(lost), describe(l); next != 2 || got != want {
			t.Errorf("with one appended before row %d there is\n%swhich was\n%s", at, got, want)
		}
		if err := errors.Join(lost.Close(), l.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// Each start goes on in the journal where the one before it ended, with a snapshot before it or not, and knows how long the journal is:
// nothing that was acknowledged is written over.
func TestAStartGoesOnWhereTheLastEnded(t *testing.T) {
	fs := vfs.NewMem()
	l := openTest(t, fs)
	for i, saved := range []bool{false, false, true, false, true, true, false} {
		if _, err := l.Append(context.Background(), batchOf(i), begin); err != nil {
			t.Fatal(err)
		}
		if saved {
			if err := l.Snapshot(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		next, size := l.machine.Position(), l.journal.Size()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openTest(t, fs)
		if l.machine.Position() != next || l.journal.Size() != size {
			t.Errorf("after start %d record %d is the last of %d bytes of journal, not record %d of %d", i, l.machine.Position(), l.journal.Size(), next, size)
		}
		if n := counted(l); n != int64((i+1)*perBatch) {
			t.Errorf("after start %d there are %d messages", i, n)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// Of a batch that has nothing to count nothing is written.
func TestNothingIsWrittenOfNothing(t *testing.T) {
	l := OpenMemory()
	late := begin.Add(-counts.Kept - counts.Lateness - time.Second).Unix()
	for _, batch := range []counts.Batch{{}, {
		Entries: []counts.Entry{{Number: number, Kind: counts.Received, User: 1, At: late}},
		Reports: []report.Report{{Subject: report.ParseSubject(number), Kind: report.Limit, At: late}},
	}} {
		if _, err := l.Append(context.Background(), batch, begin); err != nil {
			t.Fatal(err)
		}
		if l.machine.Position() != 0 {
			t.Errorf("%+v is record %d", batch, l.machine.Position())
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// Windows are written to the journal when they change, and only then.
func TestWindowsAreWrittenWhenTheyChange(t *testing.T) {
	l := openTest(t, vfs.NewMem())
	others := counts.Windows{Service: time.Hour, Conversation: 2 * time.Hour}
	for i, test := range []struct {
		windows counts.Windows
		written bool
	}{
		{counts.DefaultWindows, false}, {others, true}, {others, false}, {counts.Windows{Service: time.Hour, Conversation: 2 * time.Hour, CountReached: true}, true},
		{counts.DefaultWindows, true}, {counts.DefaultWindows, false},
	} {
		before := l.machine.Position()
		if err := l.SetWindows(number, test.windows); err != nil {
			t.Fatal(err)
		}
		if written := l.machine.Position() != before; written != test.written {
			t.Errorf("at %d the windows %v are written: %t", i, test.windows, written)
		}
		if got := l.Windows(number); got != test.windows {
			t.Errorf("at %d the windows are %v, not %v", i, got, test.windows)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// Portfolios, claims and displays are written to the journal when they change, and only then.
func TestControlIsWrittenWhenItChanges(t *testing.T) {
	l := OpenMemory()
	defer func() { _ = l.Close() }()
	display := func(id, number string) error {
		_, err := l.Append(t.Context(), counts.Batch{Displays: []counts.Display{{ID: id, Number: number}}}, begin)
		return err
	}
	for i, test := range []struct {
		change  func() error
		written bool
	}{
		{func() error { return l.SetPortfolio("p", nil) }, false},
		{func() error { return l.SetPortfolio("p", []string{"+1", "+2"}) }, true},
		{func() error { return l.SetPortfolio("p", []string{"+2", "+1", "+1"}) }, false},
		{func() error { return l.SetPortfolio("p", []string{"+2"}) }, true},
		{func() error { return l.SetPortfolio("p", nil) }, true},
		{func() error { return l.Claim("5", "+22507654321") }, true},
		{func() error { return l.Claim("5", "+22507654321") }, false},
		{func() error { return l.Claim("6", "+22507654321") }, true},
		{func() error { return l.Claim("5", "+22507654321") }, false},
		{func() error { return display("5", "+2250707654321") }, true},
		{func() error { return display("5", "+2250707654321") }, false},
		{func() error { return display("", "+2250707654321") }, false},
	} {
		before := l.machine.Position()
		if err := test.change(); err != nil {
			t.Fatal(err)
		}
		if written := l.machine.Position() != before; written != test.written {
			t.Errorf("change %d is written: %t", i, written)
		}
	}
}
