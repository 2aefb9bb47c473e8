package counts

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

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
					if err := l.Snapshot(context.Background(), begin); err != nil {
						t.Fatal(err)
					}
				}
			}
			want := describe(l)
			lost := openTest(t, fs.CrashClone(vfs.CrashCloneCfg{}))
			if got := describe(lost); got != want {
				t.Errorf("with snapshots after %v, after batch %d there is\n%swhich was\n%s", snapshots, i, got, want)
			}
			if n := lost.Count(number, Messages, begin.Add(-Kept-Lateness), begin); n != int64((i+1)*perBatch) {
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
	for _, step := range []string{"row", "commit"} {
		fs := vfs.NewCrashableMem()
		l := openTest(t, fs)
		next := 0
		give := func() error {
			next++
			_, err := l.Append(context.Background(), batchOf(next-1), begin)
			return err
		}
		if err := give(); err != nil {
			t.Fatal(err)
		}
		l.failing = func(at string) error {
			if at != step {
				return nil
			}
			return give()
		}
		if err := l.Snapshot(context.Background(), begin); err != nil {
			t.Fatal(err)
		}
		lost := openTest(t, fs.CrashClone(vfs.CrashCloneCfg{}))
		if got, want := describe(lost), describe(l); next != 2 || got != want {
			t.Errorf("with one appended before the %s there is\n%swhich was\n%s", step, got, want)
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
			if err := l.Snapshot(context.Background(), begin); err != nil {
				t.Fatal(err)
			}
		}
		next, size := l.rows.next, l.journaled.Load()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openTest(t, fs)
		if l.rows.next != next || l.journaled.Load() != size {
			t.Errorf("after start %d row %d follows %d bytes of journal, not row %d %d", i, l.rows.next, l.journaled.Load(), next, size)
		}
		if n := counted(l); n != int64((i+1)*perBatch) {
			t.Errorf("after start %d there are %d messages", i, n)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// Parts of any depth are saved beside each other, take the place of those that they were split from, and are read as they were.
func TestPartsAreSavedBesideEachOther(t *testing.T) {
	var users []key
	for i := range key(64) {
		users = append(users, i<<(keyBits-6)|1)
	}
	fs := vfs.NewMem()
	l := openTest(t, fs)
	s := l.ensure(number)
	for i, user := range users {
		s.record(event{kind: Delivered, user: user, print: uint32(i), at: uint32(begin.Unix())})
	}
	for parts, split := range []key{0, 63, 63, 20} {
		s.split(s.part(users[split]))
		if err := l.Snapshot(context.Background(), begin); err != nil {
			t.Fatal(err)
		}
		if stored, named := partRows(t, l); stored != parts+2 || named != parts+2 {
			t.Errorf("of %d parts %d are stored and %d are named", parts+2, stored, named)
		}
		want := describe(l)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openTest(t, fs)
		s = l.scope(number)
		splitTest(t, s, users)
		if got := describe(l); got != want {
			t.Errorf("with %d parts the ledger is\n%swhich was\n%s", parts+2, got, want)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// Of a batch that has nothing to count nothing is written.
func TestNothingIsWrittenOfNothing(t *testing.T) {
	l := openTest(t, vfs.NewMem())
	late := begin.Add(-Kept - Lateness - time.Second).Unix()
	for _, batch := range []Batch{{}, {
		Entries: []Entry{{Number: number, Kind: Received, User: 1, At: late}},
		Reports: []report.Report{{Subject: report.ParseSubject(number), Kind: report.Limit, At: late}},
	}} {
		if _, err := l.Append(context.Background(), batch, begin); err != nil {
			t.Fatal(err)
		}
		if l.rows.next != 1 || l.journaled.Load() != 0 || len(l.all()) > 0 {
			t.Errorf("row %d follows %d bytes of journal, about %d numbers", l.rows.next, l.journaled.Load(), len(l.all()))
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// Windows are written to the journal when they change, and only then.
func TestWindowsAreWrittenWhenTheyChange(t *testing.T) {
	l := openTest(t, vfs.NewMem())
	others := Windows{Service: time.Hour, Conversation: 2 * time.Hour}
	for i, test := range []struct {
		windows Windows
		written bool
	}{
		{DefaultWindows, false}, {others, true}, {others, false}, {Windows{Service: time.Hour, Conversation: 2 * time.Hour, Reach: true}, true},
		{DefaultWindows, true}, {DefaultWindows, false},
	} {
		before := l.rows.next
		if err := l.Configure(number, test.windows); err != nil {
			t.Fatal(err)
		}
		if written := l.rows.next != before; written != test.written {
			t.Errorf("at %d the windows %v are written: %t", i, test.windows, written)
		}
		if s := l.scope(number); s != nil && s.windows != newLengths(test.windows) {
			t.Errorf("at %d the windows are %v, not %v", i, s.windows, test.windows)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// The next expiry is that of whatever leaves one of the windows first, counted or not, after now.
func TestNextExpiryToTheSecond(t *testing.T) {
	mute := NewComplaint(v1alpha1.FeedbackMute, v1alpha1.FeedbackOther)
	delivered := Entry{Number: number, Kind: Delivered, User: 1, Message: 1}
	answered := Entry{Number: number, Kind: Received, User: 1}
	complained := Entry{Number: number, Kind: Complained, Did: mute, User: 1, Message: 2}
	for name, test := range map[string]struct {
		entries []Entry // an hour, two hours and so on before begin
		leaves  []time.Duration
	}{
		"deliveries":               {[]Entry{delivered, {Number: number, Kind: Delivered, User: 2, Message: 2}}, []time.Duration{2 * time.Hour, time.Hour}},
		"a complaint":              {[]Entry{complained}, []time.Duration{time.Hour}},
		"one that does not count":  {[]Entry{delivered, answered}, []time.Duration{time.Hour}},
		"a complaint before":       {[]Entry{delivered, complained}, []time.Duration{2 * time.Hour, time.Hour}},
		"only messages of a user":  {[]Entry{answered}, nil},
		"a complaint after others": {[]Entry{complained, delivered}, []time.Duration{2 * time.Hour, time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			l := OpenMemory()
			defer func() { _ = l.Close() }()
			if err := l.Configure(number, Windows{Service: 24 * time.Hour, Conversation: 24 * time.Hour, Reach: true}); err != nil {
				t.Fatal(err)
			}
			for i, e := range test.entries {
				e.At = begin.Add(-time.Duration(i+1) * time.Hour).Unix()
				if _, err := l.Append(context.Background(), Batch{Entries: []Entry{e}}, begin); err != nil {
					t.Fatal(err)
				}
			}
			const window = 24 * time.Hour
			now := begin
			for _, ago := range test.leaves {
				want := begin.Add(-ago).Add(window)
				for _, at := range []time.Time{now, want.Add(-time.Second)} {
					if got := l.NextExpiry(number, at, window, 2*window); !got.Equal(want) {
						t.Errorf("at %s the next expiry is at %s, not %s", at, got, want)
					}
				}
				now = want
			}
			if got := l.NextExpiry(number, now, window); !got.IsZero() {
				t.Errorf("when all is gone the next expiry is at %s", got)
			}
		})
	}
}
