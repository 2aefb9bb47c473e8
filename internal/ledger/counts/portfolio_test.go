package counts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// A user of two numbers is two users of theirs and one of their portfolio, also where one number knows the user by the
// business-scoped id only and the other by both; a service window is a number's own.
func TestGroupCountsUsersOnce(t *testing.T) {
	l := newApplier()
	const phone, scoped = 7, 8
	at := begin.Unix()
	entries := []Entry{
		{Number: "+1", Kind: Delivered, User: scoped, Message: 1, At: at},
		{Number: "+2", Kind: Delivered, User: phone, Alias: scoped, Message: 2, At: at + 1},
		{Number: "+2", Kind: Received, User: phone, At: at + 2},
		{Number: "+1", Kind: Delivered, User: scoped, Message: 3, At: at + 3},
		{Number: "+2", Kind: Delivered, User: phone, Message: 4, At: at + 4},
	}
	if err := l.Group("g", []string{"+2", "+1", "+2"}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(context.Background(), Batch{Entries: entries}, begin.Add(Ahead)); err != nil {
		t.Fatal(err)
	}
	from, to := begin.Add(-time.Hour), begin.Add(time.Hour)
	for _, want := range []struct {
		subject                        string
		users, conversations, messages int64
	}{{"+1", 1, 1, 2}, {"+2", 1, 1, 1}, {PortfolioKey("g"), 1, 1, 3}} {
		users, conversations, messages := l.Count(want.subject, Users, from, to), l.Count(want.subject, Conversations, from, to), l.Count(want.subject, Messages, from, to)
		if users != want.users || conversations != want.conversations || messages != want.messages {
			t.Errorf("%s has %d users, %d conversations, %d messages", want.subject, users, conversations, messages)
		}
	}
}

// A number is in one portfolio at most; a portfolio that is declared as it is stays as it is; one without numbers is gone. None of
// it makes a number known, and who subscribed is told of numbers only.
func TestGroupMembership(t *testing.T) {
	l := newApplier()
	var told []string
	l.Subscribe(func(number string) { told = append(told, number) })
	declare := func(name string, numbers ...string) {
		t.Helper()
		if err := l.Group(name, numbers); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(name string, want int64) {
		t.Helper()
		if got := l.Count(PortfolioKey(name), Users, begin.Add(-time.Hour), begin); got != want {
			t.Fatalf("group %s has %d users, want %d", name, got, want)
		}
	}
	declare("one", "+1", "+2", "+9")
	if l.Known("+9") || len(l.Numbers()) > 0 {
		t.Fatal("a group makes numbers known")
	}
	var batch Batch
	for i, number := range []string{"+1", "+2", "+2", "+3"} {
		batch.Entries = append(batch.Entries, Entry{Number: number, Kind: Delivered, User: UserKey(i + 1), Message: 1, At: begin.Unix()})
	}
	if _, err := l.Append(context.Background(), batch, begin); err != nil {
		t.Fatal(err)
	}
	if want := []string{"+1", "+2", "+3"}; !slices.Equal(told, want) || !slices.Equal(l.Numbers(), want) {
		t.Fatalf("told of %q, numbers are %q", told, l.Numbers())
	}
	expect("one", 3)
	names := l.portfolios[PortfolioKey("one")].rings.table.shards[0]
	declare("one", "+9", "+2", "+1")
	if l.portfolios[PortfolioKey("one")].rings.table.shards[0] != names {
		t.Fatal("a group that was declared again was made again")
	}
	declare("two", "+2", "+3")
	expect("one", 1)
	expect("two", 3)
	declare("two")
	expect("two", 0)
	if l.Known(PortfolioKey("two")) || !l.Known(PortfolioKey("one")) {
		t.Fatal("a group without numbers is known, or one with some is not")
	}
	declare("one", "+1", "+2", "+3")
	expect("one", 4)
	if err := l.Group("one", []string{""}); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	expect("one", 4)
}

// Numbers that join portfolios and leave them while they are appended to, swept, saved and read end as if none of it had been
// at the same time.
func TestGroupsDuringAppends(t *testing.T) {
	l, now := openTest(t, newDisk()), begin
	numbers := []string{"+1", "+2", "+3", "+4"}
	var appended [2][]Batch
	var working sync.WaitGroup
	for w := range appended {
		working.Go(func() {
			rng := rand.New(rand.NewSource(int64(w)))
			for range 100 {
				var batch Batch
				for range 50 {
					e := Entry{Number: numbers[rng.Intn(4)], User: UserKey(1 + rng.Intn(300)), At: now.Unix() - rng.Int63n(40*day)}
					e.Kind = Kind(1 + rng.Intn(4))
					e.Message = MessageKey(rng.Uint64() | 1)
					if e.Kind == Complained {
						e.Complaint = NewComplaint(v1alpha1.FeedbackMute, v1alpha1.FeedbackNoReason)
					}
					if e.Kind == AliasLinked || rng.Intn(4) == 0 {
						e.Alias = UserKey(1 + rng.Intn(3000))
					}
					batch.Entries = append(batch.Entries, e)
				}
				if _, err := l.Append(context.Background(), batch, now); err != nil {
					t.Error(err)
				}
				appended[w] = append(appended[w], batch)
			}
		})
	}
	repeat := func(do func(i int) error) { // as often on each machine, whoever is quicker
		working.Go(func() {
			for i := range 60 {
				if err := do(i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	repeat(func(i int) error {
		return l.Group(fmt.Sprint("g", i%3), numbers[i%4:min(4, i%4+i%5)])
	})
	repeat(func(int) error { return l.Snapshot(context.Background(), now) })
	repeat(func(i int) error {
		subject := PortfolioKey(fmt.Sprint("g", i%3))
		l.Count(subject, Users, now.Add(-Kept), now.Add(-day*time.Second))
		l.FallsBelow(subject, Complaining, Kept, 1, now)
		l.Feedback(subject, now.Add(-Kept), now)
		return l.Configure("+1", Windows{Service: time.Duration(i%2) * time.Hour, CountReached: i%3 == 0})
	})
	working.Wait()

	again := newApplier()
	defer func() { _ = again.Close() }()
	for _, batches := range appended {
		for _, batch := range batches {
			if _, err := again.Append(context.Background(), batch, now); err != nil {
				t.Fatal(err)
			}
		}
	}
	again.Sweep(now)
	l.Sweep(now)
	for _, e := range []*applier{l, again} {
		if err := errors.Join(
			e.Configure("+1", Windows{CountReached: true}), e.Group("g0", nil), e.Group("g1", nil), e.Group("g2", numbers[1:])); err != nil {
			t.Fatal(err)
		}
	}
	// Conversations that began before what is kept are not compared.
	for _, subject := range append(numbers, PortfolioKey("g2")) {
		for _, measure := range []v1alpha1.Measure{Users, Messages, Reached, Complaining} {
			for days := range 37 {
				from := now.Add(-time.Duration(days) * day * time.Second)
				if got, want := l.Count(subject, measure, from, now), again.Count(subject, measure, from, now); got != want {
					t.Fatalf("%s: of %s there are %d in %d days, want %d", subject, measure, got, days, want)
				}
			}
		}
	}
}

// A portfolio keeps the keys of users whom several numbers know, and forgets those whom none knows any more.
func TestGroupForgets(t *testing.T) {
	l, now := newApplier(), begin
	if err := l.Group("g", []string{"+1", "+2"}); err != nil {
		t.Fatal(err)
	}
	var batch Batch
	for i := range 50_000 {
		user := UserKey(2*i + 2)
		batch.Entries = append(batch.Entries, Entry{Number: "+1", Kind: Delivered, User: user, Alias: user + 1, Message: 1, At: now.Unix()})
	}
	if _, err := l.Append(context.Background(), batch, now); err != nil {
		t.Fatal(err)
	}
	used := func() (n int) {
		for _, p := range l.portfolios[PortfolioKey("g")].rings.table.all() {
			n += p.used
		}
		return n
	}
	if n := used(); n != 0 {
		t.Fatalf("%d keys are kept of users whom one number knows", n)
	}
	for i := range batch.Entries {
		e := &batch.Entries[i]
		e.Number, e.User, e.Alias, e.Message = "+2", e.Alias, 0, 2
	}
	if _, err := l.Append(context.Background(), batch, now); err != nil {
		t.Fatal(err)
	}
	// Of a user whose other key stands for both at the first number, both are kept.
	want := 0
	for _, e := range batch.Entries {
		if want++; newKey(e.User-1) < newKey(e.User) {
			want++
		}
	}
	if n := used(); n != want {
		t.Fatalf("%d keys are kept, want %d", n, want)
	}
	if n := l.Count(PortfolioKey("g"), Users, now.Add(-Kept), now); n != 50_000 {
		t.Fatalf("there are %d users", n)
	}
	// One of them stays known to the other number, by either key.
	now = now.Add(Kept)
	last := []Entry{{Number: "+2", Kind: Delivered, User: 3, Message: 1, At: now.Unix()}, {Number: "+2", Kind: Delivered, User: 2, Message: 2, At: now.Unix()}}
	if _, err := l.Append(context.Background(), Batch{Entries: last}, now); err != nil {
		t.Fatal(err)
	}
	now = now.Add(Lateness + 48*time.Hour)
	for range 3 {
		l.Sweep(now)
	}
	if n := used(); n != 2 {
		t.Fatalf("%d keys are still known", n)
	}
	if n := l.Count(PortfolioKey("g"), Users, now.Add(-Kept), now); n != 1 {
		t.Fatalf("the one user left is %d", n)
	}
}

// A complaint counts once however often it comes, makes its number known, and outlives restarts; of two codes of a user
// each is an insight.
func TestComplaints(t *testing.T) {
	fs := newDisk()
	l := openTest(t, fs)
	spam := NewComplaint(v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam)
	mute := NewComplaint(v1alpha1.FeedbackMute, v1alpha1.FeedbackOther)
	report := NewComplaint(v1alpha1.FeedbackReport, v1alpha1.FeedbackSpam)
	at := begin.Unix()
	entries := []Entry{
		{Number: number, Kind: Complained, Complaint: spam, User: 1, Message: 1, At: at},
		{Number: number, Kind: Complained, Complaint: spam, User: 1, Message: 1, At: at},
		{Number: number, Kind: Complained, Complaint: spam, User: 1, Message: 2, At: at - 5},
		{Number: number, Kind: Complained, Complaint: mute, User: 1, Message: 3, At: at - 7},
		{Number: number, Kind: Complained, Complaint: report, User: 2, Message: 4, At: at - 9},
		{Number: number, Kind: Complained, Complaint: spam, User: 3, Alias: 4, Message: 5, At: at - 9},
		{Number: number, Kind: Complained, Complaint: spam, User: 4, Message: 6, At: at - 8},
	}
	a, err := l.Append(context.Background(), Batch{Entries: entries}, begin)
	if err != nil || a != (Outcome{New: 6, Repeated: 1}) {
		t.Fatalf("%+v, %v", a, err)
	}
	for range 3 {
		if !l.Known(number) || l.Count(number, Users, begin.Add(-time.Hour), begin) != 0 {
			t.Fatal("a complaint is a delivery, or nothing")
		}
		if n := l.Count(number, Complaining, begin.Add(-time.Hour), begin); n != 3 {
			t.Fatalf("%d users complain", n)
		}
		want := []Insight{
			{v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam, 2},
			{v1alpha1.FeedbackMute, v1alpha1.FeedbackOther, 1},
			{v1alpha1.FeedbackReport, v1alpha1.FeedbackSpam, 1},
		}
		if got := l.Feedback(number, begin.Add(-time.Hour), begin); !slices.Equal(got, want) {
			t.Fatalf("%v", got)
		}
		if got := l.Feedback(number, begin.Add(-7*time.Second), begin); !slices.Equal(got, []Insight{{v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam, 1}}) {
			t.Fatalf("%v", got)
		}
		if err := errors.Join(l.Snapshot(context.Background(), begin), l.Close()); err != nil {
			t.Fatal(err)
		}
		l = openTest(t, fs)
	}
	l.Sweep(begin.Add(Kept + Lateness + time.Second))
	l.Sweep(begin.Add(Kept + Lateness + time.Second))
	if l.Known(number) {
		t.Error("complaints are not forgotten")
	}
}

// Every code is of the words it was made of, and no other.
func TestComplaintCodes(t *testing.T) {
	codes := map[Complaint]bool{}
	for _, kind := range complaintKinds {
		for _, reason := range complaintReasons {
			c := NewComplaint(kind, reason)
			if codes[c] || !c.valid() || c.Kind() != kind || c.Reason() != reason {
				t.Errorf("%s for %s has code %d, %s for %s", kind, reason, c, c.Kind(), c.Reason())
			}
			codes[c] = true
		}
	}
	if a, b := NewComplaint("Praise", v1alpha1.FeedbackSpam), NewComplaint(v1alpha1.FeedbackBlock, ""); a != 0 || b != 0 {
		t.Errorf("what is not known has codes %d and %d", a, b)
	}
	for _, c := range []Complaint{0, 0x03, 0x10, 0x17, 0x51, 255} {
		if c.valid() {
			t.Errorf("%d is a complaint", c)
		}
	}
}

// The measures of the rules are answered for numbers and portfolios.
func TestSubject(t *testing.T) {
	l := newApplier()
	at := begin.Unix()
	if err := errors.Join(l.Configure(number, Windows{Service: time.Hour, CountReached: true}), l.Group("g", []string{number})); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(context.Background(), Batch{Entries: []Entry{
		{Number: number, Kind: Received, User: 1, At: at - 10},
		{Number: number, Kind: Delivered, User: 1, Message: 1, At: at - 9},
		{Number: number, Kind: Delivered, User: 2, Message: 2, At: at - 8},
		{Number: number, Kind: Complained, Complaint: NewComplaint(v1alpha1.FeedbackMute, v1alpha1.FeedbackOther), User: 2, Message: 3, At: at - 7},
	}}, begin); err != nil {
		t.Fatal(err)
	}
	from := begin.Add(-time.Minute)
	for _, name := range []string{number, PortfolioKey("g")} {
		s := l.Usage(name)
		for measure, want := range map[v1alpha1.Measure]struct{ n, first, last int64 }{
			v1alpha1.MeasureUniqueUsers: {1, at - 8, at - 8}, v1alpha1.MeasureConversations: {1, at - 8, at - 8}, v1alpha1.MeasureMessages: {1, at - 8, at - 8},
			"ReachedUsers": {2, at - 9, at - 8}, "ComplainingUsers": {1, at - 7, at - 7},
		} {
			if n, first, last := s.Count(measure, from, begin), s.Nth(measure, 1, from, begin).Unix(), s.Last(measure, from, begin).Unix(); n != want.n || first != want.first || last != want.last {
				t.Errorf("%s: %d %s, from %d to %d", name, n, measure, first, last)
			}
			if falls := s.FallsBelow(measure, time.Minute, want.n, begin).Unix(); falls != want.first+60 {
				t.Errorf("%s: %s fall at %d", name, measure, falls)
			}
		}
	}
}

// Slots that are put in and taken out again in any order are found if and only if they are there.
func TestPartRemoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newShard(0, 0, 0, nil)
		want := map[key]bool{}
		// Few keys at one end, so that they are in one another's way.
		someKey := rapid.Custom(func(t *rapid.T) key { return rank(keyMask - rapid.Uint64Range(0, 60).Draw(t, "rank")).key() })
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			k := someKey.Draw(t, "key")
			i, found := p.find(k.rank())
			switch {
			case found:
				p.remove(i)
			case p.full() || !p.insert(i, newSlot(k.rank(), 0).withInbound(1)):
				p.grow()
				continue
			}
			want[k] = !found
			n := 0
			for k, is := range want {
				if _, found := p.find(k.rank()); found != is {
					t.Fatalf("key %d is found: %t", k, found)
				}
				if is {
					n++
				}
			}
			if p.used != n {
				t.Fatalf("%d of %d slots are used", p.used, n)
			}
		}
	})
}

// One number says that two keys are one user and knows nothing more, another that the first of them and a third are: whoever is
// met under any of them is the same user in the portfolio, in whatever order that comes out.
func TestGroupFollowsKeysThatANumberOnlyJoined(t *testing.T) {
	users := []UserKey{1, 2, 3}
	slices.SortFunc(users, func(a, b UserKey) int { return cmp.Compare(newKey(a), newKey(b)) })
	least, middle, greatest := users[0], users[1], users[2]
	at := func(hour int64) int64 { return begin.Unix() + hour*3600 }
	entries := []Entry{
		{Number: "+1", Kind: AliasLinked, User: greatest, Alias: middle, At: at(0)},
		{Number: "+2", Kind: Delivered, User: middle, Alias: least, Message: 1, At: at(1)},
		{Number: "+3", Kind: Delivered, User: greatest, Message: 2, At: at(2)},
		{Number: "+1", Kind: Delivered, User: greatest, Message: 3, At: at(3)},
	}
	now := begin.Add(4 * time.Hour)
	for _, grouped := range []int{0, 1, 2, 3, 4} { // after so many entries
		rapid.Check(t, func(t *rapid.T) {
			l := newApplier()
			for i, e := range rapid.Permutation(entries).Draw(t, "order") {
				if i == grouped {
					if err := l.Group("g", []string{"+1", "+2", "+3"}); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := l.Append(context.Background(), Batch{Entries: []Entry{e}}, now); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Group("g", []string{"+1", "+2", "+3"}); err != nil {
				t.Fatal(err)
			}
			if n := l.Count(PortfolioKey("g"), Users, begin.Add(-time.Hour), now); n != 1 {
				t.Fatalf("there are %d users", n)
			}
			if n := l.Count(PortfolioKey("g"), Messages, begin.Add(-time.Hour), now); n != 3 {
				t.Fatalf("there are %d messages", n)
			}
		})
	}
}

// Numbers that know a user by keys of their own and one in common go on to be of one user while any of them has that name, though
// nothing else is known about the user.
func TestNamesInAGroupOutliveWhatIsKnown(t *testing.T) {
	l, now := newApplier(), begin
	if err := l.Group("g", []string{"+1", "+2"}); err != nil {
		t.Fatal(err)
	}
	users := []UserKey{1, 2, 3}
	slices.SortFunc(users, func(a, b UserKey) int { return cmp.Compare(newKey(a), newKey(b)) })
	common := users[2] // the others stand for it
	give := func(e Entry) {
		t.Helper()
		e.Kind, e.Message, e.At = Delivered, 1, now.Unix()
		if _, err := l.Append(context.Background(), Batch{Entries: []Entry{e}}, now); err != nil {
			t.Fatal(err)
		}
	}
	give(Entry{Number: "+1", User: users[0], Alias: common})
	give(Entry{Number: "+2", User: users[1], Alias: common})
	now = now.Add(Kept + Lateness + 48*time.Hour)
	l.Sweep(now)
	give(Entry{Number: "+1", User: common})
	give(Entry{Number: "+2", User: common})
	for subject, want := range map[string]int64{"+1": 1, "+2": 1, PortfolioKey("g"): 1} {
		if got := l.Count(subject, Users, time.Time{}, now); got != want {
			t.Errorf("%s has %d users", subject, got)
		}
	}
}

// What a number that left a portfolio knew is not known there any more: neither who is one user, nor how far back the number counts.
func TestANumberThatLeftAGroup(t *testing.T) {
	later := begin.Unix() + 20*day
	first := oldest(earliestNow(uint32(later))) // of the number that leaves
	members, g := []*numberState{newNumberState("+1", 0), newNumberState("+2", 0), newNumberState("+3", first)}, newPortfolioState(PortfolioKey("p"))
	members[0].record(event{kind: Delivered, user: 1, fingerprint: 1, at: uint32(begin.Unix())})
	members[0].record(event{kind: Delivered, user: 3, fingerprint: 1, at: uint32(first - 1)})
	members[1].record(event{kind: Delivered, user: 2, fingerprint: 1, at: uint32(begin.Unix())})
	members[2].record(event{kind: AliasLinked, user: 1, alias: 2, at: uint32(later)})
	for i, want := range []int64{1, 3, 1} {
		g.set(members[:3-i%2])
		if got := count(g, Users, 0, later); got != want {
			t.Errorf("of %d numbers there are %d users, not %d", 3-i%2, got, want)
		}
	}
}

// What came at two times under two keys, which only another number knows to be one user, is at the first of them; when that is
// forgotten it is at the other, and what comes then finds it there.
func TestWhatCameUnderTwoKeysIsForgotten(t *testing.T) {
	for _, e := range []Entry{{Kind: Delivered}, {Kind: Complained, Complaint: NewComplaint(v1alpha1.FeedbackMute, v1alpha1.FeedbackOther)}} {
		l := newApplier()
		if err := errors.Join(l.Configure("+1", Windows{CountReached: true}), l.Configure("+2", Windows{CountReached: true}), l.Group("g", []string{"+1", "+2"})); err != nil {
			t.Fatal(err)
		}
		at, now := begin.Unix(), begin
		measure := map[Kind]v1alpha1.Measure{Delivered: Reached, Complained: Complaining}[e.Kind]
		give := func(user UserKey, message MessageKey, at int64) {
			t.Helper()
			e.Number, e.User, e.Message, e.At = "+1", user, message, at
			if _, err := l.Append(context.Background(), Batch{Entries: []Entry{e}}, now); err != nil {
				t.Fatal(err)
			}
		}
		expect := func(want ...int64) {
			t.Helper()
			for i, want := range append(want, time.Time{}.Unix()) {
				if got := l.Nth(PortfolioKey("g"), measure, int64(i+1), time.Time{}, now).Unix(); got != want {
					t.Errorf("number %d of measure %s is at %d, not %d", i+1, measure, got, want)
				}
			}
		}
		join := Entry{Number: "+2", Kind: AliasLinked, User: 1, Alias: 2, At: at}
		if _, err := l.Append(context.Background(), Batch{Entries: []Entry{join}}, now); err != nil {
			t.Fatal(err)
		}
		give(1, 1, at-day)
		give(2, 1, at)
		expect(at - day)
		now = begin.Add(Kept + Lateness)
		l.Sweep(now)
		expect(at)
		give(2, 2, now.Unix())
		expect(at, now.Unix())
	}
}

// Whatever happens at its numbers, a portfolio counts what it would if it were made anew, and of users of whom nothing is left it knows
// no key.
func TestAGroupIsAsIfMadeAnew(t *testing.T) {
	for seed := range int64(12) {
		rng := rand.New(rand.NewSource(seed))
		var members []*numberState
		for _, number := range []string{"+1", "+2", "+3"} {
			s := newNumberState(number, 0)
			s.configure(windowLengths{service: 3600, conversation: 4 * 3600, countReached: seed%2 == 0})
			members = append(members, s)
		}
		members[2].configure(windowLengths{service: 7200, conversation: 3600})
		g := newPortfolioState(PortfolioKey("p"))
		g.set(members)
		now := begin.Unix()
		for step := range 150 {
			hour := rng.Int63n(12)
			s := members[rng.Intn(3)]
			e := event{kind: Kind(1 + rng.Intn(4)), user: newKey(UserKey(1 + rng.Intn(6))), fingerprint: 1 + rng.Uint32()%20, at: uint32(now - hour*3600 + rng.Int63n(2))}
			if e.kind == Complained {
				e.fingerprint = Complaint(0x11).fingerprint(MessageKey(e.fingerprint))
			}
			joins := seed%3 > 0
			if e.kind == AliasLinked && (!joins || rng.Intn(4) > 0) {
				e.kind = Delivered // joins are few
			}
			if e.kind == AliasLinked || joins && rng.Intn(8) == 0 {
				e.alias = newKey(UserKey(1 + rng.Intn(6)))
			}
			s.record(e)
			if rng.Intn(10) == 0 {
				now += 3600
				for _, s := range members {
					sweepAll(s, now-10*3600)
				}
				sweepRings(g)
			}
			anew := newPortfolioState(PortfolioKey("p"))
			anew.members = members
			anew.rebuild()
			if got, want := g.series.describe(), anew.series.describe(); got != want {
				t.Fatalf("seed %d, after step %d it is\n%swhich made anew is\n%s", seed, step, got, want)
			}
		}
		for range 3 {
			for _, s := range members {
				sweepAll(s, now+100*3600)
			}
			sweepRings(g)
		}
		if n := g.rings.table.shards[0].used; n != 0 {
			t.Errorf("seed %d: %d keys are known of nobody", seed, n)
		}
		var empty seriesSet
		if got := g.series.describe(); got != empty.describe() {
			t.Errorf("seed %d: of nobody there is\n%s", seed, got)
		}
	}
}
