package ledger

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// probes is how many slots the finding of a key looks at.
func (p *part) probes(k key) int {
	i, _ := p.find(k.rank())
	return i - p.home(k.rank()) + 1
}

// fillScope records one delivery for each of some users.
func fillScope(users int, user func(i int) UserKey) *scope {
	s := newScope(number)
	for i := range users {
		s.record(event{kind: Delivered, user: newKey(user(i)), print: uint32(i), at: uint32(begin.Unix()) + uint32(i%day)})
	}
	return s
}

// unscatter undoes scatter, to make users whose keys are in some order.
func unscatter(x uint64) UserKey {
	x ^= x >> 33
	x *= 0x9cb4b2f8129337db
	x ^= x >> 33
	x *= 0x4f74430c22a54005
	return UserKey(x ^ x>>33)
}

// Users that come in the order of their identities or of their keys, as from disk, are found as quickly as those that
// come in any order, also while the tables grow.
func TestOrderedKeysDoNotCrowd(t *testing.T) {
	const users = 100_000
	for name, user := range map[string]func(i int) UserKey{
		"any order":      func(i int) UserKey { return UserKey(rand.Uint64()) },
		"by identity":    func(i int) UserKey { return UserKey(i + 1) },
		"by hash":        func(i int) UserKey { return UserKey(uint64(i+1) << 44) },
		"by key":         func(i int) UserKey { return unscatter(uint64(i+1) << 46) },
		"by key, nearby": func(i int) UserKey { return unscatter(uint64(i+1) << 14) },
	} {
		for _, n := range []int{users / 20, users / 3, users} {
			s := fillScope(n, user)
			sum, used := 0, 0
			for _, p := range s.all() {
				used += p.used
				for _, is := range p.slots {
					if !is.empty() {
						sum += p.probes(is.rank().key())
					}
				}
			}
			if mean := float64(sum) / float64(used); used != n || mean > 8 {
				t.Errorf("%s: %d of %d users are found after %.1f probes", name, used, n, mean)
			}
		}
	}
}

// Users whose slots are all at the end of the table, where the room ends, are kept and found too.
func TestEndOfTable(t *testing.T) {
	const users = 2000
	user := func(i int) UserKey { return unscatter(uint64(rank(keyMask-i).key())<<(64-keyBits) | 1) }
	s := fillScope(users, user)
	for i := range users {
		k := newKey(user(i))
		if _, found := s.part(k).find(k.rank()); !found || k.rank() != rank(keyMask-i) {
			t.Fatalf("user %d is lost", i)
		}
	}
	for _, p := range s.all() {
		p.grow()
		if n := len(p.slots); n > 4*users {
			t.Fatalf("%d users are given %d slots", p.used, n)
		}
	}
}

// Growing and splitting loses nobody, and leaves each part at most partSlots slots that are at least 70 % used.
func TestGrowthKeepsEveryone(t *testing.T) {
	const users = 60_000
	s := newScope(number)
	at := uint32(begin.Unix())
	for i := range users {
		k := newKey(UserKey(i + 1))
		s.record(event{kind: Delivered, user: k, print: 1, at: at + uint32(i)})
		if i%3 == 0 {
			s.record(event{kind: Received, user: k, at: at - uint32(i)})
		}
		if i%5 == 0 {
			s.record(event{kind: Delivered, user: k, print: 2, at: at + uint32(2*i)})
		}
	}
	used := 0
	for _, p := range s.all() {
		used += p.used
		if len(p.slots) > partSlots+partSlots/16 || p.used*10 < len(p.slots)*7 {
			t.Errorf("part %s has %d users in %d slots", p.name(), p.used, len(p.slots))
		}
	}
	if used != users {
		t.Fatalf("%d of %d users are there", used, users)
	}
	var h history
	for i := range users {
		k := newKey(UserKey(i + 1))
		p := s.part(k)
		j, found := p.find(k.rank())
		if !found {
			t.Fatalf("user %d is lost", i)
		}
		p.load(p.slots[j], &h)
		want := history{deliveries: []delivery{{at + uint32(i), 1}}}
		if i%3 == 0 {
			want.inbounds = []uint32{at - uint32(i)}
		}
		if i%5 == 0 {
			want.deliveries = append(want.deliveries, delivery{at + uint32(2*i), 2})
			slices.SortFunc(want.deliveries, delivery.compare)
		}
		if !slices.Equal(h.deliveries, want.deliveries) || !slices.Equal(h.inbounds, want.inbounds) {
			t.Fatalf("user %d has %v, want %v", i, h, want)
		}
	}
}

