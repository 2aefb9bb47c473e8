package counts

import (
	"testing"
	"time"
)

// Somebody is there to receive since the first round of a shared log, whoever proposes: a takeover is no break, and what is longer than Break
// is one. A snapshot knows it. A log that is not shared says nothing.
func TestSomebodyIsThereSince(t *testing.T) {
	m := NewMachine()
	if m.Apply(1, &Round{Records: []*Record{{Clock: begin.Add(-2 * Break).UnixMilli()}}}); !m.PresentSince().Equal(time.UnixMilli(0)) {
		t.Errorf("of a log that is not shared: since %s", m.PresentSince())
	}
	for i, step := range []struct {
		what       string
		by         uint64
		now, since time.Duration
	}{
		{"the first round", 1, 0, 0},
		{"the next one", 1, time.Second, 0},
		{"another process takes over", 2, 10 * time.Second, 0},
		{"a break of an hour", 3, 10*time.Second + Break, 0},
		{"a longer one", 4, 11*time.Second + 2*Break, 11*time.Second + 2*Break},
		{"a process whose clock is behind", 5, 2 * Break, 11*time.Second + 2*Break},
	} {
		at := begin.Add(step.now).UnixMilli()
		m.Apply(uint64(i+2), &Round{Proposer: step.by, Batch: 1 + uint64(i), Clock: at, Stamp: at, Records: []*Record{{Clock: at}}})
		for of, v := range map[string]*Machine{"the machine": m, "its snapshot": m.restored(t)} {
			if want := begin.Add(step.since); !v.PresentSince().Equal(want) {
				t.Errorf("%s: %s says since %s, want %s", step.what, of, v.PresentSince(), want)
			}
		}
	}
}
