package counts

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// What was at an instant that has passed is answered as it was then, of users about whom there was more since: each counts at what
// was their last, in whatever order they came, from any time on and from the beginning of time.
func TestCountsAsOfThePast(t *testing.T) {
	l := newApplier()
	then := begin.Add(-48 * time.Hour)
	if err := errors.Join(l.Configure(number, Windows{Service: time.Minute, CountReached: true}), l.Group("g", []string{number, "+2"})); err != nil {
		t.Fatal(err)
	}
	var batch Batch
	message := MessageKey(0)
	give := func(user int, at time.Time, kinds ...Kind) {
		for _, kind := range kinds {
			message++
			e := Entry{Number: number, Kind: kind, User: UserKey(user), Message: message, At: at.Unix()}
			if kind == Complained {
				e.Complaint = NewComplaint(v1alpha1.FeedbackMute, v1alpha1.FeedbackOther)
			}
			batch.Entries = append(batch.Entries, e)
		}
	}
	const users = 40
	last := map[v1alpha1.Measure][]time.Time{} // of each user, up to then
	for user := range users {
		at := then.Add(-time.Duration(user*23%users) * time.Minute) // each at a minute of their own, in no order
		later := then.Add(time.Duration(1+user) * time.Second)
		counted := at
		give(user+1, at.Add(-time.Hour), Delivered, Complained)
		give(user+1, at, Delivered, Complained)
		switch user % 4 {
		case 0: // nothing since then but an answer
			give(user+1, later, Received, Delivered, Complained)
		case 1: // nothing at all
		case 2: // the last up to then was an answer
			give(user+1, at, Received)
			counted = at.Add(-time.Hour)
			fallthrough
		case 3:
			give(user+1, later, Delivered, Complained)
		}
		last[Users] = append(last[Users], counted)
		last[Reached] = append(last[Reached], at)
		last[Complaining] = append(last[Complaining], at)
	}
	give(users+1, begin, Delivered, Complained) // who was not there yet
	if _, err := l.Append(context.Background(), batch, begin); err != nil {
		t.Fatal(err)
	}
	const window = 24 * time.Hour
	for _, subject := range []string{number, PortfolioKey("g")} {
		for measure, last := range last {
			slices.SortFunc(last, time.Time.Compare)
			if got := l.Count(subject, measure, time.Time{}, then); got != users {
				t.Errorf("of measure %s %s had %d, not %d", measure, subject, got, users)
			}
			for i, at := range last {
				if got, want := l.Count(subject, measure, at, then), int64(users-1-i); got != want {
					t.Errorf("of measure %s %s had %d after the one of index %d, not %d", measure, subject, got, i, want)
				}
				if got, want := l.FallsBelow(subject, measure, window, int64(users-i), then), at.Add(window); !got.Equal(want) {
					t.Errorf("of measure %s %s fell below %d at %s, not %s", measure, subject, users-i, got, want)
				}
			}
		}
	}
}

// So it is for a portfolio, in which what is later, or the last up to then, may be another number's, and the number may know the user by
// another key.
func TestGroupCountsAsOfThePast(t *testing.T) {
	l := newApplier()
	then := begin.Add(-48 * time.Hour)
	mute := NewComplaint(v1alpha1.FeedbackMute, v1alpha1.FeedbackOther)
	if err := errors.Join(l.Configure("+1", Windows{CountReached: true}), l.Configure("+2", Windows{CountReached: true}), l.Group("g", []string{"+1", "+2", "+3"})); err != nil {
		t.Fatal(err)
	}
	var batch Batch
	message := MessageKey(0)
	give := func(number string, user UserKey, at time.Time) {
		message++
		batch.Entries = append(batch.Entries,
			Entry{Number: number, Kind: Delivered, User: user, Message: message, At: at.Unix()},
			Entry{Number: number, Kind: Complained, Complaint: mute, User: user, Message: message, At: at.Unix()})
	}
	const users = 24
	var last []time.Time
	for i := range users {
		user, other := UserKey(i+1), UserKey(i+1)
		if i%2 == 0 { // each of the two numbers knows the user by another key
			other += 1000
			batch.Entries = append(batch.Entries, Entry{Number: "+3", Kind: AliasLinked, User: user, Alias: other, At: then.Unix()})
		}
		at := then.Add(-time.Duration(i*7%users) * time.Minute)
		last = append(last, at)
		switch i % 3 {
		case 0: // the last is of one, the later of the other
			give("+1", user, at)
			give("+2", other, then.Add(time.Second))
		case 1: // both had some before
			give("+1", user, at.Add(-time.Hour))
			give("+2", other, at)
			give("+1", user, then.Add(time.Second))
		case 2: // nothing is later
			give("+1", user, at.Add(-time.Hour))
			give("+2", other, at)
		}
	}
	if _, err := l.Append(context.Background(), batch, begin); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(last, time.Time.Compare)
	for _, group := range []string{"g", "made anew"} {
		if err := l.Group(group, []string{"+1", "+2", "+3"}); err != nil {
			t.Fatal(err)
		}
		for _, measure := range []v1alpha1.Measure{Users, Reached, Complaining} {
			for i, at := range append([]time.Time{{}}, last...) {
				if got, want := l.Count(PortfolioKey(group), measure, at, then), int64(users-i); got != want {
					t.Errorf("of measure %s group %s had %d after the one of index %d, not %d", measure, group, got, i-1, want)
				}
			}
			for i, at := range last {
				if got, want := l.FallsBelow(PortfolioKey(group), measure, 24*time.Hour, int64(users-i), then), at.Add(24*time.Hour); !got.Equal(want) {
					t.Errorf("of measure %s group %s fell below %d at %s, not %s", measure, group, users-i, got, want)
				}
			}
		}
		for from, want := range map[time.Time]int64{{}: users, last[9]: users - 10, then: 16} {
			to := then
			if from.Equal(then) {
				to = begin
			}
			if got := l.Feedback(PortfolioKey(group), from, to); len(got) != 1 || got[0].Users != want {
				t.Errorf("after %s the feedback of group %s is %v, not of %d users", from, group, got, want)
			}
		}
	}
}

