package promusage

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

func (nothing) Count(v1alpha1.Measure, time.Time, time.Time) rules.Count {
	return rules.Count{Known: true}
}
func (nothing) Nth(v1alpha1.Measure, int64, time.Time, time.Time) time.Time { return time.Time{} }
func (nothing) Last(v1alpha1.Measure, time.Time, time.Time) time.Time       { return time.Time{} }

// achieved is usage of which one count was read that leads to the next tier.
func achieved(measure v1alpha1.Measure, window time.Duration, count int64, at time.Time) Usage {
	return Usage{Feedback: nothing{}, Fresh: 2 * time.Minute, Achieved: []Reading{{Measure: measure, Window: window, Count: count, At: at}}}
}

// used is usage of which one count was read that uses the limit.
func used(measure v1alpha1.Measure, window time.Duration, count int64, at time.Time) Usage {
	return Usage{Feedback: nothing{}, Fresh: 2 * time.Minute, Used: Reading{Measure: measure, Window: window, Count: count, At: at}}
}

func TestACountTellsOfItsWindowAndOfTwoPeriodsAfterIt(t *testing.T) {
	leads, limits := achieved(users, day, 7, start), used(users, day, 9, start)
	both := leads
	both.Used = limits.Used
	for name, c := range map[string]struct {
		of      Usage
		measure v1alpha1.Measure
		window  time.Duration
		at      time.Time
		want    rules.Count
	}{
		"when it was read":           {leads, users, day, start, rules.Count{Least: 7, Most: 7, Known: true}},
		"shortly after":              {leads, users, day, start.Add(119 * time.Second), rules.Count{Least: 7, Most: 7, Known: true}},
		"two periods after":          {leads, users, day, start.Add(2 * time.Minute), rules.Count{Most: 7}},
		"before it was read":         {leads, users, day, start.Add(-time.Second), rules.Count{Most: 7}},
		"over another window":        {leads, users, 7 * day, start, rules.Count{}},
		"another measure":            {leads, messages, day, start, rules.Count{}},
		"feedback":                   {leads, v1alpha1.MeasureComplaining, day, start.Add(day), rules.Count{Known: true}},
		"what uses the limit":        {limits, users, day, start, rules.Count{Most: 9, Known: true}},
		"what uses the limit, later": {limits, users, day, start.Add(time.Hour), rules.Count{Most: 9}},
		"one below the other":        {both, users, day, start, rules.Count{Least: 7, Most: 9, Known: true}},
		"what was never read":        {Usage{Achieved: []Reading{{Measure: users, Window: day}}}, users, day, start, rules.Count{}},
	} {
		if got := c.of.Count(c.measure, c.at.Add(-c.window), c.at); got != c.want {
			t.Errorf("%s: the count is %+v, not %+v", name, got, c.want)
		}
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
	u := Usage{Feedback: nothing{}, Achieved: []Reading{r}}
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
	exact := achieved(users, day, 100, start)
	exact.Achieved = append(exact.Achieved, Reading{Measure: messages, Window: day, Count: 1000, At: start})
	with := func(members ...Usage) Together { return Together{Counted: exact, Members: members} }
	a, b := achieved(users, day, 300, start), achieved(users, day, 200, start)
	stale := achieved(users, day, 900, start.Add(-day))
	from := start.Add(-day)
	for name, c := range map[string]struct {
		of   Together
		want rules.Count
	}{
		"both known":          {with(a, b), rules.Count{Least: 300, Most: 600, Known: true}},
		"one stale":           {with(a, stale), rules.Count{Least: 300, Most: 1300}},
		"none known":          {with(stale), rules.Count{Least: 100, Most: 1000}},
		"no members":          {with(), rules.Count{Least: 100, Most: 100, Known: true}},
		"what uses the limit": {with(used(users, day, 300, start)), rules.Count{Least: 100, Most: 400, Known: true}},
	} {
		if got := c.of.Count(users, from, start); got != c.want {
			t.Errorf("%s: together they are %+v, not %+v", name, got, c.want)
		}
	}
	if got := with(achieved(messages, day, 50, start), achieved(messages, day, 70, start)).Count(messages, from, start); got.Least != 1120 {
		t.Errorf("the messages of all are %+v", got)
	}
}
