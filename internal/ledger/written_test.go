package ledger_test

import (
	"context"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/report"
)

// testJournal keeps nothing, and does what a test wants where records are appended.
type testJournal struct {
	journal.Journal
	append func(*counts.Round) error
}

func (j *testJournal) Append(_ context.Context, r *counts.Round) error { return j.append(r) }

// openJournal opens a ledger on a journal that a test has a hand in.
func openJournal(t *testing.T, options ledger.Options, onAppend func(*counts.Round) error) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(&testJournal{journal.Discard, onAppend}, options)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// counting is a ledger that says how many records it has written.
func counting(t *testing.T) (l *ledger.Ledger, written func() int) {
	t.Helper()
	n := 0
	l = openJournal(t, ledger.Options{}, func(r *counts.Round) error {
		n += len(r.Records)
		return nil
	})
	return l, func() int { return n }
}

// Of a batch that has nothing to count nothing is written.
func TestNothingIsWrittenOfNothing(t *testing.T) {
	l, written := counting(t)
	late := begin.Add(-counts.Kept - counts.Lateness - time.Second).Unix()
	for _, batch := range []counts.Batch{{}, {
		Entries: []counts.Entry{{Number: number, Kind: counts.Received, User: 1, At: late}},
		Reports: []report.Report{{Subject: report.ParseSubject(number), Kind: report.Limit, At: late}},
	}} {
		if _, err := l.Append(context.Background(), batch, begin); err != nil {
			t.Fatal(err)
		}
		if written() != 0 {
			t.Errorf("%+v is written", batch)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// Windows are written to the journal when they change, and only then.
func TestWindowsAreWrittenWhenTheyChange(t *testing.T) {
	l, written := counting(t)
	others := counts.Windows{Service: time.Hour, Conversation: 2 * time.Hour}
	for i, test := range []struct {
		windows counts.Windows
		written bool
	}{
		{counts.DefaultWindows, false}, {others, true}, {others, false}, {counts.Windows{Service: time.Hour, Conversation: 2 * time.Hour, CountReached: true}, true},
		{counts.DefaultWindows, true}, {counts.DefaultWindows, false},
	} {
		before := written()
		if err := l.SetWindows(number, test.windows); err != nil {
			t.Fatal(err)
		}
		if is := written() != before; is != test.written {
			t.Errorf("at %d the windows %v are written: %t", i, test.windows, is)
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
	l, written := counting(t)
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
		before := written()
		if err := test.change(); err != nil {
			t.Fatal(err)
		}
		if is := written() != before; is != test.written {
			t.Errorf("change %d is written: %t", i, is)
		}
	}
}