// What is exactly as old as what is kept is counted, to the second, until it is older: as it came, swept, counted anew, and after
// a restart, of users with one event and with several, and whatever comes to it.
func TestTheOldestSecondCounts(t *testing.T) {
	fs := newDisk()
	l := openTest(t, fs)
	oldest := begin.Unix()
	now := begin.Add(Kept + Lateness)
	windows := Windows{Service: time.Hour, Conversation: time.Hour, CountReached: true}
	do := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	message := MessageKey(0)
	give := func(kind Kind, user UserKey, at int64, when time.Time) {
		t.Helper()
		message++
		e := Entry{Number: number, Kind: kind, User: user, Message: message, At: at}
		if kind == Complained {
			e.Complaint = NewComplaint(v1alpha1.FeedbackMute, v1alpha1.FeedbackOther)
		}
		if got, err := l.Append(context.Background(), Batch{Entries: []Entry{e}}, when); err != nil || got.New != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	expect := func(step string, want map[v1alpha1.Measure]int64) {
		t.Helper()
		for _, subject := range []string{number, PortfolioKey("g")} {
			for measure, want := range want {
				if got := l.Count(subject, measure, time.Time{}, now.Add(time.Hour)); got != want {
					t.Errorf("%s, of measure %s %s has %d, not %d", step, measure, subject, got, want)
				}
			}
			var complaints int64
			for _, insight := range l.Feedback(subject, time.Time{}, now.Add(time.Hour)) {
				complaints += insight.Users
			}
			if complaints != want[Complaining] {
				t.Errorf("%s, %d users complained about %s, not %d", step, complaints, subject, want[Complaining])
			}
		}
	}
	do(l.Configure(number, windows), l.Group("g", []string{number, "+2"}))
	give(Delivered, 1, oldest, begin)
	give(Delivered, 2, oldest-1, begin)
	give(Delivered, 3, oldest-1, begin)
	give(Delivered, 3, oldest, begin)
	give(Delivered, 4, oldest, begin)
	give(Delivered, 4, oldest+10, begin)
	give(Complained, 5, oldest, begin)
	give(Complained, 6, oldest-1, begin)
	give(Complained, 7, oldest-1, begin)
	give(Complained, 7, oldest, begin)
	expect("as it came", map[v1alpha1.Measure]int64{Messages: 6, Users: 4, Reached: 4, Conversations: 4, Complaining: 3})
	l.Sweep(now)
	left := map[v1alpha1.Measure]int64{Messages: 4, Users: 3, Reached: 3, Conversations: 2, Complaining: 2}
	expect("swept", left)
	windows.Conversation += time.Second
	do(l.Configure(number, windows))
	expect("counted anew", left)
	do(l.Snapshot(context.Background(), now), l.Close())
	l = openTest(t, fs)
	do(l.Group("g", []string{number, "+2"}))
	expect("restarted", left)
	give(Delivered, 8, oldest, now)
	give(Complained, 9, oldest, now)
	expect("with what comes as late as can be", map[v1alpha1.Measure]int64{Messages: 5, Users: 4, Reached: 4, Conversations: 3, Complaining: 3})
	for _, user := range []UserKey{1, 3, 4} {
		give(Delivered, user, now.Unix(), now)
	}
	give(Delivered, 1, now.Unix()-1, now)
	give(Complained, 5, now.Unix(), now)
	expect("with what came later", map[v1alpha1.Measure]int64{Messages: 9, Users: 4, Reached: 4, Conversations: 6, Complaining: 3})
	l.Sweep(now.Add(time.Second))
	expect("a second later", map[v1alpha1.Measure]int64{Messages: 5, Users: 3, Reached: 3, Conversations: 3, Complaining: 1})
}

// A number whose first event came long before those of another is counted from its own beginning; a portfolio of them only from where
// both are, whatever happens to what came before that.
func TestAGroupBeginsWhereAllItsNumbersDo(t *testing.T) {
	one, two, g := newNumberState("+1", 0), newNumberState("+2", 0), newPortfolioState(PortfolioKey("p"))
	give := func(s *numberState, user key, at int64) {
		t.Helper()
		if got := s.record(event{kind: Delivered, user: user, fingerprint: uint32(at) & lowFingerprint, at: uint32(at)}); got != changed {
			t.Fatalf("an event at %d is %d", at, got)
		}
	}
	later := begin.Unix() + 20*day
	first := oldest(earliestNow(uint32(later))) // of the other number
	give(one, 1, begin.Unix())
	give(two, 2, later)
	for _, s := range []*numberState{one, two} {
		s.configure(windowLengths{countReached: true})
	}
	g.set([]*numberState{one, two})
	// In no order, so that nothing is added behind what is there.
	for _, at := range []int64{first + 1, first - 1, first, first - 2, first + 2} {
		give(one, 3, at)
		give(one, 4, 2*first-at)
	}
	for _, test := range []struct {
		name            string
		is              counter
		users, messages int64
	}{{"the number", one, 3, 11}, {"the group", g, 4, 8}} {
		for measure, want := range map[v1alpha1.Measure]int64{Users: test.users, Reached: test.users, Messages: test.messages, Conversations: test.messages} {
			if got := count(test.is, measure, 0, later); got != want {
				t.Errorf("of measure %s %s has %d, not %d", measure, test.name, got, want)
			}
		}
	}
}
