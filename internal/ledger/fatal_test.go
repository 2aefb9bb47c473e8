package ledger_test

import (
	"errors"
	"strings"
	"testing"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// After a record that could not be kept nothing more is recorded: each caller is told why, whoever opened the ledger is told once, and it
// can be closed.
func TestALedgerThatCannotGoOnSaysSo(t *testing.T) {
	full := errors.New("the disk is full")
	for name, test := range map[string]struct {
		append func() error
		want   string
	}{
		"an error": {func() error { return full }, "write to the journal: the disk is full"},
		"a panic":  {func() error { panic("it is gone") }, "write to the journal: panic: it is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			var told []error
			l := openJournal(t, ledger.Options{Fatal: func(err error) { told = append(told, err) }}, func(*counts.Round) error { return test.append() })
			_, first := l.Append(t.Context(), delivery(0), begin)
			_, second := l.Append(t.Context(), delivery(0), begin)
			for _, err := range []error{first, second, l.SetWindows(number, counts.Windows{}), l.SetPortfolio("p", nil), l.Claim("1", number), l.Snapshot(t.Context())} {
				if err == nil || !strings.HasPrefix(err.Error(), test.want) {
					t.Errorf("it says %v", err)
				}
			}
			if len(told) != 1 || told[0].Error() != first.Error() {
				t.Errorf("it is told %v", told)
			}
			if l.Known(number) {
				t.Error("what was not kept is counted")
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if err := l.Close(); !errors.Is(err, ledger.ErrClosed) {
				t.Errorf("closed again it says %v", err)
			}
		})
	}
}

// A record of which only a part was applied, since there is a mistake, leaves a ledger that answers its callers.
func TestAPanicOfTheMachineIsAnError(t *testing.T) {
	var told []error
	l := openJournal(t, ledger.Options{Fatal: func(err error) { told = append(told, err) }}, func(r *counts.Round) error {
		r.Records[0] = nil
		return nil
	})
	for range 2 {
		if _, err := l.Append(t.Context(), delivery(0), begin); err == nil || !strings.HasPrefix(err.Error(), "apply a record: panic: ") {
			t.Errorf("it says %v", err)
		}
	}
	if len(told) != 1 {
		t.Errorf("it is told %v", told)
	}
}
