package presence

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// steady is a clock that is set by hand.
type steady struct{ now time.Time }

func (c *steady) Now() time.Time                 { return c.now }
func (c *steady) Wait(t time.Time) time.Duration { return t.Sub(c.now) }

var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

func open(t *testing.T, file string, now time.Time) *Presence {
	t.Helper()
	p, err := Open(file, &steady{now})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A short break is none; after a longer one the presence begins anew.
func TestTheOperatorIsThereSince(t *testing.T) {
	file := filepath.Join(t.TempDir(), "presence")
	for _, step := range []struct {
		what        string
		now, since  time.Duration
		forget, bad bool
	}{
		{what: "the first start", now: 0, since: 0},
		{what: "a restart", now: 20 * time.Minute, since: 0},
		{what: "a break of an hour", now: 80 * time.Minute, since: 0},
		{what: "a longer break", now: 141 * time.Minute, since: 141 * time.Minute},
		{what: "a clock that was set back a little", now: 150 * time.Minute, since: 141 * time.Minute},
		{what: "a clock that was set back", now: 100 * time.Minute, since: 100 * time.Minute},
		{what: "another disk", now: 110 * time.Minute, since: 110 * time.Minute, forget: true},
	} {
		if step.forget {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := open(t, file, start.Add(step.now)).PresentSince(), start.Add(step.since); !got.Equal(want) {
			t.Errorf("%s: there since %s, want %s", step.what, got, want)
		}
	}
}

// While it runs, a pause of the machine is an absence, and every beat outlives a crash.
func TestWhatIsNotedWhileItRuns(t *testing.T) {
	file := filepath.Join(t.TempDir(), "presence")
	clock := &steady{start}
	p, err := Open(file, clock)
	if err != nil {
		t.Fatal(err)
	}
	for range 30 {
		clock.now = clock.now.Add(beat)
		if err := p.note(); err != nil {
			t.Fatal(err)
		}
	}
	if got := open(t, file, clock.now.Add(counts.Break)).PresentSince(); !got.Equal(start) {
		t.Errorf("after a crash: there since %s", got)
	}
	clock.now = clock.now.Add(2 * counts.Break)
	if err := p.note(); err != nil {
		t.Fatal(err)
	}
	if got := p.PresentSince(); !got.Equal(clock.now) {
		t.Errorf("after a pause: there since %s", got)
	}
}

// What cannot be read is told, and the presence begins now.
func TestAFileThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "presence")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Open(file, &steady{start})
	if err == nil || !p.PresentSince().Equal(start) {
		t.Errorf("of a broken file: there since %s, %v", p.PresentSince(), err)
	}
	p, err = Open(filepath.Join(t.TempDir(), "no", "such", "folder"), &steady{start})
	if err == nil || !p.PresentSince().Equal(start) {
		t.Errorf("of a file that cannot be written: there since %s, %v", p.PresentSince(), err)
	}
}
