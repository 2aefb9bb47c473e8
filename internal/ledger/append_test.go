package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// A report that comes again gets no new sequence; sequences are the same after a restart; the latest of each kind stays.
func TestReports(t *testing.T) {
	fs := vfs.NewCrashableMem()
	l := openTest(t, fs)
	now := begin
	give := func(reports ...report.Report) counts.Outcome {
		t.Helper()
		a, err := l.Append(context.Background(), counts.Batch{Reports: reports}, now)
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
			if err := l.Snapshot(context.Background()); err != nil {
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
	now = now.Add(counts.Kept + counts.Lateness + 48*time.Hour)
	sweep(l, now)
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
				if _, err := l.Append(context.Background(), counts.Batch{Reports: []report.Report{r}}, begin); err != nil {
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
	good := counts.Entry{Number: number, Kind: counts.Delivered, User: 1, Message: 1, At: now.Unix()}
	for field, spoil := range map[string]func(e *counts.Entry){
		"Number":    func(e *counts.Entry) { e.Number = "" },
		"Kind":      func(e *counts.Entry) { e.Kind = 7 },
		"User":      func(e *counts.Entry) { e.User = 0 },
		"Message":   func(e *counts.Entry) { e.Message = 0 },
		"Complaint": func(e *counts.Entry) { e.Kind, e.Complaint = counts.Complained, 0x17 },
		"Alias":     func(e *counts.Entry) { e.Kind, e.Message = counts.AliasLinked, 0 },
		"At":        func(e *counts.Entry) { e.At = now.Add(counts.Ahead).Unix() + 1 },
	} {
		bad := good
		spoil(&bad)
		_, err := l.Append(context.Background(), counts.Batch{Entries: []counts.Entry{good, bad}}, now)
		if !errors.Is(err, counts.ErrInvalid) || !strings.Contains(err.Error(), "entry 1: "+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if l.Known(number) {
		t.Fatal("part of an invalid batch was appended")
	}
	late, soon := good, good
	late.At, soon.At = now.Add(-counts.Kept-counts.Lateness).Unix()-1, now.Add(counts.Ahead).Unix()
	a, err := l.Append(context.Background(), counts.Batch{Entries: []counts.Entry{late, soon, soon}}, now)
	if err != nil || a != (counts.Outcome{New: 1, Repeated: 1, Expired: 1}) {
		t.Fatalf("%+v, %v", a, err)
	}
	for _, w := range []counts.Windows{{Service: -1}, {Conversation: counts.Kept + 1}, {Service: time.Millisecond}} {
		if err := l.SetWindows(number, w); !errors.Is(err, counts.ErrInvalid) {
			t.Errorf("%v: %v", w, err)
		}
	}
}

// What comes too late is told as such, whether by the time of the request or by what the number has forgotten already.
func TestWhatComesTooLateIsTold(t *testing.T) {
	l := OpenMemory()
	defer func() { _ = l.Close() }()
	at := func(times ...int64) (batch counts.Batch) {
		for i, at := range times {
			batch.Entries = append(batch.Entries, counts.Entry{Number: number, Kind: counts.Received, User: counts.UserKey(i + 1), At: at})
			batch.Reports = append(batch.Reports, report.Report{Subject: report.ParseSubject(number), Kind: report.Limit, At: at})
		}
		return batch
	}
	oldest := begin.Add(-counts.Kept - counts.Lateness).Unix()
	for _, test := range []struct {
		now   time.Time
		batch counts.Batch
		want  counts.Outcome
	}{
		{begin, at(oldest+day, oldest+2*day), counts.Outcome{New: 4}},
		{begin, at(oldest-1, oldest-2), counts.Outcome{Expired: 4}},
		{begin.Add(24 * time.Hour), at(begin.Unix()), counts.Outcome{New: 2}},
		{begin, at(oldest-1, oldest, oldest+1, begin.Unix()), counts.Outcome{Repeated: 1, New: 1, Expired: 6}}, // of clocks that differ
	} {
		if got, err := l.Append(context.Background(), test.batch, test.now); err != nil || got != test.want {
			t.Errorf("of %+v at %s there are %+v, %v", test.batch, test.now, got, err)
		}
		sweep(l, test.now)
	}
}

// A closed ledger refuses to append, to be configured, to save and to be closed; what was subscribed is told of changes
// only.
func TestCloseAndSubscribe(t *testing.T) {
	l := openTest(t, vfs.NewMem())
	var told, others []string
	l.Subscribe(func(number string) {
		told = append(told, number)
		l.Count(number, v1alpha1.MeasureUniqueUsers, begin, begin)
	})
	l.Subscribe(func(number string) { others = append(others, number) })
	batch := counts.Batch{
		Entries: []counts.Entry{{Number: "+2", Kind: counts.Received, User: 1, At: begin.Unix()}, {Number: "+1", Kind: counts.Received, User: 1, At: begin.Unix()}},
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
	for _, err := range []error{err, l.SetWindows("+1", counts.Windows{}), l.Snapshot(context.Background()), l.Close()} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%v", err)
		}
	}
}
