package ledger_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

const (
	number = "+15550100001"
	day    = 24 * 60 * 60 // seconds
)

var begin = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// delivery is a batch of one delivery.
func delivery(i int) counts.Batch {
	return counts.Batch{Entries: []counts.Entry{{Number: number, Kind: counts.Delivered, User: counts.UserKey(i + 1), Message: counts.MessageKey(i + 1), At: begin.Unix()}}}
}

// Nothing of a batch with an invalid entry is appended, and the error says which entry and which field.
func TestInvalidBatches(t *testing.T) {
	l := ledger.OpenMemory()
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
	l := ledger.OpenMemory()
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
		for i := range 4 { // time passes, and what is over is forgotten
			entry := counts.Entry{Number: "+1", Kind: counts.Received, User: counts.UserKey(i + 1), At: test.now.Unix()}
			if _, err := l.Append(t.Context(), counts.Batch{Entries: []counts.Entry{entry}}, test.now); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A closed ledger refuses to append, to be configured, to save and to be closed; what was subscribed is told of changes
// only.
func TestCloseAndSubscribe(t *testing.T) {
	l := ledger.OpenMemory()
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
		if !errors.Is(err, ledger.ErrClosed) {
			t.Errorf("%v", err)
		}
	}
}
