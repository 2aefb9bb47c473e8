package counts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-logr/logr/funcr"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
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
	const far = Kept + Lateness + 48*time.Hour // no conversation reaches over what is kept
	give("+1", begin)
	for i, number := range []string{"+2", "+3"} {
		give(number, begin.Add(time.Duration(i+1)*far))
		eventually(t, func() bool { return len(l.Numbers()) == 1 })
		if !l.Known(number) {
			t.Error("what is not too old is forgotten, and what is too old is not")
		}
	}
}

// A snapshot that fails by itself is tried again when the journal has grown by a quarter of its bound, and its problem is logged; after
// one that succeeds the bound is what it was.
func TestASnapshotThatFailsIsTriedAgain(t *testing.T) {
	const bound, fails = 10_000, 2
	var logged []string
	l, err := Open("ledger", Options{fs: vfs.NewMem(), JournalBytes: bound, Log: funcr.New(func(_, args string) { logged = append(logged, args) }, funcr.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	var tried []int64 // the sizes of the journal
	l.failing = func(step string) error {
		if step != "commit" {
			return nil
		}
		if tried = append(tried, l.journaled.Load()); len(tried) <= fails {
			return errors.New("the disk is full")
		}
		return nil
	}
	row, tries := int64(0), 0
	for i := 0; i == 0 || l.journaled.Load() > 0; i++ {
		if _, err := l.Append(context.Background(), Batch{Entries: []Entry{{Number: number, Kind: Received, User: UserKey(i + 1), At: begin.Unix()}}}, begin); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			row = l.journaled.Load()
		}
		if i > 10*bound {
			t.Fatal("no snapshot succeeds")
		}
		eventually(t, func() bool { return !l.snapshotDue() })
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
		tries++
	}
	const problem = `"msg"="The journal grows until a snapshot succeeds" "error"="snapshot: the disk is full"`
	if want := []string{problem, problem}; tries != fails+1 || !slices.Equal(logged, want) {
		t.Errorf("it was tried %d times, and logged is %q", tries, logged)
	}
}

// The background is woken once six hours of appended time have gone by since it swept, whichever clock they are from, and a snapshot is
// due when the journal is as long as it may be, and as long as one that failed wants it.
func TestWhatWakesTheBackground(t *testing.T) {
	const hours = 6 * time.Hour
	e := newEmbedded(Options{})
	for i, test := range []struct {
		after time.Duration
		wakes bool
	}{
		{0, false}, {hours - time.Second, false}, {hours, true}, {hours, true}, {0, true}, {hours + time.Hour, true},
		{0, false}, {2*hours + time.Hour - time.Second, false}, {2*hours + time.Hour, true},
	} {
		if i == 6 {
			e.Sweep(time.Unix(e.latest.Load(), 0))
		}
		e.tick(begin.Add(test.after))
		if got := len(e.wake) > 0; got != test.wakes {
			t.Errorf("at %d, after %s, it is woken: %t", i, test.after, got)
		}
		select {
		case <-e.wake:
		default:
		}
	}
	if latest := e.latest.Load(); latest != begin.Add(2*hours+time.Hour).Unix() {
		t.Errorf("the latest time is %d", latest)
	}
	l := openTest(t, vfs.NewMem())
	defer func() { _ = l.Close() }()
	for _, test := range []struct {
		size, retryAt int64
		due           bool
	}{
		{0, 0, false}, {defaultJournalBytes - 1, 0, false}, {defaultJournalBytes, 0, true}, {defaultJournalBytes, defaultJournalBytes, true},
		{defaultJournalBytes, defaultJournalBytes + 1, false}, {defaultJournalBytes + 1, defaultJournalBytes + 1, true},
	} {
		for of, want := range map[*Embedded]bool{l: test.due, e: false} { // without a store there is nothing to cut
			of.journaled.Store(test.size)
			of.retryAt.Store(test.retryAt)
			if got := of.snapshotDue(); got != want {
				t.Errorf("with a journal of %d bytes a snapshot is due: %t", test.size, got)
			}
		}
	}
	l.journaled.Store(0)
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
			l.Feedback(subject, from, to) != nil || l.Reports(report.ParseSubject(subject), 0) != nil || l.LastReport(report.ParseSubject(subject)) != 0 {
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

// What a group knows of users whom its numbers know no more goes with them.
func TestAGroupIsSweptWithItsNumbers(t *testing.T) {
	l := OpenMemory()
	defer func() { _ = l.Close() }()
	if err := l.Group("g", []string{"+1", "+2"}); err != nil {
		t.Fatal(err)
	}
	at := begin.Unix()
	if _, err := l.Append(context.Background(), Batch{Entries: []Entry{
		{Number: "+1", Kind: Delivered, User: 2, Alias: 3, Message: 1, At: at}, {Number: "+2", Kind: Delivered, User: 2, Message: 2, At: at}, {Number: "+2", Kind: Delivered, User: 3, Message: 3, At: at},
	}}, begin); err != nil {
		t.Fatal(err)
	}
	if used := l.groups[GroupSubject("g")].names.parts[0].used; used != 2 {
		t.Fatalf("%d keys of a user of two numbers are known", used)
	}
	for range 3 { // first the deliveries go, then the names, then what the group has of them
		l.Sweep(begin.Add(Kept + Lateness + 48*time.Hour))
	}
	if used := l.groups[GroupSubject("g")].names.parts[0].used; used != 0 {
		t.Errorf("%d keys of a user of no number are known", used)
	}
}
