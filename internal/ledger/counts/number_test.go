package counts

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// Whatever a batch changes after a snapshot is in the next one, and there after a restart.
func TestSnapshotsSaveEachChange(t *testing.T) {
	at := begin.Unix()
	one := func(e Entry) Batch {
		e.Number = number
		return Batch{Entries: []Entry{e}}
	}
	for name, change := range map[string]Batch{
		"a new user":                         one(Entry{Kind: Delivered, User: 9, Message: 1, At: at}),
		"a second delivery":                  one(Entry{Kind: Delivered, User: 1, Message: 2, At: at + 1}),
		"a third delivery":                   one(Entry{Kind: Delivered, User: 2, Message: 3, At: at + 2}),
		"an earlier delivery":                one(Entry{Kind: Delivered, User: 2, Message: 3, At: at - 2}),
		"an earlier time of a delivery":      one(Entry{Kind: Delivered, User: 2, Message: 2, At: at - 2}),
		"an answer":                          one(Entry{Kind: Received, User: 2, At: at + 2}),
		"an answer before a delivery":        one(Entry{Kind: Received, User: 2, At: at - 1}),
		"a complaint":                        one(Entry{Kind: Complained, Complaint: 0x11, User: 1, Message: 9, At: at}),
		"another key of a user":              one(Entry{Kind: AliasLinked, User: 1, Alias: 9, At: at}),
		"two keys that are one user":         one(Entry{Kind: AliasLinked, User: 1, Alias: 2, At: at}),
		"two keys that were known to be one": one(Entry{Kind: AliasLinked, User: 3, Alias: 4, At: at + 5}),
		"a report":                           {Reports: []report.Report{{Subject: report.ParseSubject(number), Kind: report.Limit, At: at}}},
	} {
		t.Run(name, func(t *testing.T) {
			fs := newDisk()
			l := openTest(t, fs)
			must := func(_ Outcome, err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(l.Append(context.Background(), Batch{Entries: []Entry{
				{Number: number, Kind: Delivered, User: 1, Message: 1, At: at},
				{Number: number, Kind: Delivered, User: 2, Message: 1, At: at}, {Number: number, Kind: Delivered, User: 2, Message: 2, At: at + 1},
				{Number: number, Kind: Received, User: 2, At: at - day}, {Number: number, Kind: AliasLinked, User: 3, Alias: 4, At: at},
			}}, begin))
			must(Outcome{}, l.Snapshot(context.Background(), begin))
			before := describe(l)
			must(l.Append(context.Background(), change, begin))
			must(Outcome{}, l.Snapshot(context.Background(), begin))
			want, rows := describe(l), string(l.number(number).encode())
			must(Outcome{}, l.Close())
			l = openTest(t, fs)
			if got := describe(l); got != want {
				t.Errorf("after a restart the ledger is\n%swhich was\n%sand before the change\n%s", got, want, before)
			}
			if got := string(l.number(number).encode()); got != rows {
				t.Errorf("after a restart the row of the number is %x, and was %x", got, rows)
			}
			// What is not counted is there too: nothing of it is new.
			if got, err := l.Append(context.Background(), change, begin); err != nil || got.New != 0 || got.Repeated == 0 {
				t.Errorf("of the change again %+v, %v", got, err)
			}
			must(Outcome{}, l.Close())
		})
	}
}

// However many events of a user come one after another, each is kept beside the others.
func TestEachEventIsKeptBesideTheOthers(t *testing.T) {
	at := uint32(begin.Unix())
	for deliveries := range uint32(5) {
		for inbounds := range uint32(9) {
			s := newNumberState(number, 0)
			var want, got history
			for i := range deliveries {
				s.record(event{kind: Delivered, user: 1, fingerprint: 7 + i, at: at + i})
				want.deliveries = append(want.deliveries, delivery{at: at + i, fingerprint: 7 + i})
			}
			for i := range inbounds {
				s.record(event{kind: Received, user: 1, at: at + 10 + i})
				want.inbounds = append(want.inbounds, at+10+i)
			}
			for i := range deliveries {
				s.record(event{kind: Delivered, user: 1, fingerprint: 70 + i, at: at + 30 + i})
				want.deliveries = append(want.deliveries, delivery{at: at + 30 + i, fingerprint: 70 + i})
			}
			if deliveries+inbounds == 0 {
				continue
			}
			if s.loadUser(1, &got); !slices.Equal(got.deliveries, want.deliveries) || !slices.Equal(got.inbounds, want.inbounds) {
				t.Errorf("%v are kept as %v", want, got)
			}
		}
	}
}

// What comes again, or is older than what is known, leaves nothing to save.
func TestARepetitionIsNotSaved(t *testing.T) {
	s := newNumberState(number, 0)
	at := uint32(begin.Unix())
	events := []event{
		{kind: Delivered, user: 1, fingerprint: 1, at: at}, {kind: Delivered, user: 2, fingerprint: 1, at: at}, {kind: Delivered, user: 2, fingerprint: 2, at: at + 1},
		{kind: Received, user: 2, at: at - 5}, {kind: Received, user: 2, at: at - 4}, {kind: Received, user: 3, at: at},
		{kind: Complained, user: 1, fingerprint: 5, at: at}, {kind: AliasLinked, user: 4, alias: 5, at: at}, {kind: Delivered, user: 7, alias: 6, fingerprint: 1, at: at},
	}
	for _, e := range events {
		if got := s.record(e); got != changed {
			t.Errorf("%+v is %d", e, got)
		}
	}
	saved(s)
	for _, later := range []uint32{0, 3} {
		for _, e := range events {
			if e.kind == Received || e.kind == AliasLinked {
				later = 0
			}
			e.at += later
			if got := s.record(e); got != repeated {
				t.Errorf("%+v is %d", e, got)
			}
		}
	}
	s.raiseHorizon(s.horizon)
	for _, p := range s.users.all() {
		s.sweep(p, true)
	}
	s.configure(s.windows)
	s.dirty = false // it was heard of later
	if n := toSave(s); n > 0 {
		t.Errorf("%d rows are to be saved", n)
	}
}

// A shard with more history than a shard should have is split, unless that is one user's.
func TestAPartOfMuchHistoryIsSplit(t *testing.T) {
	for _, test := range []struct {
		users key
		words int
		parts int
	}{{4, shardWords, 1}, {4, shardWords + 1, 2}, {1, shardWords + 1, 1}} {
		s := newNumberState(number, 0)
		at := uint32(begin.Unix())
		for user := range test.users {
			for i := range uint32(2) {
				s.record(event{kind: Delivered, user: (user + 1) << (keyBits - 3), fingerprint: i, at: at - i})
			}
		}
		s.users.shards[0].content = test.words - 2
		for i := range uint32(2) {
			s.record(event{kind: Delivered, user: 1 << (keyBits - 3), fingerprint: 9, at: at - 9 - i}) // two words, once
		}
		if n := len(s.users.all()); n != test.parts {
			t.Errorf("%d words of %d users are in %d parts", test.words, test.users, n)
		}
		if got, want := count(s, Messages, 0, int64(at)), int64(2*test.users+1); got != want {
			t.Errorf("there are %d messages, not %d", got, want)
		}
	}
}

// So it is by events that come after all others, which take a way of their own.
func TestAPartOfMuchHistoryIsSplitByWhatIsAppended(t *testing.T) {
	at := uint32(begin.Unix())
	for _, kind := range []Kind{Delivered, Received} {
		s := newNumberState(number, 0)
		for user := range key(4) {
			for i := range uint32(3) {
				s.record(event{kind: kind, user: (user + 1) << (keyBits - 3), fingerprint: i, at: at + i})
			}
		}
		s.users.shards[0].content = shardWords
		for i := range uint32(9) {
			s.record(event{kind: kind, user: 1 << (keyBits - 3), fingerprint: 9 + i, at: at + 9 + i})
		}
		if n := len(s.users.all()); n != 2 {
			t.Errorf("after events of kind %d there are %d parts", kind, n)
		}
	}
}

// What fits a slot takes no room beside it, in whichever order it comes.
func TestADeliveryAndAMessageFitASlot(t *testing.T) {
	at := uint32(begin.Unix())
	delivered, received := event{kind: Delivered, user: 7, fingerprint: 1, at: at}, event{kind: Received, user: 7, at: at + 5}
	for _, order := range [][]event{{delivered, received}, {{kind: Received, user: 7, at: at - 5}, delivered}} {
		s := newNumberState(number, 0)
		for _, e := range order {
			if got := s.record(e); got != changed {
				t.Errorf("%v comes to %v", e, got)
			}
		}
		if p := s.users.shards[0]; p.words != 0 {
			t.Errorf("%v take %d words beside the slot", order, p.words)
		}
	}
}

// Histories that change in their midst give back the room that they had.
func TestLateEventsLeaveNoMoreThanAThirdUnused(t *testing.T) {
	s := newNumberState(number, 0)
	at := uint32(begin.Unix())
	for i := range uint32(300) {
		s.record(event{kind: Delivered, user: key(i%3 + 1), fingerprint: i, at: at - i})
		if p := s.users.shards[0]; 3*p.garbage > p.words {
			t.Fatalf("after %d events %d of %d words are given up", i, p.garbage, p.words)
		}
	}
}

// An event so late after the others that they are forgotten first begins anew, and is known when it comes again.
func TestAnEventAfterAllIsForgotten(t *testing.T) {
	at := uint32(begin.Unix())
	for _, user := range []key{1, 1 << 40, 1<<50 - 1} {
		s := newNumberState(number, 0)
		for other := range key(20) {
			s.record(event{kind: Delivered, user: other<<44 + 5, fingerprint: uint32(other), at: at})
		}
		s.record(event{kind: Delivered, user: user, fingerprint: 50, at: at})
		late := event{kind: Delivered, user: user, fingerprint: 51, at: at + 100*uint32(day)}
		for i, want := range []result{changed, repeated} {
			if got := s.record(late); got != want {
				t.Errorf("user %x: time %d comes to %v, not %v", user, i, got, want)
			}
		}
		if n := count(s, Messages, int64(at), int64(late.at)); n != 1 {
			t.Errorf("user %x: %d messages are known", user, n)
		}
	}
}

// Reading ahead reads no further than there is something, however little is known of a user, and however it came together.
func TestReadingAheadOfUsersWithShortHistories(t *testing.T) {
	at := uint32(begin.Unix())
	for inbounds := range uint32(8) {
		for deliveries := range uint32(4) {
			for other := range inbounds + 1 { // of the messages came under another key
				s := newNumberState(number, 0)
				for i := range inbounds {
					user := key(9)
					if i < other {
						user = 10
					}
					s.record(event{kind: Received, user: user, at: at + i})
				}
				for i := range deliveries {
					s.record(event{kind: Delivered, user: 9, fingerprint: i, at: at + i})
				}
				if other > 0 {
					s.record(event{kind: AliasLinked, user: 9, alias: 10, at: at + 99})
				}
				more := event{kind: Received, user: 9, at: at + 100}
				s.prefetch([]event{more, more})
				if got := s.record(more); got != changed {
					t.Errorf("after %d messages, %d of them under another key, and %d deliveries one more comes to %v", inbounds, other, deliveries, got)
				}
			}
		}
	}
}

// Two users turn out to be one of whom the number was long silent: what that makes it forget, its portfolio forgets too.
func TestAJoinThatMakesANumberForget(t *testing.T) {
	at := func(days int64) uint32 { return uint32(begin.Unix() + days*day) }
	low, high := key(1), key(1<<(keyBits-1)+1)
	s, other, g := newNumberState("+1", 0), newNumberState("+2", 0), newPortfolioState(PortfolioKey("p"))
	s.record(event{kind: Delivered, user: low + 1, fingerprint: 1, at: at(0)})
	s.record(event{kind: Delivered, user: low, fingerprint: 1, at: at(0)})
	s.users.split(s.users.shards[0])
	g.set([]*numberState{s, other})
	s.record(event{kind: Delivered, user: low, fingerprint: 2, at: at(25)})
	s.record(event{kind: Delivered, user: high, fingerprint: 3, at: at(60)})
	s.record(event{kind: AliasLinked, user: low, alias: high, at: at(60)})
	for name, subject := range map[string]counter{"number": s, "group": g} {
		for measure, want := range map[v1alpha1.Measure]int64{Users: 1, Messages: 2, Conversations: 2} {
			if got := count(subject, measure, 0, int64(at(61))); got != want {
				t.Errorf("of measure %s the %s has %d, not %d", measure, name, got, want)
			}
		}
	}
}

// splitTest fails unless each key's part is where it is looked for, and holds what is known about it.
func splitTest(t *testing.T, s *numberState, users []key) {
	t.Helper()
	if len(s.users.shards) != 1<<s.users.depth {
		t.Fatalf("there are %d parts of depth %d", len(s.users.shards), s.users.depth)
	}
	for i, p := range s.users.shards {
		if p.depth > s.users.depth || p.prefix != key(i)>>(s.users.depth-p.depth) {
			t.Fatalf("at %d of depth %d is part %s", i, s.users.depth, p.name())
		}
	}
	for _, user := range users {
		p := s.users.shard(user)
		if _, found := p.find(user.rank()); !found || user>>(keyBits-p.depth) != p.prefix {
			t.Fatalf("user %x is not in part %s", user, p.name())
		}
	}
}

// Parts are split in any order, and each key is found in its own.
func TestPartsAreSplit(t *testing.T) {
	var users []key
	for i := range key(64) {
		users = append(users, i<<(keyBits-6)|1)
	}
	for _, order := range [][]key{{0, 0, 0, 0}, {0, 63, 63, 63}, {0, 0, 63, 20, 40, 20}, {30, 30, 31, 33, 0, 5, 60}} {
		s := newNumberState(number, 0)
		for i, user := range users {
			s.record(event{kind: Delivered, user: user, fingerprint: uint32(i), at: uint32(begin.Unix())})
		}
		for _, i := range order {
			saved(s)
			s.users.split(s.users.shard(users[i]))
			splitTest(t, s, users)
			if !s.users.dirty {
				t.Error("a number that was split is not saved")
			}
		}
		s.recount()
		if got := count(s, Users, 0, begin.Unix()); got != int64(len(users)) {
			t.Errorf("there are %d users", got)
		}
	}
	const many = 20_000
	s := fillScope(many, func(i int) UserKey { return UserKey(i + 1) })
	users = users[:0]
	for i := range many {
		users = append(users, newKey(UserKey(i+1)))
	}
	splitTest(t, s, users)
	if len(s.users.shards) < 2 {
		t.Errorf("%d users are in one part", many)
	}
}

// What is captured of a number is what it was then, whatever changes before it is written.
func TestACaptureIsOfItsMoment(t *testing.T) {
	at := uint32(begin.Unix())
	const low, high = key(1), key(1<<(keyBits-1) + 1)
	for name, change := range map[string]func(s *numberState){
		"a new user":        func(s *numberState) { s.record(event{kind: Delivered, user: low + 5, fingerprint: 1, at: at}) },
		"a second delivery": func(s *numberState) { s.record(event{kind: Delivered, user: low, fingerprint: 5, at: at}) },
		"a third delivery":  func(s *numberState) { s.record(event{kind: Delivered, user: high, fingerprint: 5, at: at + 2}) },
		"an answer":         func(s *numberState) { s.record(event{kind: Received, user: high, at: at + 2}) },
		"a join":            func(s *numberState) { s.record(event{kind: AliasLinked, user: low, alias: high, at: at}) },
		"a join of one":     func(s *numberState) { s.record(event{kind: AliasLinked, user: low + 7, alias: high, at: at}) },
		"a sweep":           func(s *numberState) { sweepAll(s, int64(at)+1) },
		"a split": func(s *numberState) {
			for _, p := range s.users.all() {
				s.users.split(p)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newNumberState(number, 0)
			s.record(event{kind: Delivered, user: low, fingerprint: 1, at: at - 1})
			for i := range uint32(2) {
				s.record(event{kind: Delivered, user: high, fingerprint: i, at: at - 1 + i})
			}
			s.users.split(s.users.shards[0])
			want := map[string]string{string(numberKey(number)): string(s.encode())}
			for _, p := range s.users.all() {
				want[string(shardKey(numberKey(number), p))] = string(p.encode())
			}
			m := NewMachine()
			m.numbers[number] = s
			c := m.Capture(false)
			change(s)
			got := map[string]string{}
			for row := range c.Rows() {
				got[string(row.Key)] = string(row.Value)
			}
			c.End(true)
			if delete(got, string(machineKey)); !maps.Equal(got, want) {
				t.Errorf("captured are %x, not %x", got, want)
			}
		})
	}
}

// Users who turn out to be one are counted as if what is over of each had been forgotten before.
func TestAJoinIsAsAfterASweep(t *testing.T) {
	at := uint32(begin.Unix())
	hours := func(n int) uint32 { return at + uint32(n*3600) }
	for _, order := range [][2]key{{1, 2}, {2, 1}} {
		var is [2]string
		for i := range is {
			s := newNumberState(number, 0)
			for _, n := range []int{-30, -10} {
				s.record(event{kind: Delivered, user: order[0], fingerprint: uint32(40 + n), at: hours(n)})
			}
			s.record(event{kind: Delivered, user: order[1], fingerprint: 50, at: hours(-8)})
			s.raiseHorizon(int64(at))
			if i == 0 {
				sweepAll(s, int64(at))
			}
			s.record(event{kind: Delivered, user: 1, alias: 2, fingerprint: 51, at: hours(1)})
			is[i] = s.series.describe()
		}
		if is[0] != is[1] {
			t.Errorf("swept before it is\n%sand else\n%s", is[0], is[1])
		}
	}
}

// Of users who turn out to be one the history is theirs and nobody else's; when they were last joined is known of the one key that
// stands for them.
func TestAJoinIsOfTheirs(t *testing.T) {
	at := uint32(begin.Unix())
	s := newNumberState(number, 0)
	for i := range uint32(3) { // somebody else, who was looked at last
		s.record(event{kind: Delivered, user: 9, fingerprint: i, at: at - i})
	}
	s.record(event{kind: Delivered, user: 5, fingerprint: 1, at: at})
	s.record(event{kind: AliasLinked, user: 5, alias: 6, at: at})
	s.record(event{kind: Delivered, user: 9, fingerprint: 7, at: at - 10})
	s.record(event{kind: Received, user: 4, alias: 5, at: at + 20})
	if got := count(s, Messages, 0, int64(at)); got != 5 {
		t.Errorf("there are %d messages", got)
	}
	s.recount()
	if got := count(s, Messages, 0, int64(at)); got != 5 {
		t.Errorf("counted anew there are %d messages", got)
	}
	if want := map[key]uint32{4: at}; !maps.Equal(s.linked, want) {
		t.Errorf("joined are %v", s.linked)
	}
}

// A user of a shard that was not swept for long, of whom nothing is left, is joined with one of a shard that was.
func TestAJoinWithWhatIsForgotten(t *testing.T) {
	at := func(days int64) uint32 { return uint32(begin.Unix() + days*day) }
	const low, high = key(1), key(1<<(keyBits-1) + 1)
	s := newNumberState(number, 0)
	s.record(event{kind: Delivered, user: high, fingerprint: 1, at: at(0)})
	s.users.split(s.users.shards[0])
	s.record(event{kind: Delivered, user: low + 1, fingerprint: 1, at: at(120)})
	s.record(event{kind: AliasLinked, user: low, alias: high, at: at(120)})
	for _, p := range s.users.all() {
		if _, err := decodedPart(p.depth, p.prefix, p.encode()); err != nil {
			t.Errorf("part %s cannot be read again: %v", p.name(), err)
		}
	}
	for range 2 {
		if got := count(s, Users, 0, int64(at(121))); got != 1 {
			t.Errorf("there are %d users", got)
		}
		s.recount()
	}
}

// What a number forgets as its horizon rises is older than that, to the second, and the number is saved without it.
func TestWhatIsForgottenToTheSecond(t *testing.T) {
	s := newNumberState(number, 0)
	at := uint32(begin.Unix())
	s.record(event{kind: Delivered, user: 1, fingerprint: 1, at: at})
	s.record(event{kind: Delivered, user: 2, fingerprint: 1, at: at})
	s.record(event{kind: Delivered, user: 2, fingerprint: 2, at: at})
	s.record(event{kind: Received, user: 3, at: at - uint32(s.windows.service)})
	s.record(event{kind: Received, user: 6, at: at - uint32(s.windows.service)})
	s.record(event{kind: Received, user: 6, at: at - uint32(s.windows.service) - 1})
	s.record(event{kind: AliasLinked, user: 4, alias: 5, at: at})
	s.record(event{kind: Complained, user: 1, fingerprint: 1, at: at})
	s.report(report.Report{Kind: report.Limit, At: int64(at)}, 0)
	s.report(report.Report{Kind: report.Limit, At: int64(at) + 9}, 0)
	s.report(report.Report{Kind: report.Quality, At: int64(at)}, 0)
	left := func() (n [5]int) {
		for _, p := range s.users.all() {
			n[0] += p.used
			if p.garbage != 0 {
				t.Errorf("%d words of part %s are given up", p.garbage, p.name())
			}
		}
		return [5]int{n[0], len(s.linked), len(s.complaints), len(s.reports), int(count(s, Messages, 0, int64(at)))}
	}
	for _, step := range []struct {
		horizon int64
		want    [5]int
	}{
		{int64(at) - 1, [5]int{5, 1, 1, 3, 3}}, // users 1, 2, 3 and 6, and the other key of 4
		{int64(at), [5]int{3, 1, 1, 3, 3}},
		{int64(at) + 1, [5]int{2, 0, 0, 2, 0}}, // conversations reach over it; and nobody has the key any more
		{int64(at) + day, [5]int{0, 0, 0, 2, 0}},
	} {
		saved(s)
		sweepAll(s, step.horizon)
		if got := left(); got != step.want {
			t.Errorf("from %d on there are %v, not %v", step.horizon-int64(at), got, step.want)
		}
		if toSave(s) == 0 {
			t.Errorf("what is forgotten before %d is still saved", step.horizon-int64(at))
		}
		if step.want[0] == 2 {
			continue // whether a conversation is over is looked at again
		}
		saved(s)
		sweepAll(s, step.horizon)
		if n := toSave(s); n > 0 {
			t.Errorf("from %d on %d rows are saved of which nothing is forgotten", step.horizon-int64(at), n)
		}
	}
	only := newNumberState(number, 0)
	only.record(event{kind: Complained, user: 1, fingerprint: 1, at: at})
	saved(only)
	only.raiseHorizon(int64(at) + 1)
	if toSave(only) == 0 {
		t.Error("a complaint that is forgotten is still saved")
	}
}

// What is left of a user's history is all that is kept of it.
func TestASweepKeepsWhatIsLeft(t *testing.T) {
	s := newNumberState(number, 0)
	at := uint32(begin.Unix())
	old, late := at-uint32(s.windows.service+s.windows.conversation), at+5
	for user := range key(3) {
		s.record(event{kind: Received, user: user + 1, at: old})
		s.record(event{kind: Delivered, user: user + 1, fingerprint: 1, at: old})
	}
	s.record(event{kind: Received, user: 1, at: late})
	s.record(event{kind: Delivered, user: 1, fingerprint: 2, at: late})
	s.record(event{kind: Delivered, user: 2, fingerprint: 2, at: late})
	sweepAll(s, int64(at))
	var h history
	for user, want := range map[key]history{
		1: {deliveries: []delivery{{at: late, fingerprint: 2}}, inbounds: []uint32{late}}, 2: {deliveries: []delivery{{at: late, fingerprint: 2}}}, 3: {},
	} {
		if s.loadUser(user, &h); !slices.Equal(h.deliveries, want.deliveries) || !slices.Equal(h.inbounds, want.inbounds) {
			t.Errorf("of user %d %v is left", user, h)
		}
	}
}

// However long a number was silent, what comes then is counted at its time, and still when all is counted anew.
func TestAfterALongSilence(t *testing.T) {
	for _, swept := range []bool{false, true} {
		s := newNumberState(number, 0)
		at := func(days int64) int64 { return begin.Unix() + days*day }
		s.record(event{kind: Delivered, user: 1, fingerprint: 1, at: uint32(at(0))})
		for i, days := range []int64{200, 600} {
			if swept { // of which nothing is left
				sweepAll(s, at(days-100))
			}
			s.record(event{kind: Delivered, user: 2, fingerprint: uint32(i), at: uint32(at(days))})
			for range 2 {
				if got := count(s, Messages, at(days)-1, at(days)); got != 1 {
					t.Errorf("after %d days %d messages are counted, swept before: %t", days, got, swept)
				}
				s.recount()
			}
		}
	}
}

// When nobody is left the shards of a number become one, and not before.
func TestPartsOfNobodyBecomeOne(t *testing.T) {
	at := uint32(begin.Unix())
	for _, splits := range []int{1, 3, 5} {
		s := newNumberState(number, 0)
		for user := range key(64) {
			s.record(event{kind: Delivered, user: user<<(keyBits-6) | 1, fingerprint: 1, at: at + uint32(user)*day})
		}
		for i := range splits {
			s.users.split(s.users.shards[i%len(s.users.shards)])
		}
		parts := len(s.users.all())
		sweepAll(s, int64(at)+62*day)
		used := 0
		for _, p := range s.users.all() {
			used += p.used
		}
		if len(s.users.all()) != parts || used != 2 {
			t.Errorf("of %d parts with 64 users %d with %d are left", parts, len(s.users.all()), used)
		}
		saved(s)
		sweepAll(s, int64(at)+70*day)
		if len(s.users.shards) != 1 || s.users.depth != 0 || s.users.shards[0].used != 0 || toSave(s) == 0 {
			t.Errorf("of %d parts without users %d of depth %d are left", parts, len(s.users.shards), s.users.depth)
		}
	}
}

// Of more reports of a kind than are kept the first gives way, of whatever kind those before it are.
func TestTheFirstReportsGiveWay(t *testing.T) {
	for _, before := range []int{0, 2} {
		s := newNumberState(number, 0)
		for i := range before {
			s.report(report.Report{Kind: report.Verification, At: begin.Unix() + int64(i)}, 0)
		}
		for i := range mostReports + 2 {
			s.report(report.Report{Kind: report.Quality, At: begin.Unix() + int64(i)}, 0)
			if want := before + min(i+1, mostReports); len(s.reports) != want {
				t.Fatalf("%d reports are kept, not %d", len(s.reports), want)
			}
		}
		for i, r := range s.reports {
			want := int64(i + 1)
			if i >= before {
				want += 2
			}
			if r.Sequence != want {
				t.Fatalf("report %d has sequence %d", i, r.Sequence)
			}
		}
	}
}

// A number is known by a delivery, a complaint or a report alone, and not by windows, which are saved all the same.
func TestWhatMakesANumberKnown(t *testing.T) {
	fs := newDisk()
	l := openTest(t, fs)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := begin.Unix()
	_, err := l.Append(context.Background(), Batch{
		Entries: []Entry{{Number: "+1", Kind: Delivered, User: 1, Message: 1, At: at}, {Number: "+2", Kind: Complained, Complaint: 0x11, User: 1, Message: 1, At: at}},
		Reports: []report.Report{{Subject: report.ParseSubject("+3"), Kind: report.Limit, At: at}},
	}, begin)
	must(err)
	for _, windows := range []Windows{{Service: time.Hour}, {Service: 2 * time.Hour, CountReached: true}} {
		must(l.Configure("+1", windows))
		must(l.Configure("+4", windows))
		must(l.Snapshot(context.Background(), begin))
		must(l.Close())
		l = openTest(t, fs)
		for _, number := range []string{"+1", "+2", "+3", "+4"} {
			if known := number != "+4"; l.Known(number) != known || slices.Contains(l.Numbers(), number) != known {
				t.Errorf("%s is known: %t", number, !known)
			}
		}
		for _, number := range []string{"+1", "+4"} {
			if got := l.number(number).windows; got != newWindowLengths(windows) {
				t.Errorf("the windows of %s are %v", number, got)
			}
		}
	}
	must(l.Close())
}
