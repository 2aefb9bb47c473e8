package ledgertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// fork are two machines that applied the same records up to a point, and then each its own.
type fork struct {
	numbers  []string
	one, two *counts.Machine
	whole    *counts.Machine // applied the entries and reports of both
	now      time.Time
	ids      byte // of reservations that were asked for
}

// forked sets windows, portfolios, limits and names before the machines part, and gives each of them deliveries, reports and operations then.
func forked(t *rapid.T) *fork {
	f := &fork{numbers: someNumbers(t), whole: counts.NewMachine(), now: begin}
	control := &counts.Record{Clock: begin.UnixMilli(), Portfolios: []counts.Portfolio{{Name: "one", Numbers: f.numbers[:rapid.IntRange(0, len(f.numbers)).Draw(t, "members")]}}}
	for _, name := range f.numbers {
		control.Windows = append(control.Windows, counts.NumberWindows{Number: name, Windows: someWindows(t)})
		control.Senders = append(control.Senders, counts.SenderSetting{Number: name, Namespace: someOf(t, namespaces)})
	}
	for _, subject := range f.subjects() {
		limit := someLimit(t, subject, begin)
		limit.Limit = rapid.Int64Range(1, 9).Draw(t, "of")
		control.Limits = append(control.Limits, limit)
	}
	applyTo(f.whole, control)
	for range rapid.IntRange(0, 8).Draw(t, "before") {
		applyTo(f.whole, f.record(t))
	}
	f.one, f.two = again(t, f.whole), again(t, f.whole)
	for range rapid.IntRange(1, 12).Draw(t, "after") {
		r := f.record(t)
		on := f.one
		if rapid.Bool().Draw(t, "on the other") {
			on = f.two
		}
		applyTo(on, r)
		applyTo(f.whole, &counts.Record{Clock: r.Clock, Batch: r.Batch})
	}
	return f
}

func (f *fork) subjects() []string { return append([]string{counts.PortfolioKey("one")}, f.numbers...) }

func (f *fork) record(t *rapid.T) *counts.Record {
	f.now = f.now.Add(rapid.SampledFrom([]time.Duration{0, time.Minute, 20 * time.Minute, 7 * time.Hour}).Draw(t, "on"))
	r := &counts.Record{Clock: f.now.UnixMilli()}
	switch rapid.IntRange(0, 3).Draw(t, "record") {
	case 0:
		r.Reports = []report.Report{{
			Subject: report.ParseSubject(someOf(t, f.numbers)), Kind: report.Quality, At: someTime(t, begin.Unix(), f.now.Unix()), Value: someOf(t, []string{"Low", "High"}),
		}}
	case 1, 2:
		for range rapid.IntRange(1, 4).Draw(t, "operations") {
			o := someOperation(t, f.numbers, 8)
			if o.Pool != "" {
				continue
			}
			if o.Kind == counts.Reserve { // no id is drawn twice
				f.ids++
				o.ID = counts.ReservationID{0, f.ids}
			}
			r.Operations = append(r.Operations, o)
		}
	default:
		for range rapid.IntRange(1, 12).Draw(t, "entries") {
			r.Entries = append(r.Entries, someEntry(t, f.numbers, 8, someTime(t, begin.Add(-10*24*time.Hour).Unix(), f.now.Unix())))
		}
	}
	return r
}

// differences are what is not the same.
func differences(got, want map[string]int64) (all []string) {
	for what := range got {
		if got[what] != want[what] {
			all = append(all, fmt.Sprintf("%s is %d, not %d", what, got[what], want[what]))
		}
	}
	for what := range want {
		if _, found := got[what]; !found {
			all = append(all, "no "+what)
		}
	}
	slices.Sort(all)
	return all
}

// counted are all counts and reports of some subjects.
func counted(m *counts.Machine, subjects []string, now time.Time) map[string]int64 {
	all := map[string]int64{}
	for _, subject := range subjects {
		for _, measure := range measures {
			for _, window := range []time.Duration{24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour} {
				all[subject+" "+string(measure)+" "+window.String()] = m.Count(subject, measure, now.Add(-window), now)
			}
		}
		for _, r := range m.Reports(report.ParseSubject(subject), 0) {
			all[subject+" "+r.Value+" "+time.Unix(r.At, 0).UTC().String()]++
		}
	}
	return all
}

// states are those of all reservations that are known.
func (f *fork) states(m *counts.Machine) map[counts.ReservationID]counts.ReservationState {
	all := map[counts.ReservationID]counts.ReservationState{}
	for i := range f.ids {
		id := counts.ReservationID{0, i + 1}
		if r, known := m.Reservation(id); known {
			all[id] = r.State
		}
	}
	return all
}

// afterwards are the states in which a reservation may be that was in these states, or not known.
func afterwards(a, b counts.ReservationState) []counts.ReservationState {
	switch {
	case a == counts.Confirmed || b == counts.Confirmed:
		return []counts.ReservationState{counts.Confirmed, counts.Ended} // it had ended, or its message is delivered
	case a == counts.Ended || b == counts.Ended:
		return []counts.ReservationState{counts.Ended}
	case a == "" || b == "":
		return []counts.ReservationState{a + b}
	}
	return []counts.ReservationState{a, b}
}

// What two machines know that parted is put together, whichever takes what the other has: each delivery and each report of both, once. A
// reservation that one of them knows to be held is held, unless the other knows its end, or its message is delivered. So nowhere is more room
// than the two of them say. What was put together is restored as it is.
func TestMachinesThatPartedAreMerged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := forked(t)
		want := counted(f.whole, f.subjects(), f.now)
		for name, m := range map[string][2]*counts.Machine{
			"one": {again(t, f.one), again(t, f.two)}, "two": {again(t, f.two), again(t, f.one)},
		} {
			merged, other := m[0], m[1]
			merged.Merge(again(t, other))
			if wrong := differences(counted(merged, f.subjects(), f.now), want); len(wrong) > 0 {
				t.Fatalf("of %s: %s", name, strings.Join(wrong, "; "))
			}
			one, two, holds := f.states(f.one), f.states(f.two), int64(0)
			is := f.states(merged)
			for i := range f.ids {
				id := counts.ReservationID{0, i + 1}
				if !slices.Contains(afterwards(one[id], two[id]), is[id]) {
					t.Fatalf("the reservation %s is %q, and was %q and %q", id, is[id], one[id], two[id])
				}
				if is[id] == counts.Held {
					holds++
				}
			}
			open := int64(0)
			for _, subject := range f.subjects() {
				open += merged.Holds(subject, f.now).Open
			}
			if open < holds {
				t.Fatalf("%d reservations hold places, and %d should", open, holds)
			}
			if state(again(t, merged)) != state(merged) {
				t.Fatalf("%s is restored as another", name)
			}
		}
	})
}

// A machine that applied a part of the same records adds nothing, but for reservations that ended and are forgotten: they are held again.
func TestAMachineThatIsBehindAddsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := forked(t)
		m, behind := f.one, again(t, f.one)
		for range rapid.IntRange(0, 12).Draw(t, "more") {
			applyTo(m, f.record(t))
		}
		was, known := counted(m, f.subjects(), f.now), f.states(m)
		m.Merge(behind)
		if wrong := differences(counted(m, f.subjects(), f.now), was); len(wrong) > 0 {
			t.Fatal(strings.Join(wrong, "; "))
		}
		for id, is := range f.states(m) {
			if want, found := known[id]; found && !slices.Contains(afterwards(want, want), is) {
				t.Fatalf("the reservation %s is %s, and was %s", id, is, want)
			}
		}
	})
}