// What is stored in a slot or a block is read as it was, over the whole span of time that a part holds.
func TestPartStoresHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newPart(0, 0, begin.Unix()-rapid.Int64Range(0, 100*day).Draw(t, "horizon"), nil)
		at := rapid.Custom(func(t *rapid.T) uint32 {
			return uint32(rapid.Int64Range(p.base(), p.base()+timeMask).Draw(t, "at"))
		})
		want := map[rank]history{}
		for range rapid.IntRange(1, 30).Draw(t, "changes") {
			r := key(rapid.Uint64Range(0, 5).Draw(t, "user")).rank()
			h := history{inbounds: slices.Compact(slices.Sorted(slices.Values(rapid.SliceOfN(at, 0, 4).Draw(t, "inbounds"))))}
			for i := range rapid.IntRange(0, 4).Draw(t, "deliveries") {
				h.deliveries = append(h.deliveries, delivery{at.Draw(t, "delivery"), rapid.Uint32Range(0, 1<<printBits-8).Draw(t, "print") + uint32(i)})
			}
			if len(h.deliveries)+len(h.inbounds) == 0 {
				continue
			}
			slices.SortFunc(h.deliveries, delivery.compare)
			i, found := p.find(r)
			if !found {
				p.insert(i, newSlot(r, 0).withInbound(uint32(p.horizon)))
			}
			p.slots[i] = p.store(p.slots[i], &h, 0, 0)
			p.tidy()
			want[r] = h
		}
		q, err := decodePart(0, 0, p.encode())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []*part{p, q} {
			for r, h := range want {
				i, found := p.find(r)
				var got history
				if found {
					p.load(p.slots[i], &got)
				}
				if !slices.Equal(got.deliveries, h.deliveries) || !slices.Equal(got.inbounds, h.inbounds) {
					t.Fatalf("%v is read as %v", h, got)
				}
			}
		}
	})
}

// Blocks keep what they hold beside others, on a page or longer than one, through moves and compaction.
func TestBlocksOfAllSizes(t *testing.T) {
	const users = 200
	at := uint32(begin.Unix())
	var used []slot
	want := make([]history, users+1)
	for r := rank(1); r <= users; r++ {
		used = append(used, newSlot(r, 0).withDelivery(delivery{at: at, print: uint32(r)}))
		want[r].add(event{kind: Delivered, at: at, print: uint32(r)})
	}
	p := newPart(0, 0, begin.Unix(), used)
	random := rand.New(rand.NewPCG(1, 1))
	for n := range 40_000 {
		r := rank(1 + random.IntN(users))
		if n%2 == 0 {
			r = rank(1 + n%5) // some have much more than fits a page
		}
		e := event{kind: Delivered, at: at + uint32(n), print: uint32(n + users + 1)}
		if random.IntN(3) == 0 {
			e.kind = Received
		}
		want[r].add(e)
		i, _ := p.find(r)
		var inline [blockHeader + 3]uint32
		b := p.widen(i, p.view(p.slots[i], inline[:], newLengths(DefaultWindows)), 2)
		if e.kind == Received {
			b.pushInbound(e.at)
		} else {
			b.pushDelivery(delivery{at: e.at, print: e.print})
		}
	}
	longest, words := 0, 0
	for r := rank(1); r <= users; r++ {
		i, _ := p.find(r)
		var got history
		p.load(p.slots[i], &got)
		if !slices.Equal(got.deliveries, want[r].deliveries) || !slices.Equal(got.inbounds, want[r].inbounds) {
			t.Fatalf("user %d has %d deliveries and %d inbounds; %d and %d were added", r, len(got.deliveries), len(got.inbounds),
				len(want[r].deliveries), len(want[r].inbounds))
		}
		longest, words = max(longest, len(p.block(p.slots[i]))), words+len(p.block(p.slots[i]))
	}
	if longest <= pageWords {
		t.Errorf("no block is longer than a page: the longest is %d words", longest)
	}
	if p.words-p.garbage != words || p.garbage > p.words/3 {
		t.Errorf("of %d words %d are said to be garbage, and %d are used", p.words, p.garbage, words)
	}
}

// bytes is the memory of a number.
func (s *scope) bytes() (n int) {
	n = int(unsafe.Sizeof(*s)) + cap(s.parts)*8 + s.lines.bytes()
	for _, p := range s.all() {
		n += int(unsafe.Sizeof(*p)) + cap(p.slots)*16 + cap(p.arena)*24
		for _, page := range p.arena {
			n += cap(page) * 4
		}
	}
	return n
}

func (l *timelines) bytes() (n int) {
	for i := range l {
		n += cap(l[i].chunks) * int(unsafe.Sizeof(chunk{}))
		for _, c := range l[i].chunks {
			n += cap(c.ticks) * 4
		}
	}
	return n
}

// A user with a delivery and an inbound, each in a second of its own, takes 24 bytes at most with the number's timeline
// included, from 4,000 users on at any number of them, and 26 from 1,000 on.
func TestMemoryPerUser(t *testing.T) {
	s := newScope(number)
	for i := range 300_000 {
		k, at := newKey(UserKey(i+1)), uint32(begin.Unix())+uint32(i)*8
		s.record(event{kind: Received, user: k, at: at - 2*day})
		s.record(event{kind: Delivered, user: k, print: uint32(i), at: at})
		users := i + 1
		if users < 1000 || users%97 != 0 {
			continue
		}
		most := 24.0
		if users < 4000 {
			most = 26
		}
		if per := float64(s.bytes()) / float64(users); per > most {
			t.Fatalf("at %d users each takes %.2f bytes", users, per)
		}
	}
}
