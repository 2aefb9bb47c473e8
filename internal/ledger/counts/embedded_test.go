package counts

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	randv2 "math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-logr/logr/funcr"
	"pgregory.net/rapid"

	"numberfleet.dev/numberfleet/internal/report"
)

func openTest(t interface {
	Helper()
	Fatal(...any)
}, fs vfs.FS) *Embedded {
	t.Helper()
	e, err := Open("ledger", Options{fs: fs})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// describe is everything that can be asked of a ledger, for comparisons.
func describe(e *Embedded) string {
	var b strings.Builder
	for _, s := range e.all() {
		fmt.Fprintln(&b, s.number, s.windows, s.sequence, s.reports)
		b.WriteString(s.lines.describe())
	}
	return b.String()
}

func (l *timelines) describe() string {
	var b strings.Builder
	for _, line := range l {
		var second uint32
		var t tally
		for _, c := range line.chunks {
			for _, k := range c.ticks {
				if at := c.start + k.offset(); at != second {
					fmt.Fprint(&b, second, t, " ")
					second, t = at, tally{}
				}
				t.add(k.tally())
			}
		}
		fmt.Fprintln(&b, second, t)
	}
	return b.String()
}

// Through weeks of events, sweeps, snapshots that fail at any step, restarts and crashes, nothing that was appended is
// lost or counted twice.
func TestCountsSurviveCrashesAndSnapshots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := vfs.NewCrashableMem()
		l := openTest(t, fs)
		defer func() { _ = l.Close() }()
		now := begin
		m := model{windows: someWindows(t)}
		numbers := []string{number, "+15550100002", "+15550100003"}[:rapid.IntRange(1, 3).Draw(t, "numbers")]
		for _, number := range numbers {
			if err := l.Configure(number, m.windows); err != nil {
				t.Fatal(err)
			}
		}
		groups := portfolios{}
		message := MessageKey(0)
		for range rapid.SampledFrom([]int{5, 30}).Draw(t, "steps") {
			switch rapid.IntRange(0, 8).Draw(t, "step") {
			case 0, 1, 2:
				var entries []Entry
				for range rapid.IntRange(1, 20).Draw(t, "entries") {
					// Users from 10 on have two keys. At the first number every event names both, in either order; the others know
					// them by one each.
					e := Entry{Number: rapid.SampledFrom(numbers).Draw(t, "number"), Kind: Delivered, User: UserKey(rapid.IntRange(1, 12).Draw(t, "user"))}
					e.At = someTime(t, now.Add(-Lateness).Unix(), now.Unix())
					if e.User >= 10 && e.Number == number {
						e.Alias = e.User + 100
						if rapid.Bool().Draw(t, "swapped") {
							e.User, e.Alias = e.Alias, e.User
						}
					}
					switch rapid.IntRange(0, 7).Draw(t, "kind") {
					case 0, 1:
						e.Kind = Received
					case 2:
						e.Kind = Complained
						e.Did = someComplaint(t)
					case 3:
						e.Kind = Replied
					}
					if e.Kind != Received {
						message++
						e.Message = message
					}
					someWord(t, &e)
					if e.Alias != 0 && rapid.IntRange(0, 3).Draw(t, "joins") == 0 {
						e.Kind, e.Did, e.Message, e.Reply, e.Chat = Joined, 0, 0, false, 0
					}
					entries = append(entries, e)
				}
				// Some of the last weeks come again, at their time or later.
				for range 5 {
					if len(m.entries) > 0 {
						e := rapid.SampledFrom(m.entries).Draw(t, "again")
						if e.At > now.Add(-Kept).Unix() && e.Kind != Received {
							e.At = min(now.Unix(), e.At+rapid.SampledFrom([]int64{0, 5, day}).Draw(t, "later"))
							// One status of a message may say what another does not, and be of it before it is delivered.
							if e.Kind == Delivered || e.Kind == Replied {
								e.Kind = rapid.SampledFrom([]Kind{Delivered, Delivered, Replied}).Draw(t, "kind")
								e.Reply, e.Chat = false, rapid.SampledFrom([]ChatKey{0, e.Chat}).Draw(t, "chat")
								if e.Kind == Delivered {
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
				l.Sweep(now)
			case 5:
				if err := l.Snapshot(context.Background(), now); err != nil {
					t.Fatal(err)
				}
			case 6:
				failing := rapid.SampledFrom([]string{"row", "commit"}).Draw(t, "failing")
				after := rapid.IntRange(0, 2).Draw(t, "after")
				l.failing = func(step string) error {
					if step == failing {
						if after--; after < 0 {
							return errors.New("as the test wants")
						}
					}
					return nil
				}
				_ = l.Snapshot(context.Background(), now)
				l.failing = nil
			case 7:
				if rapid.Bool().Draw(t, "crash") {
					rng := randv2.New(randv2.NewPCG(rapid.Uint64().Draw(t, "lost"), 0))
					fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
				}
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				l = openTest(t, fs)
				groups.declare(t, l)
			case 8:
				groups.regroup(t, l, numbers)
			}
			groups.compare(t, l, &m, numbers, now, now.Add(-Kept), "step")
		}
	})
}

// Users who turn out to be one while a snapshot is between their two parts are saved whole.
func TestJoinDuringSnapshot(t *testing.T) {
	fs := vfs.NewCrashableMem()
	l := openTest(t, fs)
	const pairs = 10_000
	for _, second := range []int64{0, 1} {
		var batch Batch
		for i := range pairs {
			for _, user := range []int{i, i + pairs} {
				batch.Entries = append(batch.Entries, Entry{
					Number: number, Kind: Delivered, User: UserKey(user + 1), Message: MessageKey(user + 1), At: begin.Unix() - second,
				})
			}
		}
		if _, err := l.Append(context.Background(), batch, begin); err != nil {
			t.Fatal(err)
		}
	}
	joined := 0
	l.failing = func(string) error {
		var batch Batch
		for range 100 {
			joined++
			batch.Entries = append(batch.Entries, Entry{
				Number: number, Kind: Received, User: UserKey(joined), Alias: UserKey(joined + pairs), At: begin.Unix() - 3*day,
			})
		}
		_, err := l.Append(context.Background(), batch, begin)
		return err
	}
	if err := l.Snapshot(context.Background(), begin); err != nil {
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
	l := openTest(t, fs)
	now := begin
	var writers sync.WaitGroup
	var done atomic.Bool
	for w := range 2 {
		writers.Go(func() {
			defer done.Store(true)
			rng := rand.New(rand.NewSource(int64(w)))
			for i := range 150 {
				var batch Batch
				for range 200 {
					user := UserKey(1 + rng.Intn(40_000))
					e := Entry{Number: fmt.Sprint("+1555", rng.Intn(3)), Kind: Delivered, User: user, At: now.Unix() - rng.Int63n(day)}
					e.Message = MessageKey(rng.Uint64() | 1)
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
			l.failing = func(string) error {
				if left--; left < 0 {
					return errors.New("as the test wants")
				}
				return nil
			}
		}
		_ = l.Snapshot(context.Background(), now)
		l.failing = nil
		crashed := openTest(t, fs.CrashClone(vfs.CrashCloneCfg{}))
		if err := crashed.Close(); err != nil {
			t.Fatal(err)
		}
	}
	writers.Wait()
	want := describe(l)
	for _, step := range []string{"crashed", "restarted", "saved"} {
		if step == "saved" {
			if err := l.Snapshot(context.Background(), now); err != nil {
				t.Fatal(err)
			}
		}
		if step != "crashed" {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		} else {
			fs = fs.CrashClone(vfs.CrashCloneCfg{})
			defer func(l *Embedded) { _ = l.Close() }(l)
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

// When all users are too old to count, memory and disk are given back.
func TestExpiryBoundsMemoryAndDisk(t *testing.T) {
	fs := vfs.NewMem()
	l := openTest(t, fs)
	defer func() { _ = l.Close() }()
	now := begin
	rows := func() (n, size int) {
		for _, prefix := range []string{"p", "j"} {
			if err := l.each([]byte(prefix), func(k, v []byte) error { n++; size += len(v); return nil }); err != nil {
				t.Fatal(err)
			}
		}
		return n, size
	}
	var most int
	for month := range 4 {
		for range 20 {
			var batch Batch
			for i := range 1000 {
				user := UserKey(2 * (uint64(now.Unix())<<16 | uint64(i)))
				batch.Entries = append(batch.Entries,
					Entry{Number: number, Kind: Delivered, User: user, Alias: user + 1, Message: MessageKey(i + 1), At: now.Unix()})
			}
			if _, err := l.Append(context.Background(), batch, now); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Minute)
		}
		if err := l.Snapshot(context.Background(), now); err != nil {
			t.Fatal(err)
		}
		_, size := rows()
		if month == 0 {
			most = 2 * size // the other names of users go one sweep after them
		}
		if size > most {
			t.Fatalf("%d bytes are stored after %d months, more than %d", size, month+1, most)
		}
		now = now.Add(Kept + Lateness + 48*time.Hour)
	}
	for range 2 {
		if err := l.Snapshot(context.Background(), now.Add(48*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if n, size := rows(); n > 1 || size > 100 {
		t.Fatalf("%d rows of %d bytes are left of nothing", n, size)
	}
	if l.Known(number) || len(l.Numbers()) > 0 {
		t.Fatal("a number is known of which nothing is")
	}
}

// A row that was changed behind the ledger's back fails Open with an error that names the row.
func TestCorruptRowsFailOpen(t *testing.T) {
	now := begin
	for _, test := range []struct {
		key  func(e *Embedded) []byte
		want string
	}{
		{func(*Embedded) []byte { return secretKey }, "secret"},
		{func(*Embedded) []byte { return formatKey }, "format"},
		{func(*Embedded) []byte { return positionKey }, "position"},
		{func(*Embedded) []byte { return numberKey(number) }, "number ending in 0001"},
		{func(e *Embedded) []byte { return partKey(number, e.scope(number).rows[0]) }, "part 0/0, generation 1, of the number ending in 0001"},
		{func(*Embedded) []byte { return journalKey(2) }, "row 2 of the journal"},
	} {
		for _, how := range []string{"flipped", "cut", "gone"} {
			if how == "gone" && !strings.HasPrefix(test.want, "part") && !strings.HasPrefix(test.want, "secret") {
				continue
			}
			fs := vfs.NewMem()
			l := openTest(t, fs)
			for i := range 2 {
				batch := Batch{Entries: []Entry{{Number: number, Kind: Delivered, User: 1, Message: MessageKey(i + 1), At: now.Unix()}}}
				if _, err := l.Append(context.Background(), batch, now); err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					if err := l.Snapshot(context.Background(), now); err != nil {
						t.Fatal(err)
					}
				}
			}
			k := test.key(l)
			row, err := l.get(k)
			if err != nil || row == nil {
				t.Fatal(err, test.want)
			}
			switch how {
			case "flipped":
				row[len(row)/2] ^= 4
				err = l.db.Set(k, row, pebble.Sync)
			case "cut":
				err = l.db.Set(k, row[:len(row)-1], pebble.Sync)
			case "gone":
				err = l.db.Delete(k, pebble.Sync)
			}
			if err := errors.Join(err, l.Close()); err != nil {
				t.Fatal(err)
			}
			l, err = Open("ledger", Options{fs: fs})
			if err == nil {
				_ = l.Close()
				t.Fatalf("a ledger opens in which the row of the %s is %s", test.want, how)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Fatalf("%q does not name the row of the %s", err, test.want)
			}
		}
	}
}

// A report that comes again gets no new sequence; sequences are the same after a restart; the latest of each kind stays.
// Whoever reports without end neither fills the memory nor drives out what was reported of another kind.
func TestReportsAreBounded(t *testing.T) {
	l := OpenMemory()
	t.Cleanup(func() { _ = l.Close() })
	now := time.Unix(1_790_000_000, 0)
	tell := func(kind report.Kind, i int) {
		t.Helper()
		said := report.Report{Subject: report.ParseSubject("+15550100001"), Kind: kind, At: now.Unix() - 5000 + int64(i), Value: "Low"}
		if _, err := l.Append(t.Context(), Batch{Reports: []report.Report{said}}, now); err != nil {
			t.Fatal(err)
		}
	}
	tell(report.Verification, 0)
	for i := range 3 * mostReports {
		tell(report.Quality, i)
	}
	kept := l.Reports(report.ParseSubject("+15550100001"), 0)
	if len(kept) != 1+mostReports || kept[0].Kind != report.Verification || kept[mostReports].Sequence != 1+3*mostReports || l.LastReport(report.ParseSubject("+15550100001")) != 1+3*mostReports {
		t.Errorf("%d are kept, from %+v to %+v", len(kept), kept[0], kept[len(kept)-1])
	}
	if got := l.Reports(report.ParseSubject("+15550100001"), 3*mostReports); len(got) != 1 {
		t.Errorf("after the last but one there are %d", len(got))
	}
}

func TestReports(t *testing.T) {
	fs := vfs.NewCrashableMem()
	l := openTest(t, fs)
	now := begin
	give := func(reports ...report.Report) Appended {
		t.Helper()
		a, err := l.Append(context.Background(), Batch{Reports: reports}, now)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	values := func(after int64) (v []string) {
		for _, r := range l.Reports(report.ParseSubject(number), after) {
			if r.Subject.ID != number {
				t.Fatalf("a report is about %q", r.Subject.ID)
			}
			if want := map[bool]int64{true: begin.Unix() + 100}[r.Kind == report.Limit]; r.Until != want {
				t.Fatalf("a report ends at %d, not %d", r.Until, want)
			}
			v = append(v, fmt.Sprint(r.Sequence, r.Value, r.Reason))
		}
		return v
	}
	high := report.Report{Subject: report.ParseSubject(number), Kind: report.Quality, At: now.Unix(), Value: "High"}
	low := report.Report{Subject: report.ParseSubject(number), Kind: report.Quality, At: now.Unix() + 5, Value: "Low", Reason: "blocks"}
	limit := report.Report{Subject: report.ParseSubject(number), Kind: report.Limit, At: now.Unix() + 3, Value: "Unlimited", Until: now.Unix() + 100}
	if a := give(high, low); a.New != 2 {
		t.Fatalf("%+v", a)
	}
	if a := give(high, limit, low); a.New != 1 || a.Repeated != 2 {
		t.Fatalf("%+v", a)
	}
	want := []string{"1High", "2Lowblocks", "3Unlimited"}
	for _, step := range []string{"given", "restarted", "saved", "saved and restarted"} {
		if strings.HasPrefix(step, "saved") {
			if err := l.Snapshot(context.Background(), now); err != nil {
				t.Fatal(err)
			}
		}
		if strings.HasSuffix(step, "restarted") {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = openTest(t, fs)
		}
		if got, last := values(0), l.LastReport(report.ParseSubject(number)); !slices.Equal(got, want) || last != 3 {
			t.Fatalf("%s: %q, the last is %d", step, got, last)
		}
	}
	if got := values(2); !slices.Equal(got, want[2:]) {
		t.Fatalf("after 2: %q", got)
	}
	now = now.Add(Kept + Lateness + 48*time.Hour)
	l.Sweep(now)
	if got := values(0); !slices.Equal(got, want[1:]) {
		t.Fatalf("swept: %q", got)
	}
	if a := give(high, low); a.Expired != 2 {
		t.Fatalf("%+v", a)
	}
	high.At = now.Unix()
	if give(high); !slices.Equal(values(3), []string{"4High"}) {
		t.Fatalf("%q", values(0))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// Concurrent reports about one number have the same sequences after a crash.
func TestConcurrentReportsKeepTheirSequences(t *testing.T) {
	fs := vfs.NewCrashableMem()
	l := openTest(t, fs)
	defer func() { _ = l.Close() }()
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := range 20 {
				r := report.Report{Subject: report.ParseSubject(number), Kind: report.Connection, At: begin.Unix(), Value: fmt.Sprint(w, i)}
				if _, err := l.Append(context.Background(), Batch{Reports: []report.Report{r}}, begin); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	again := openTest(t, fs.CrashClone(vfs.CrashCloneCfg{}))
	defer func() { _ = again.Close() }()
	if got, want := again.Reports(report.ParseSubject(number), 0), l.Reports(report.ParseSubject(number), 0); len(want) != 160 || !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
}

// Nothing of a batch with an invalid entry is appended, and the error says which entry and which field.
func TestInvalidBatches(t *testing.T) {
	l := OpenMemory()
	defer func() { _ = l.Close() }()
	now := begin
	good := Entry{Number: number, Kind: Delivered, User: 1, Message: 1, At: now.Unix()}
	for field, spoil := range map[string]func(e *Entry){
		"Number":  func(e *Entry) { e.Number = "" },
		"Kind":    func(e *Entry) { e.Kind = 7 },
		"User":    func(e *Entry) { e.User = 0 },
		"Message": func(e *Entry) { e.Message = 0 },
		"Did":     func(e *Entry) { e.Kind, e.Did = Complained, 0x17 },
		"Alias":   func(e *Entry) { e.Kind, e.Message = Joined, 0 },
		"At":      func(e *Entry) { e.At = now.Add(Ahead).Unix() + 1 },
	} {
		bad := good
		spoil(&bad)
		_, err := l.Append(context.Background(), Batch{Entries: []Entry{good, bad}}, now)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "entry 1: "+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if l.Known(number) {
		t.Fatal("part of an invalid batch was appended")
	}
	late, soon := good, good
	late.At, soon.At = now.Add(-Kept-Lateness).Unix()-1, now.Add(Ahead).Unix()
	a, err := l.Append(context.Background(), Batch{Entries: []Entry{late, soon, soon}}, now)
	if err != nil || a != (Appended{New: 1, Repeated: 1, Expired: 1}) {
		t.Fatalf("%+v, %v", a, err)
	}
	for _, w := range []Windows{{Service: -1}, {Conversation: Kept + 1}, {Service: time.Millisecond}} {
		if err := l.Configure(number, w); !errors.Is(err, ErrInvalid) {
			t.Errorf("%v: %v", w, err)
		}
	}
}

// What comes too late is told as such, whether by the time of the request or by what the number has forgotten already.
func TestWhatComesTooLateIsTold(t *testing.T) {
	l := OpenMemory()
	defer func() { _ = l.Close() }()
	at := func(times ...int64) (batch Batch) {
		for i, at := range times {
			batch.Entries = append(batch.Entries, Entry{Number: number, Kind: Received, User: UserKey(i + 1), At: at})
			batch.Reports = append(batch.Reports, report.Report{Subject: report.ParseSubject(number), Kind: report.Limit, At: at})
		}
		return batch
	}
	oldest := oldest(begin.Unix())
	for _, test := range []struct {
		now   time.Time
		batch Batch
		want  Appended
	}{
		{begin, at(oldest+day, oldest+2*day), Appended{New: 4}},
		{begin, at(oldest-1, oldest-2), Appended{Expired: 4}},
		{begin.Add(24 * time.Hour), at(begin.Unix()), Appended{New: 2}},
		{begin, at(oldest-1, oldest, oldest+1, begin.Unix()), Appended{Repeated: 1, New: 1, Expired: 6}}, // of clocks that differ
	} {
		if got, err := l.Append(context.Background(), test.batch, test.now); err != nil || got != test.want {
			t.Errorf("of %+v at %s there are %+v, %v", test.batch, test.now, got, err)
		}
		l.Sweep(test.now)
	}
}

// A closed ledger refuses to append, to be configured, to save and to be closed; what was subscribed is told of changes
// only.
func TestCloseAndSubscribe(t *testing.T) {
	l := openTest(t, vfs.NewMem())
	var told, others []string
	l.Subscribe(func(number string) { told = append(told, number); l.Count(number, Users, begin, begin) })
	l.Subscribe(func(number string) { others = append(others, number) })
	batch := Batch{
		Entries: []Entry{{Number: "+2", Kind: Received, User: 1, At: begin.Unix()}, {Number: "+1", Kind: Received, User: 1, At: begin.Unix()}},
		Reports: []report.Report{{Subject: report.ParseSubject("+2"), Kind: report.Limit, At: begin.Unix()}},
	}
	for range 2 {
		if _, err := l.Append(context.Background(), batch, begin); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(told, []string{"+1", "+2"}) || !slices.Equal(l.Numbers(), told) || !slices.Equal(others, told) {
		t.Fatalf("told of %q and %q, numbers are %q", told, others, l.Numbers())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := l.Append(context.Background(), batch, begin)
	for _, err := range []error{err, l.Configure("+1", Windows{}), l.Snapshot(context.Background(), begin), l.Close()} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%v", err)
		}
	}
}

// The background takes snapshots when the journal is long, and cuts it.
func TestJournalIsCut(t *testing.T) {
	l, err := Open("ledger", Options{fs: vfs.NewMem(), JournalBytes: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for i := range 20_000 {
		batch := Batch{Entries: []Entry{{Number: number, Kind: Received, User: UserKey(i + 1), At: begin.Unix()}}}
		if _, err := l.Append(context.Background(), batch, begin); err != nil {
			t.Fatal(err)
		}
		if position, err := l.get(positionKey); err != nil {
			t.Fatal(err)
		} else if position != nil {
			return
		}
	}
	t.Fatalf("no snapshot was taken by itself at %d bytes", l.journaled.Load())
}

// A secret gives the same keys after a restart, others elsewhere, and never one for a user and a message.
func TestHasherIsTheStores(t *testing.T) {
	fs := vfs.NewMem()
	l := openTest(t, fs)
	first := l.Hasher()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openTest(t, fs)
	defer func() { _ = l.Close() }()
	other := openTest(t, vfs.NewMem())
	defer func() { _ = other.Close() }()
	if first.User("+1") != l.Hasher().User("+1") || first.Message("a") != l.Hasher().Message("a") {
		t.Error("keys are others after a restart")
	}
	if first.User("+1") == other.Hasher().User("+1") || uint64(first.User("a")) == uint64(first.Message("a")) {
		t.Error("keys are the same that should not be")
	}
	if first.User("") == 0 || first.Message("") == 0 {
		t.Error("a key is zero")
	}
	memory := OpenMemory()
	defer func() { _ = memory.Close() }()
	if memory.Hasher() != NewHasher([16]byte{}) {
		t.Error("a ledger in memory has another secret than the fixed one")
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedDir); dir != "" {
		appendUntilKilled(dir)
		return
	}
	if os.Getenv(fullDisk) != "" {
		appendOnAFullDisk()
		return
	}
	if os.Getenv(lostPoints) != "" {
		appendToLostPoints()
		return
	}
	if os.Getenv(fatalStore) != "" {
		storeLog{funcr.New(func(_, args string) { fmt.Println(args) }, funcr.Options{})}.Fatalf("%d tables", 2)
		return
	}
	os.Exit(m.Run())
}
