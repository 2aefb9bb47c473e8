package counts

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// A user who changes number is one user, in whatever order that and the deliveries become known, and however long the ledger had
// to forget in between.
func TestAUserWhoChangesNumberCountsOnce(t *testing.T) {
	now := begin
	old := Entry{Number: number, Kind: Delivered, User: 1, Message: 1, At: now.Unix() - 50}
	fresh := Entry{Number: number, Kind: Delivered, User: 2, Message: 2, At: now.Unix() - 10}
	change := Entry{Number: number, Kind: AliasLinked, User: 1, Alias: 2, At: now.Unix() - 30}
	for name, order := range map[string][]Entry{
		"before all": {change, old, fresh}, "in between": {old, change, fresh}, "after all": {fresh, old, change},
		"the other way round": {{Number: number, Kind: AliasLinked, User: 2, Alias: 1, At: change.At}, old, fresh}, "twice": {change, old, change, fresh, change},
	} {
		l := newApplier()
		for _, e := range order {
			if _, err := l.Append(context.Background(), Batch{Entries: []Entry{e}}, now); err != nil {
				t.Fatal(err)
			}
			l.Sweep(now)
		}
		if got := l.Count(number, Users, now.Add(-time.Hour), now); got != 1 {
			t.Errorf("%s: it counts %d users", name, got)
		}
		if got := l.Count(number, Messages, now.Add(-time.Hour), now); got != 2 {
			t.Errorf("%s: it counts %d messages: a change is no window", name, got)
		}
		_ = l.Close()
	}
}

// A message that failed counts nothing and opens no window, also where it is delivered after all; that it names a user twice is known.
func TestAMessageThatFailedCountsNothing(t *testing.T) {
	at := begin.Add(-time.Hour).Unix()
	failed := func(message MessageKey, alias UserKey) Entry {
		return Entry{Kind: Failed, Message: message, Alias: alias, At: at}
	}
	for name, test := range map[string]struct {
		entries []Entry
		want    [4]int64
	}{
		"alone":                     {[]Entry{failed(1, 0), failed(1, 0)}, [4]int64{}},
		"delivered all the same":    {[]Entry{failed(1, 0), {Kind: Delivered, Message: 1, At: at + 1}}, [4]int64{1, 1, 1, 1}},
		"to a user with two keys":   {[]Entry{failed(1, 2), {Kind: Delivered, Message: 2, At: at + 1}, {Kind: Delivered, User: 2, Message: 3, At: at + 2}}, [4]int64{1, 1, 2, 1}},
		"to two users with one key": {[]Entry{failed(1, 0), {Kind: Delivered, Message: 2, At: at + 1}, {Kind: Delivered, User: 2, Message: 3, At: at + 2}}, [4]int64{2, 2, 2, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			expectInAnyOrder(t, test.entries, map[string][4]int64{number: test.want, PortfolioKey("g"): test.want})
		})
	}
	l := newApplier()
	batch := Batch{Entries: []Entry{{Number: number, Kind: Failed, User: 1, Message: 1, At: at}}}
	if got, err := l.Append(context.Background(), batch, begin); err != nil || got != (Outcome{}) {
		t.Errorf("it is %+v, %v", got, err)
	}
}

// What joins says nothing else: it counts nothing, and a repetition changes nothing.
func TestAJoinCountsNothing(t *testing.T) {
	l := newApplier()
	batch := Batch{Entries: []Entry{{Number: number, Kind: AliasLinked, User: 1, Alias: 2, At: begin.Unix()}}}
	for i, want := range []Outcome{{New: 1}, {Repeated: 1}} {
		if got, err := l.Append(context.Background(), batch, begin); err != nil || got != want {
			t.Errorf("appended for the time %d: %+v, %v", i, got, err)
		}
	}
	same := Batch{Entries: []Entry{{Number: number, Kind: AliasLinked, User: 3, Alias: 3, At: begin.Unix()}}}
	if got, err := l.Append(context.Background(), same, begin); err != nil || got.New != 0 {
		t.Errorf("a user joined with themselves: %+v, %v", got, err)
	}
	for _, measure := range []v1alpha1.Measure{Users, Conversations, Messages, Reached, Complaining} {
		if n := l.Count(number, measure, begin.Add(-time.Hour), begin.Add(time.Hour)); n != 0 {
			t.Errorf("it counts %d of %s", n, measure)
		}
	}
	if next := l.NextExpiry(number, begin, 24*time.Hour); !next.IsZero() {
		t.Errorf("something expires at %s", next)
	}
}

