package sampled

import (
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

const (
	users    = v1alpha1.MeasureUniqueUsers
	messages = v1alpha1.MeasureMessages
	day      = 24 * time.Hour
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// nothing is a ledger that nothing was delivered to.
type nothing struct{ rules.Usage }

func (nothing) Count(v1alpha1.Measure, time.Time, time.Time) int64          { return 0 }
func (nothing) Nth(v1alpha1.Measure, int64, time.Time, time.Time) time.Time { return time.Time{} }
func (nothing) Last(v1alpha1.Measure, time.Time, time.Time) time.Time       { return time.Time{} }

func read(measure v1alpha1.Measure, window time.Duration, count int64, at time.Time) Usage {
	return Usage{Feedback: nothing{}, Fresh: 2 * time.Minute, Readings: []Reading{{Measure: measure, Window: window, Count: count, At: at}}}
}

func TestACountTellsOfItsWindowAndOfTwoPeriodsAfterIt(t *testing.T) {
	u := read(users, day, 7, start)
	for name, c := range map[string]struct {
		measure v1alpha1.Measure
		window  time.Duration
		at      time.Time
		knows   bool
		count   int64
	}{
		"when it was read":    {users, day, start, true, 7},
		"shortly after":       {users, day, start.Add(119 * time.Second), true, 7},
		"two periods after":   {users, day, start.Add(2 * time.Minute), false, 7},
		"before it was read":  {users, day, start.Add(-time.Second), false, 7},
		"over another window": {users, 7 * day, start, false, 0},
		"another measure":     {messages, day, start, false, 0},
		"feedback":            {v1alpha1.MeasureComplaining, day, start.Add(day), true, 0},
	} {
		if got := u.Knows(c.measure, c.at.Add(-c.window), c.at); got != c.knows {
			t.Errorf("%s: it knows: %t", name, got)
		}
		if got := u.Count(c.measure, c.at.Add(-c.window), c.at); got != c.count {
			t.Errorf("%s: the count is %d, not %d", name, got, c.count)
		}
	}
	if (Usage{Readings: []Reading{{Measure: users, Window: day}}}).Knows(users, start.Add(-day), start) {
		t.Error("it knows what was never read")
	}
}

// What is positive at first may be about to leave the window; what rises was delivered since the read before.
func TestTheFirstRiseThatWasSeenIsTheFirstDelivery(t *testing.T) {
	var r Reading
	at := start
	for i, count := range []int64{500, 500, 499, 600, 600, 700} {
		at = start.Add(time.Duration(i) * time.Hour)
		r = r.Next(users, 7*day, count, at)
	}
	u := Usage{Feedback: nothing{}, Readings: []Reading{r}}
	if got := u.Nth(users, 1, at.Add(-7*day), at); !got.Equal(start.Add(3 * time.Hour)) {
		t.Errorf("the first rise is at %s", got)
	}
	if got := u.Nth(users, 250, start.Add(3*time.Hour), at); !got.Equal(at) {
		t.Errorf("after it, the next rise is at %s", got)
	}
	if got := u.Last(users, start, at); !got.Equal(at) {
		t.Errorf("the last rise is at %s", got)
	}
	if got := u.Last(users, start, at.Add(-time.Second)); !got.Equal(start.Add(3 * time.Hour)) {
		t.Errorf("before it, the last rise is at %s", got)
	}
	if got := u.Nth(users, 1, at, at.Add(day)); !got.IsZero() {
		t.Errorf("after the last there is one at %s", got)
	}
}

func TestRisesStayFew(t *testing.T) {
	var r Reading
	for i := range 60 * 24 * 10 {
		r = r.Next(users, 7*day, int64(i), start.Add(time.Duration(i)*time.Minute))
	}
	if n := len(r.Rises); n > 7*24+2 {
		t.Errorf("%d rises are kept", n)
	}
	if oldest := r.Rises[0]; !oldest.After(r.At.Add(-7*day)) || oldest.After(r.At.Add(-7*day+time.Hour)) {
		t.Errorf("the first rise within the window is at %s, at %s", oldest, r.At)
	}
	if last := r.Rises[len(r.Rises)-1]; !last.Equal(r.At) {
		t.Errorf("the last rise is at %s, not at %s", last, r.At)
	}
	// Another window is no rise, and another measure begins anew.
	if next := r.Next(users, 30*day, 1e6, r.At.Add(time.Minute)); !next.Rises[len(next.Rises)-1].Equal(r.At) {
		t.Error("a longer window is taken for a delivery")
	}
	if next := r.Next(messages, 7*day, 1e6, r.At.Add(time.Minute)); len(next.Rises) > 0 {
		t.Errorf("of another measure %d rises are kept", len(next.Rises))
	}
}

func TestTogetherNeitherMoreRoomNorAnEarlierUpgrade(t *testing.T) {
	counted := read(users, day, 100, start)
	counted.Readings = append(counted.Readings, Reading{Measure: messages, Window: day, Count: 1000, At: start})
	with := func(members ...Usage) Together { return Together{Counted: counted, Members: members} }
	a, b := read(users, day, 300, start), read(users, day, 200, start)
	stale := read(users, day, 900, start.Add(-day))
	from := start.Add(-day)
	for name, c := range map[string]struct {
		of          Together
		most, least int64
		known       bool
	}{
		"both known": {with(a, b), 600, 300, true},
		"one stale":  {with(a, stale), 1300, 300, false},
		"none known": {with(stale), 1000, 100, false},
		"no members": {with(), 100, 100, true},
	} {
		most, least := Most{c.of}, Least{c.of}
		if got := most.Count(users, from, start); got != c.most || most.Knows(users, from, start) != c.known {
			t.Errorf("%s: at most it is %d, known %t", name, got, !c.known)
		}
		if got := least.Count(users, from, start); got != c.least {
			t.Errorf("%s: at least it is %d, not %d", name, got, c.least)
		}
	}
	if got := (Least{with(read(messages, day, 50, start), read(messages, day, 70, start))}).Count(messages, from, start); got != 1120 {
		t.Errorf("the messages of all are %d", got)
	}
	if _, sampled := any(Least{}).(rules.Sampled); sampled {
		t.Error("at least is always known, and asks to be asked")
	}
}
