package ledger

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-logr/logr/funcr"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// partRows are the keys of the saved parts, and how many of them the numbers name.
func partRows(t *testing.T, l *Embedded) (stored, named int) {
	t.Helper()
	if err := l.each([]byte("p"), func(k, _ []byte) error { stored++; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, s := range l.all() {
		named += len(s.rows)
	}
	return stored, named
}

// What a snapshot wrote before it failed is removed by the next, or by the next start; what an earlier one saved stays.
func TestAnInterruptedSnapshotLeavesNothing(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			fs := vfs.NewMem()
			l := openTest(t, fs)
			give := func(from, to int) {
				t.Helper()
				var batch Batch
				for user := from; user < to; user++ {
					batch.Entries = append(batch.Entries, Entry{Number: fmt.Sprint("+", user%3), Kind: Delivered, User: UserKey(user), Message: MessageKey(user), At: begin.Unix()})
				}
				if _, err := l.Append(context.Background(), batch, begin); err != nil {
					t.Fatal(err)
				}
			}
			give(1, 300)
			if err := l.Snapshot(context.Background(), begin); err != nil {
				t.Fatal(err)
			}
			before, _ := partRows(t, l)
			give(300, 600)
			l.failing = func(step string) error {
				if step == "commit" {
					return errors.New("as the test wants")
				}
				return nil
			}
			if err := l.Snapshot(context.Background(), begin); err == nil {
				t.Fatal("the snapshot did not fail")
			}
			l.failing = nil
			failed := l.generation
			if stored, named := partRows(t, l); stored <= before || named != before {
				t.Fatalf("after a failed snapshot %d parts are stored, of which %d are named", stored, named)
			}
			if restart {
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				l = openTest(t, fs)
				if stored, named := partRows(t, l); stored != before || named != before {
					t.Fatalf("after a restart %d parts are stored, of which %d are named, not %d", stored, named, before)
				}
				if l.generation != failed {
					t.Errorf("the next snapshot is of generation %d, after %d failed", l.generation+1, failed)
				}
			}
			if err := l.Snapshot(context.Background(), begin); err != nil {
				t.Fatal(err)
			}
			if stored, named := partRows(t, l); stored != named || stored < before {
				t.Fatalf("after the next snapshot %d parts are stored, of which %d are named", stored, named)
			}
			var users int64
			for i := range 3 {
				users += l.Count(fmt.Sprint("+", i), Users, begin.Add(-time.Hour), begin)
			}
			if users != 599 {
				t.Errorf("%d users are there", users)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// What is too old is forgotten by itself, as appended time goes on, in memory and on disk.
func TestTheLedgerSweepsByItself(t *testing.T) {
	l := OpenMemory()
	defer func() { _ = l.Close() }()
	give := func(number string, at time.Time) {
		t.Helper()
		if _, err := l.Append(context.Background(), Batch{Entries: []Entry{{Number: number, Kind: Delivered, User: 1, Message: 1, At: at.Unix()}}}, at); err != nil {
			t.Fatal(err)
		}
	}
	give("+1", begin)
	give("+2", begin.Add(Kept+Lateness+48*time.Hour)) // no conversation of the first reaches over what is kept
	for l.Known("+1") {                               // until the test's time is up
		runtime.Gosched()
	}
	if !l.Known("+2") {
		t.Error("what is not too old is forgotten too")
	}
}

// A snapshot that fails by itself is tried again when the journal has grown by a quarter of its bound, and its problem is logged.
func TestASnapshotThatFailsIsTriedAgain(t *testing.T) {
	logged := make(chan string, 100)
	l, err := Open("ledger", Options{fs: vfs.NewMem(), JournalBytes: 10_000, Log: funcr.New(func(_, args string) {
		select {
		case logged <- args:
		default:
		}
	}, funcr.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var tried []int64 // the sizes of the journal
	l.failing = func(step string) error {
		if step != "commit" {
			return nil
		}
		if tried = append(tried, l.journaled.Load()); len(tried) < 3 {
			return errors.New("the disk is full")
		}
		return nil
	}
	for i := 0; ; i++ {
		if _, err := l.Append(context.Background(), Batch{Entries: []Entry{{Number: number, Kind: Received, User: UserKey(i + 1), At: begin.Unix()}}}, begin); err != nil {
			t.Fatal(err)
		}
		if position, err := l.get(positionKey); err != nil {
			t.Fatal(err)
		} else if position != nil {
			break
		}
	}
	l.snapshots.Lock()
	defer l.snapshots.Unlock()
	if len(tried) < 3 || tried[0] < 10_000 || tried[1] < tried[0]+2500 || tried[2] < tried[1]+2500 {
		t.Errorf("it was tried at %d bytes of journal", tried)
	}
	if got, want := <-logged, `"msg"="The journal grows until a snapshot succeeds" "error"="snapshot: the disk is full"`; got != want {
		t.Errorf("logged is %s", got)
	}
}

// The store's complaints are logged, and what it says of its routine is not.
func TestTheStoresLog(t *testing.T) {
	var logged []string
	log := storeLog{funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{})}
	log.Infof("%d", 1)
	log.Errorf("%d", 2)
	if want := []string{`"msg"="The ledger's store has a problem" "error"="2"`}; !slices.Equal(logged, want) {
		t.Errorf("logged is %q", logged)
	}
}

// Of a subject that is not known, and of what is not there, every answer is nothing.
func TestAnswersOfNothing(t *testing.T) {
	l := OpenMemory()
	defer func() { _ = l.Close() }()
	if _, err := l.Append(context.Background(), Batch{Entries: []Entry{{Number: number, Kind: Delivered, User: 1, Message: 1, At: begin.Unix()}}}, begin); err != nil {
		t.Fatal(err)
	}
	from, to := begin.Add(-time.Hour), begin.Add(time.Hour)
	for _, subject := range []string{"+2", GroupSubject("g")} {
		if l.Known(subject) || l.Count(subject, Users, from, to) != 0 || !l.Nth(subject, Users, 1, from, to).IsZero() || !l.Last(subject, Users, from, to).IsZero() ||
			!l.FallsBelow(subject, Users, time.Hour, 1, begin).Equal(begin) || !l.NextExpiry(subject, begin, time.Hour).IsZero() ||
			l.Feedback(subject, from, to) != nil || l.Reports(subject, 0) != nil || l.LastReport(subject) != 0 {
			t.Errorf("something is known of %s", subject)
		}
	}
	for _, n := range []int64{-1, 0, 2} {
		if got := l.Nth(number, Users, n, from, to); !got.IsZero() {
			t.Errorf("number %d came at %s", n, got)
		}
	}
	if got := l.Nth(number, Users, 1, from, to); !got.Equal(begin) {
		t.Errorf("the first came at %s", got)
	}
	for _, limit := range []int64{-1, 0} {
		if got := l.FallsBelow(number, Users, time.Hour, limit, begin); !got.IsZero() {
			t.Errorf("it falls below %d at %s", limit, got)
		}
	}
	if got := l.NextExpiry(number, begin); !got.IsZero() {
		t.Errorf("without a window something expires at %s", got)
	}
}

// What is too old is counted no more, however far back one asks, of a number and of its group.
func TestWhatIsTooOldIsNotCounted(t *testing.T) {
	l := OpenMemory()
	defer func() { _ = l.Close() }()
	now := begin.Add(Kept + Lateness + 24*time.Hour)
	mute := NewComplaint(v1alpha1.FeedbackMute, v1alpha1.FeedbackOther)
	if err := errors.Join(l.Configure(number, Windows{Reach: true}), l.Group("g", []string{number})); err != nil {
		t.Fatal(err)
	}
	for _, batch := range []struct {
		at    time.Time
		users int
	}{{begin, 7}, {now, 3}} {
		for user := range batch.users {
			for kind := range Complained {
				entry := Entry{Number: number, Kind: kind + 1, User: UserKey(user + 1), Message: MessageKey(batch.at.Unix()), At: batch.at.Unix()}
				if entry.Kind == Complained {
					entry.Did = mute
				}
				if _, err := l.Append(context.Background(), Batch{Entries: []Entry{entry}}, batch.at); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	l.Sweep(now)
	for _, subject := range []string{number, GroupSubject("g")} {
		for measure, want := range map[Measure]int64{Users: 3, Messages: 3, Conversations: 3, Reached: 3, Complaining: 3} {
			if got := l.Count(subject, measure, time.Unix(0, 0), now); got != want {
				t.Errorf("of measure %d %s has %d, not %d", measure, subject, got, want)
			}
			if got := l.Nth(subject, measure, 1, time.Unix(0, 0), now); !got.Equal(now) {
				t.Errorf("the first of measure %d of %s is at %s", measure, subject, got)
			}
		}
		if got := l.Feedback(subject, time.Unix(0, 0), now); len(got) != 1 || got[0].Users != 3 {
			t.Errorf("the feedback of %s is %v", subject, got)
		}
	}
}