// A change with nothing else about the user is kept over restarts for as long as an event of its time would be, and then forgotten.
func TestAJoinIsKeptAndForgottenAsAnEventIs(t *testing.T) {
	fs, now := newDisk(), begin
	l := openTest(t, fs)
	reopen := func() {
		t.Helper()
		if err := l.Snapshot(context.Background(), now); err != nil {
			t.Fatal(err)
		}
		l = openTest(t, fs)
	}
	appendOne := func(entries ...Entry) {
		t.Helper()
		if _, err := l.Append(context.Background(), Batch{Entries: entries}, now); err != nil {
			t.Fatal(err)
		}
	}
	// The keys are one user by way of a third, of whom nothing but an old message is known.
	appendOne(Entry{Number: number, Kind: Received, User: 1, Alias: 3, At: now.Add(-20 * 24 * time.Hour).Unix()},
		Entry{Number: number, Kind: AliasLinked, User: 3, Alias: 2, At: now.Unix()})
	reopen()
	now = now.Add(Kept + Lateness)
	reopen()
	appendOne(Entry{Number: number, Kind: Delivered, User: 1, Message: 1, At: now.Unix()}, Entry{Number: number, Kind: Delivered, User: 2, Message: 2, At: now.Unix()},
		Entry{Number: number, Kind: Delivered, User: 3, Message: 3, At: now.Unix()})
	if got := l.Count(number, Users, now.Add(-time.Hour), now); got != 1 {
		t.Errorf("after 37 days it counts %d users", got)
	}
	now = now.Add(2 * (Kept + Lateness))
	reopen()
	reopen() // names go once who bore them is gone
	if s := l.number(number); len(s.linked) != 0 || s.known() && slices.ContainsFunc(s.users.all(), func(p *shard) bool { return p.used > 0 }) {
		t.Errorf("%d joins are kept for ever", len(s.linked))
	}
	appendOne(Entry{Number: number, Kind: Delivered, User: 1, Message: 4, At: now.Unix()}, Entry{Number: number, Kind: Delivered, User: 2, Message: 5, At: now.Unix()})
	if got := l.Count(number, Users, now.Add(-time.Hour), now); got != 2 {
		t.Errorf("once it is forgotten it counts %d users", got)
	}
	_ = l.Close()
}

// What two keys complained about at one number is what one user did, for the portfolio that knows from another number that they are.
func TestComplaintsOfAUserWhomAnotherNumberJoined(t *testing.T) {
	l := newApplier()
	at := begin.Unix()
	spam, mute := NewComplaint(v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam), NewComplaint(v1alpha1.FeedbackMute, v1alpha1.FeedbackOther)
	batch := Batch{Entries: []Entry{
		{Number: "+2", Kind: Complained, Complaint: spam, User: 1, Message: 1, At: at - 3}, {Number: "+2", Kind: Complained, Complaint: mute, User: 2, Message: 2, At: at - 2},
		{Number: "+2", Kind: Complained, Complaint: spam, User: 2, Message: 3, At: at - 1}, {Number: "+1", Kind: AliasLinked, User: 1, Alias: 2, At: at},
	}}
	if err := l.Group("before", []string{"+1", "+2"}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(context.Background(), batch, begin); err != nil {
		t.Fatal(err)
	}
	for _, group := range []string{"before", "after"} {
		if err := l.Group(group, []string{"+1", "+2"}); err != nil {
			t.Fatal(err)
		}
		from := begin.Add(-time.Minute)
		for subject, want := range map[string][]Insight{
			"+2":                {{v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam, 2}, {v1alpha1.FeedbackMute, v1alpha1.FeedbackOther, 1}},
			PortfolioKey(group): {{v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam, 1}, {v1alpha1.FeedbackMute, v1alpha1.FeedbackOther, 1}},
		} {
			if got := l.Feedback(subject, from, begin); !slices.Equal(got, want) {
				t.Errorf("%s has feedback %v", subject, got)
			}
			if got := l.Count(subject, Complaining, from, begin); got != want[0].Users {
				t.Errorf("about %s %d users complain", subject, got)
			}
			for n, want := range []int64{at - 3, at - 2, at - 1} {
				if got := l.Nth(subject, Complaining, int64(n+1), from, begin); got.Unix() != want {
					t.Errorf("complaint %d about %s is at %d, not %d", n+1, subject, got.Unix(), want)
				}
			}
		}
	}
}

// A join at one number of a portfolio is one in the portfolio, and not at its other numbers.
func TestAJoinAtOneNumberOfAGroup(t *testing.T) {
	l := newApplier()
	at := begin.Unix()
	if err := l.Group("one", []string{"+1", "+2"}); err != nil {
		t.Fatal(err)
	}
	_, err := l.Append(context.Background(), Batch{Entries: []Entry{
		{Number: "+2", Kind: Delivered, User: 1, Message: 1, At: at}, {Number: "+2", Kind: Delivered, User: 2, Message: 2, At: at},
		{Number: "+1", Kind: AliasLinked, User: 1, Alias: 2, At: at},
	}}, begin)
	if err != nil {
		t.Fatal(err)
	}
	l.Sweep(begin)
	for subject, want := range map[string]int64{"+1": 0, "+2": 2, PortfolioKey("one"): 1} {
		if got := l.Count(subject, Users, begin.Add(-time.Hour), begin); got != want {
			t.Errorf("%s counts %d users, want %d", subject, got, want)
		}
	}
}

// The number's own row has the joins.
func TestJoinsInTheNumbersRow(t *testing.T) {
	s := newNumberState(number, 0)
	s.users.shards, _ = partsOf([2]uint64{0, 0})
	s.linked = map[key]uint32{7: 100, 9: 50}
	row := s.encode()
	again := newNumberState(number, 0)
	if err := again.decode(row); err != nil || !maps.Equal(again.linked, s.linked) || !bytes.Equal(again.encode(), row) {
		t.Errorf("%v, %v", again.linked, err)
	}
}
