package counts

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// probes is how many slots the finding of a key looks at.
func (p *shard) probes(k key) int {
	i, _ := p.find(k.rank())
	return i - p.home(k.rank()) + 1
}

// fillScope records one delivery for each of some users.
func fillScope(users int, user func(i int) UserKey) *numberState {
	s := newNumberState(number, 0)
	for i := range users {
		s.record(event{kind: Delivered, user: newKey(user(i)), fingerprint: uint32(i), at: uint32(begin.Unix()) + uint32(i%day)})
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
			for _, p := range s.users.all() {
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
		if _, found := s.users.shard(k).find(k.rank()); !found || k.rank() != rank(keyMask-i) {
			t.Fatalf("user %d is lost", i)
		}
	}
	for _, p := range s.users.all() {
		p.grow()
		if n := len(p.slots); n > 4*users {
			t.Fatalf("%d users are given %d slots", p.used, n)
		}
	}
}

// Growing and splitting loses nobody, and leaves each shard at most partSlots slots that are at least 70 % used.
func TestGrowthKeepsEveryone(t *testing.T) {
	const users = 60_000
	s := newNumberState(number, 0)
	at := uint32(begin.Unix())
	for i := range users {
		k := newKey(UserKey(i + 1))
		s.record(event{kind: Delivered, user: k, fingerprint: 1, at: at + uint32(i)})
		if i%3 == 0 {
			s.record(event{kind: Received, user: k, at: at - uint32(i)})
		}
		if i%5 == 0 {
			s.record(event{kind: Delivered, user: k, fingerprint: 2, at: at + uint32(2*i)})
		}
	}
	used := 0
	for _, p := range s.users.all() {
		used += p.used
		if len(p.slots) > shardSlots+shardSlots/16 || p.used*10 < len(p.slots)*7 {
			t.Errorf("part %s has %d users in %d slots", p.name(), p.used, len(p.slots))
		}
	}
	if used != users {
		t.Fatalf("%d of %d users are there", used, users)
	}
	var h history
	for i := range users {
		k := newKey(UserKey(i + 1))
		p := s.users.shard(k)
		j, found := p.find(k.rank())
		if !found {
			t.Fatalf("user %d is lost", i)
		}
		p.load(p.slots[j], &h)
		want := history{deliveries: []delivery{{at: at + uint32(i), fingerprint: 1}}}
		if i%3 == 0 {
			want.inbounds = []uint32{at - uint32(i)}
		}
		if i%5 == 0 {
			want.deliveries = append(want.deliveries, delivery{at: at + uint32(2*i), fingerprint: 2})
			slices.SortFunc(want.deliveries, delivery.compare)
		}
		if !slices.Equal(h.deliveries, want.deliveries) || !slices.Equal(h.inbounds, want.inbounds) {
			t.Fatalf("user %d has %v, want %v", i, h, want)
		}
	}
}

// What is stored in a slot or a overflow history is read as it was, over the whole span of time that a shard holds.
func TestPartStoresHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newShard(0, 0, begin.Unix()-rapid.Int64Range(0, 100*day).Draw(t, "horizon"), nil)
		at := rapid.Custom(func(t *rapid.T) uint32 {
			return uint32(rapid.Int64Range(p.base(), p.base()+timeMask).Draw(t, "at"))
		})
		want := map[rank]history{}
		for range rapid.IntRange(1, 30).Draw(t, "changes") {
			r := key(rapid.Uint64Range(0, 5).Draw(t, "user")).rank()
			h := history{inbounds: slices.Compact(slices.Sorted(slices.Values(rapid.SliceOfN(at, 0, 4).Draw(t, "inbounds"))))}
			for i := range rapid.IntRange(0, 4).Draw(t, "deliveries") {
				h.deliveries = append(h.deliveries, delivery{at: at.Draw(t, "delivery"), fingerprint: rapid.Uint32Range(0, 1<<fingerprintBits-8).Draw(t, "print") + uint32(i)})
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
			p.maybeCompact()
			want[r] = h
		}
		q, err := decodedPart(0, 0, p.encode())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []*shard{p, q} {
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
		used = append(used, newSlot(r, 0).withDelivery(delivery{at: at, fingerprint: uint32(r)}))
		want[r].add(event{kind: Delivered, at: at, fingerprint: uint32(r)})
	}
	p := newShard(0, 0, begin.Unix(), used)
	random := rand.New(rand.NewPCG(1, 1))
	for n := range 40_000 {
		r := rank(1 + random.IntN(users))
		if n%2 == 0 {
			r = rank(1 + n%5) // some have much more than fits a page
		}
		e := event{kind: Delivered, at: at + uint32(n), fingerprint: uint32(n + users + 1)}
		if random.IntN(3) == 0 {
			e.kind = Received
		}
		want[r].add(e)
		i, _ := p.find(r)
		var inline [overflowHeader + 3]uint32
		was := p.view(p.slots[i], inline[:], newWindowLengths(DefaultWindows))
		if e.kind == Received {
			p.widen(i, was, 1).pushInbound(e.at)
		} else {
			p.widen(i, was, 2).pushDelivery(delivery{at: e.at, fingerprint: e.fingerprint})
		}
	}
	longest := 0
	for r := rank(1); r <= users; r++ {
		i, _ := p.find(r)
		var got history
		p.load(p.slots[i], &got)
		if !slices.Equal(got.deliveries, want[r].deliveries) || !slices.Equal(got.inbounds, want[r].inbounds) {
			t.Fatalf("user %d has %d deliveries and %d inbounds; %d and %d were added", r, len(got.deliveries), len(got.inbounds),
				len(want[r].deliveries), len(want[r].inbounds))
		}
		longest = max(longest, len(p.overflow(p.slots[i])))
	}
	if longest <= pageWords {
		t.Errorf("no block is longer than a page: the longest is %d words", longest)
	}
	if roomTest(t, p); p.garbage > p.words/3 {
		t.Errorf("of %d words %d are garbage", p.words, p.garbage)
	}
}

// Keys and fingerprints are what they were: those on disk are looked for with them.
func TestKeysStayAsTheyAre(t *testing.T) {
	for of, want := range map[uint64]uint64{0: 0, 1: 0xb456bcfc34c2cb2c, 2: 0x3abf2a20650683e7, 1 << 63: 0x8f780810af31a493} {
		if got := scatter(of); got != want || uint64(unscatter(got)) != of {
			t.Errorf("%d is scattered to %x, and that back to %d", of, got, unscatter(got))
		}
		if got := newFingerprint(MessageKey(of)); uint64(got) != want>>35 {
			t.Errorf("message %d has fingerprint %x", of, got)
		}
		if k := newKey(UserKey(of)); uint64(k) != want>>14 || k.rank().key() != k || uint64(k.rank()) != uint64(k)*rankFactor%(1<<50) {
			t.Errorf("user %d has key %x, and that the rank %x", of, k, k.rank())
		}
	}
	if k := newKey(unscatter(1)); k != 1 {
		t.Errorf("a user whose key is nobody's has key %x", k)
	}
}

// A delivery and a message from the user lie in a slot side by side, whichever of them came first.
func TestBothOfASlot(t *testing.T) {
	p := newShard(0, 0, begin.Unix(), nil)
	for _, reply := range []bool{false, true} {
		d, at := delivery{at: uint32(begin.Unix()) - 1, fingerprint: 0x1abc_def1, reply: reply}, uint32(begin.Unix()-5)
		for _, is := range []slot{newSlot(7, 0).withDelivery(d).withInbound(at), newSlot(7, 0).withInbound(at).withDelivery(d)} {
			if is.rank() != 7 || p.deliveryOf(is) != d || p.inboundOf(is) != at || p.lastDelivery(is) != d.at {
				t.Errorf("in a slot of rank %d are %v and %d", is.rank(), p.deliveryOf(is), p.inboundOf(is))
			}
		}
	}
}

// The last delivery to a user is read from whatever their slot holds, and is none where there is none.
func TestTheLastDelivery(t *testing.T) {
	at := uint32(begin.Unix())
	p := newShard(0, 0, int64(at), nil)
	for name, test := range map[string]struct {
		h    history
		want uint32
	}{
		"a delivery":                   {history{deliveries: []delivery{{at: at, fingerprint: 1}}}, at},
		"a message from the user":      {history{inbounds: []uint32{at}}, 0},
		"two messages from the user":   {history{inbounds: []uint32{at, at + 1}}, 0},
		"two deliveries":               {history{deliveries: []delivery{{at: at, fingerprint: 1}, {at: at + 1, fingerprint: 2}}}, at + 1},
		"a delivery and some messages": {history{deliveries: []delivery{{at: at, fingerprint: 1}}, inbounds: []uint32{at + 1, at + 2}}, at},
	} {
		if got := p.lastDelivery(p.store(newSlot(7, 0), &test.h, 0, 0)); got != test.want {
			t.Errorf("the last of %s is at %d, not %d", name, got, test.want)
		}
	}
	if got := p.lastDelivery(aliasSlot(7, keyMask)); got != 0 {
		t.Errorf("the last of another name is at %d", got)
	}
}

// A shard holds times over 2^23 seconds, from the longest window before its horizon on.
func TestTheSpanOfAPart(t *testing.T) {
	for _, horizon := range []int64{begin.Unix(), begin.Unix() + 1<<22, 0x6a000000} {
		p := newShard(0, 0, horizon, nil)
		first := horizon - int64(Kept.Seconds()) - 1
		for at, want := range map[int64]bool{first: true, horizon: true, first + timeMask: true, first + timeMask + 1: false} {
			if got := p.spans(uint32(at)); got != want {
				t.Errorf("%d seconds after the first are held: %t", at-first, got)
			}
			if got := p.time(uint64(at) & timeMask); want && got != uint32(at) {
				t.Errorf("%d seconds after the first are read as %d", at-first, int64(got)-first)
			}
		}
	}
}

// evenly are users whose slots lie evenly in a table.
func evenly(users int) (used []slot) {
	for i := range users {
		used = append(used, newSlot(rank(uint64(i)*(keyMask/uint64(users))+1), 0).withInbound(1))
	}
	return used
}

// A table is filled to eight ninths, so that users who lie evenly are where they are first looked for. Beyond where users
// belong there is a 64th of it and eight slots for those who come to lie there, of whatever room the allocator gave. It is full at 93 %,
// and when it grows, it does by a 32nd at least.
func TestTheRoomOfATable(t *testing.T) {
	room := func(p *shard, least, most int) {
		t.Helper()
		if ideal := int(p.ideal); ideal < least || ideal > most+most/3+16 {
			t.Errorf("%d users have %d slots, not %d and at most a third more", p.used, ideal, least)
		}
		if beyond, want := len(p.slots)-int(p.ideal), (len(p.slots)-8)/65+8; beyond < want-2 || beyond > want+2 {
			t.Errorf("%d users have %d slots, of which %d are beyond the others, not %d", p.used, len(p.slots), beyond, want)
		}
	}
	for _, users := range []int{0, 1, 7, 100, 1000, 5000, 10_000} {
		p := newShard(0, 0, begin.Unix(), evenly(users))
		room(p, users*9/8+4, users*9/8+4)
		if p.full() {
			t.Errorf("a table of %d users is full", users)
		}
		for _, is := range p.slots {
			if k := is.rank().key(); !is.empty() && p.probes(k) != 1 {
				t.Fatalf("of %d users who lie evenly one is found after %d probes", users, p.probes(k))
			}
		}
		for range 5 {
			least := int(p.ideal) + int(p.ideal)/32 + 1
			p.grow()
			room(p, least, least)
		}
		if p.used != users {
			t.Errorf("there are %d of %d users", p.used, users)
		}
	}
	for used, want := range map[int]bool{0: false, 185: false, 186: true, 200: true} {
		if got := (&shard{ideal: 200, used: used}).full(); got != want {
			t.Errorf("with %d of 200 slots used a table is full: %t", used, got)
		}
	}
	full := newShard(0, 0, begin.Unix(), evenly(1000))
	full.ideal = 1000
	full.grow()
	room(full, 1129, 1129)
}

// However many users belong at the end of a table, each has a slot, the last slot stays free for one more, and then it is full.
func TestUsersAtTheEnd(t *testing.T) {
	for users := range 100 {
		var used []slot
		for i := range users {
			used = append(used, slot{}, newSlot(rank(keyMask-2*(users-i)), 0).withInbound(1))
		}
		p := &shard{horizon: begin.Unix()}
		p.layOut(used, users, capacityFor(users))
		whole := func() {
			t.Helper()
			for i := range users {
				if _, found := p.find(rank(keyMask - 2*(i+1))); !found {
					t.Fatalf("of %d users number %d is lost", users, i)
				}
				if _, found := p.find(rank(keyMask - 2*i - 1)); found {
					t.Fatalf("besides %d users there is one after number %d", users, i)
				}
			}
		}
		whole()
		if !p.slots[len(p.slots)-1].empty() {
			t.Errorf("%d users have the last of %d slots", users, len(p.slots))
		}
		more := 0
		for { // before those, and in their way
			r := rank(keyMask - 2*(users+more) - 1)
			if i, _ := p.find(r); !p.insert(i, newSlot(r, 0).withInbound(1)) {
				break
			}
			more++
		}
		if whole(); more == 0 || p.used != users+more || p.slots[len(p.slots)-1].empty() {
			t.Errorf("%d users and %d more are in %d slots", users, more, len(p.slots))
		}
		for i := range p.slots {
			if i > 0 && !p.slots[i].empty() && p.slots[i-1].rank() >= p.slots[i].rank() {
				t.Fatalf("of %d users those at %d are out of order", p.used, i)
			}
		}
		p.grow()
		whole()
	}
}

// roomTest fails unless what a shard says of the room in its arena is so.
func roomTest(t *testing.T, p *shard) {
	t.Helper()
	content, used, words := 0, 0, 0
	for _, is := range p.slots {
		if is.isOverflow() {
			content += p.overflow(is).used()
			used += len(p.overflow(is))
		}
	}
	for _, page := range p.arena {
		words += len(page)
	}
	if words != p.words || p.words-p.garbage != used || p.content != content {
		t.Errorf("of %d words %d are said to be there, %d to be garbage and %d to hold something; %d are used, and %d hold something", words, p.words, p.garbage, p.content, used, content)
	}
}

// A user's overflow history is used until there is no room in it, and then they get one that is half as large again as what it holds.
func TestBlocksAreUsedUp(t *testing.T) {
	at := uint32(begin.Unix())
	filled := func(p *shard, used int, was int) int {
		t.Helper()
		is := len(p.overflow(p.slots[0]))
		want := was
		if used > was {
			want = used + (used-overflowHeader)/2
		}
		if is != want {
			t.Errorf("a block of %d words holds %d, and has %d", was, used, is)
		}
		roomTest(t, p)
		return is
	}
	stored := newShard(0, 0, int64(at), []slot{newSlot(0, 0).withInbound(at)})
	var h history
	size := 0
	for n := range uint32(20) {
		h.deliveries = append(h.deliveries, delivery{at: at + n, fingerprint: n})
		h.inbounds = append(h.inbounds, at+n)
		stored.slots[0] = stored.store(stored.slots[0], &h, 0, 0)
		if n > 0 {
			size = filled(stored, overflowHeader+3*len(h.inbounds), size)
		}
	}
	h = history{inbounds: h.inbounds[:1]}
	stored.slots[0] = stored.store(stored.slots[0], &h, 0, 0)
	if roomTest(t, stored); stored.garbage != stored.words {
		t.Errorf("of %d words %d are said to be garbage when none is used", stored.words, stored.garbage)
	}
	widened := newShard(0, 0, int64(at), []slot{newSlot(0, 0).withInbound(at)})
	size = 0
	for n := range uint32(40) {
		var inline [overflowHeader + 3]uint32
		b := widened.view(widened.slots[0], inline[:], newWindowLengths(DefaultWindows))
		widened.widen(0, b, 1).pushInbound(at + n + 1)
		size = filled(widened, overflowHeader+int(n)+2, size)
		if widened.garbage > widened.words/3 {
			t.Errorf("of %d words %d are garbage", widened.words, widened.garbage)
		}
	}
}

// The arena is compacted when more than a third of it is garbage, and not before.
func TestTheArenaIsTidied(t *testing.T) {
	p := newShard(0, 0, begin.Unix(), evenly(3))
	var places []int
	for i, is := range p.slots {
		if !is.empty() {
			p.slots[i] = overflowSlot(is.rank(), p.allocate(12))
			p.content += p.overflow(p.slots[i]).used()
			places = append(places, i)
		}
	}
	for n, want := range []int{36, 12} {
		p.free(p.slots[places[n]])
		p.slots[places[n]] = newSlot(p.slots[places[n]].rank(), 0).withInbound(1)
		p.maybeCompact()
		if roomTest(t, p); p.words != want {
			t.Errorf("when %d of three blocks are given up, the arena has %d words, not %d", n+1, p.words, want)
		}
	}
}

// Blocks share what they fit together, and what is longer stands alone. The room beyond them is an eighth of all at most, and yet
// they are seldom copied.
func TestTheArenaHasLittleMoreThanItNeeds(t *testing.T) {
	p := newShard(0, 0, begin.Unix(), nil)
	for i, test := range []struct{ words, pages, place int }{
		{pageWords / 2, 1, 0}, {pageWords / 2, 1, pageWords / 2}, {pageWords + 1, 2, pageWords}, {1, 3, 2 * pageWords}, {pageWords, 4, 3 * pageWords},
	} {
		if place := p.allocate(test.words); int(place) != test.place || len(p.arena) != test.pages {
			t.Errorf("block %d is at %d of %d, not at %d of %d", i, place, len(p.arena), test.place, test.pages)
		}
	}
	p = newShard(0, 0, begin.Unix(), nil)
	copied, before := 0, 0
	for range 3000 {
		p.allocate(10)
		last := p.arena[len(p.arena)-1]
		if cap(last) != before {
			copied, before = copied+1, cap(last)
		}
		if cap(last)-len(last) > p.words/8 || cap(last) > pageWords {
			t.Fatalf("of %d words there is room for %d more", p.words, cap(last)-len(last))
		}
	}
	if p.words != 30_000 || copied > 70 {
		t.Errorf("%d words were copied %d times", p.words, copied)
	}
}

// A shard is split that has more users or more history than a shard should, unless that is one user's, or it is too small already.
func TestWhenAPartIsSplit(t *testing.T) {
	const most = (shardSlots - 4) * 8 / 9 // users for whom there is just room
	for _, test := range []struct {
		p    shard
		want bool
	}{
		{shard{used: most}, false},
		{shard{used: most + 1}, true},
		{shard{used: most + 1, depth: mostDepth - 1}, true},
		{shard{used: most + 1, depth: mostDepth}, false},
		{shard{used: 2, content: shardWords}, false},
		{shard{used: 2, content: shardWords + 1}, true},
		{shard{used: 2, content: shardWords, words: 2 * shardWords, garbage: 1}, false},
		{shard{used: 1, content: shardWords + 1}, false},
	} {
		if got := test.p.shouldSplit(); got != test.want {
			t.Errorf("a part of depth %d with %d users and %d words of history is split: %t", test.p.depth, test.p.used, test.p.content, got)
		}
	}
}

// The halves of a shard hold what it held, each in an arena of its own.
func TestTheHalvesOfAPart(t *testing.T) {
	at := uint32(begin.Unix())
	whole := newShard(0, 0, int64(at), evenly(64))
	for i, is := range whole.slots {
		if !is.empty() {
			whole.slots[i] = whole.store(is, &history{inbounds: []uint32{at, at + uint32(i)}}, 0, 0)
		}
	}
	low, high := whole.split()
	quarter, other := high.split()
	for _, p := range []*shard{low, high, quarter, other} {
		if roomTest(t, p); p.garbage != 0 || p.horizon != whole.horizon || !p.dirty || p.words != p.used*withSlack(overflowWords(0, 2)) {
			t.Errorf("part %s of %d users has %d words", p.name(), p.used, p.words)
		}
		for _, is := range p.slots {
			if is.empty() {
				continue
			}
			i, found := whole.find(is.rank())
			var got, want history
			p.load(is, &got)
			if whole.load(whole.slots[i], &want); !found || is.rank().key()>>(keyBits-p.depth) != p.prefix || !slices.Equal(got.inbounds, want.inbounds) {
				t.Errorf("in part %s is key %x with %v, not %v", p.name(), is.rank().key(), got, want)
			}
		}
	}
	for p, want := range map[*shard]string{whole: "0/0", low: "1/0", high: "1/1", quarter: "2/10", other: "2/11"} {
		if p.name() != want {
			t.Errorf("part %s is named %s", want, p.name())
		}
	}
	if low.used+high.used != 64 || quarter.used+other.used != high.used || low.used == 0 || quarter.used == 0 || other.used == 0 {
		t.Errorf("of 64 users %d and %d are in the halves, and of these %d and %d", low.used, high.used, quarter.used, other.used)
	}
}

// bytes is the memory of a number.
func (s *numberState) bytes() (n int) {
	n = int(unsafe.Sizeof(*s)) + cap(s.users.shards)*8 + s.series.bytes()
	for _, p := range s.users.all() {
		n += int(unsafe.Sizeof(*p)) + cap(p.slots)*16 + cap(p.arena)*24
		for _, page := range p.arena {
			n += cap(page) * 4
		}
	}
	return n
}

func (l *seriesSet) bytes() (n int) {
	for i := range l {
		n += cap(l[i].chunks) * int(unsafe.Sizeof(chunk{}))
		for _, c := range l[i].chunks {
			n += cap(c.buckets) * 4
		}
	}
	return n
}

// A user with a delivery and an inbound, each in a second of its own, takes 24 bytes at most with the number's series
// included, from 4,000 users on at any number of them, and 26 from 1,000 on.
func TestMemoryPerUser(t *testing.T) {
	s := newNumberState(number, 0)
	for i := range 300_000 {
		k, at := newKey(UserKey(i+1)), uint32(begin.Unix())+uint32(i)*8
		s.record(event{kind: Received, user: k, at: at - 2*day})
		s.record(event{kind: Delivered, user: k, fingerprint: uint32(i), at: at})
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
