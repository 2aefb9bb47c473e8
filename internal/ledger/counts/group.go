package counts

import (
	"cmp"
	"slices"
	"sync"
)

// group counts several numbers together: a user of several of them is one user. It has timelines of its own but no users:
// what is known about a user is what its numbers know, and put together when it changes at one of them. Its numbers share
// its lock. Keys that are one user at one of its numbers are one user in the group; at the other numbers they stay two,
// so that a number's own counts follow from its own events, whatever groups it was in.
//
// The group's points follow from what its numbers keep. Before the horizon they keep the last opening of a conversation
// each for itself, so the group's conversations are exact after the first pause of a conversation's length that a user had
// from all its numbers; as the horizon lies Lateness before what can be counted, that is nearly always before it.
type group struct {
	mu      sync.RWMutex
	members []*scope // by number
	windows lengths  // of the first
	horizon int64    // the latest of its numbers'
	lines   timelines

	// names is the table of the keys of users whom several numbers know, under one key or under several: each refers to the next
	// key of the user, the last to the first. Whoever has no key in it is known to one number at most, which knows by itself
	// what their keys are; these are most users, and nothing is looked up or kept for them at the others.
	names *scope

	users         []key // whose points are in before, unless it is a single one
	before, after points
	changing      *scope // the number at which something changes
	single        bool   // it changes for one user, and others has their keys and what the other numbers know
	found, others gathered
}

func newGroup() *group { return &group{names: newNames()} }

func newNames() *scope { return &scope{parts: []*part{newPart(0, 0, 0, nil)}} }

func (g *group) rlock()                { g.mu.RLock() }
func (g *group) runlock()              { g.mu.RUnlock() }
func (g *group) timelines() *timelines { return &g.lines }

// gathered is what the numbers of a group know about a user.
type gathered struct {
	keys     []key
	one, two history
	times    [lineKinds][]uint32 // of the deliveries or complaints that are on a timeline, in order
	numbers  int                 // that know anything
}

func (in *gathered) reset() {
	in.numbers = 0
	for on := range in.times {
		in.times[on] = in.times[on][:0]
	}
}

// add adds what a number knows.
func (in *gathered) add(w lengths, h *history, reach bool) {
	in.numbers++
	for _, d := range h.deliveries {
		if h.counts(w, d) {
			in.times[countedLine] = append(in.times[countedLine], d.at)
		}
		if reach && !d.awaited {
			in.times[reachedLine] = append(in.times[reachedLine], d.at)
		}
	}
	for _, c := range h.complaints {
		in.times[complaintLine] = append(in.times[complaintLine], c.at)
	}
}

// order is called after the last add.
func (in *gathered) order() {
	if in.numbers < 2 {
		return
	}
	for _, times := range in.times {
		slices.Sort(times)
	}
}

// read puts together in one what a number knows about the user of the keys, and says whether that is anything.
func (in *gathered) read(s *scope) bool {
	known := false
	for _, k := range in.keys {
		switch {
		case !known:
			known = s.look(k, &in.one)
		case s.look(k, &in.two):
			in.one.join(&in.two)
		}
	}
	return known
}

// gather puts together what is known about the user of a key. It looks at all numbers, or, where the user is known to one at
// most, at that one alone if it is given.
func (g *group) gather(known *scope, user key, in *gathered) {
	if known == nil || g.shared(user) {
		g.gatherBut(nil, user, in)
		in.order()
		return
	}
	in.reset()
	in.keys = append(in.keys[:0], user)
	if in.read(known) {
		in.add(known.windows, &in.one, g.windows.reach)
	}
}

// gatherBut is gather of all numbers but one, and without order.
func (g *group) gatherBut(one *scope, user key, in *gathered) {
	in.reset()
	in.keys = g.keys(user, in.keys[:0])
	for _, s := range g.members {
		if s != one && in.read(s) {
			in.add(s.windows, &in.one, g.windows.reach)
		}
	}
}

// regather is gather where others has what gatherBut gave without the number.
func (g *group) regather(s *scope, others, in *gathered) {
	in.numbers = others.numbers
	in.keys = append(in.keys[:0], others.keys...)
	for on := range in.times {
		in.times[on] = append(in.times[on][:0], others.times[on]...)
	}
	if in.read(s) {
		in.add(s.windows, &in.one, g.windows.reach)
	}
	in.order()
}

// walk appends the points of a user.
func (g *group) walk(in *gathered, to *points) {
	for on, times := range in.times {
		k := walker{windows: g.windows, floor: g.horizon, points: to[on]}
		if line(on) != countedLine {
			k.windows = lengths{}
		}
		for _, at := range times {
			k.step(at)
		}
		to[on] = k.points
	}
}

// set makes scopes the group's numbers. They are in no other.
func (g *group) set(members []*scope) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.members {
		s.group = nil
	}
	for _, s := range members {
		s.group = g
	}
	g.members = members
	g.rebuild()
}

// remove takes a number out of the group.
func (g *group) remove(s *scope) {
	g.set(slices.DeleteFunc(slices.Clone(g.members), func(m *scope) bool { return m == s }))
}

// consistsOf says whether the group's numbers are those, which are in order.
func (g *group) consistsOf(numbers []string) bool {
	return slices.EqualFunc(g.members, numbers, func(s *scope, number string) bool { return s.number == number })
}

// begin is called before something changes that a number knows about a user (see meet), beginAll before that of several, unite
// before two keys become one user at it, and end after any of them.
func (g *group) begin(s *scope, user key) {
	g.changing, g.single = s, true
	if g.shared(user) {
		g.gatherBut(s, user, &g.others)
	} else {
		g.others.reset()
		g.others.keys = append(g.others.keys[:0], user)
	}
	g.points(&g.before)
}

func (g *group) beginAll(s *scope, users ...key) {
	g.changing, g.single = s, false
	g.users = append(g.users[:0], users...)
	g.points(&g.before)
}

func (g *group) unite(s *scope, a, b key) {
	g.meet(s, a)
	g.meet(s, b)
	g.beginAll(s, a, b)
	if g.shared(a) || g.shared(b) {
		g.link(a, b)
	}
}

func (g *group) end() {
	g.points(&g.after)
	g.lines.replace(&g.before, &g.after)
}

// points are those of g.users, each user once.
func (g *group) points(to *points) {
	to.reset()
	if g.single {
		g.regather(g.changing, &g.others, &g.found)
		g.walk(&g.found, to)
		return
	}
	for i, k := range g.users {
		g.users[i] = g.one(g.changing.resolve(k))
	}
	slices.Sort(g.users)
	g.users = slices.Compact(g.users)
	some := g.users[:0]
	for _, user := range g.users {
		had := to.size()
		g.gather(g.changing, user, &g.found)
		g.walk(&g.found, to)
		if to.size() > had || g.shared(user) {
			some = append(some, user) // who else has none before users become one, or are swept, has none after it
		}
	}
	g.users = some
	for on := range to {
		slices.Sort(to[on])
	}
}

// shared says whether several numbers may know something about the user of a key.
func (g *group) shared(user key) bool {
	_, found := g.names.part(user).find(user.rank())
	return found
}

// mirrors says whether the group's points of a user are those of the number: no other knows the user, and both count by the
// same windows. Then what changes at the number changes in the group, and nothing needs to be put together. It is asked before
// something is recorded about the user.
func (g *group) mirrors(s *scope, user key) bool {
	g.meet(s, user)
	return s.windows == g.windows && !g.shared(user)
}

// meet is called before a number comes to know a key. Where others know it, the user is one whom several numbers know from now
// on: with each key that stands for the user at one of them.
func (g *group) meet(s *scope, k key) {
	if s.mentions(k) {
		return
	}
	for _, other := range g.members {
		if other != s && other.mentions(k) {
			g.tie(k, other.resolve(k))
		}
	}
}

// tie is link for the key under which a number knows the user of another, of which it may know nothing but that. Whatever another
// number makes of that key belongs to the user too: so the numbers that know a shared key have it with the key that it stands
// for, and users who have points of their own never become one except between begin and end.
func (g *group) tie(k, user key) {
	known := g.shared(user)
	g.link(k, user)
	if known || k == user {
		return
	}
	for _, s := range g.members {
		if s.mentions(user) {
			g.tie(user, s.resolve(user))
		}
	}
}

// next is the key after a user's key: itself if there is no other.
func (g *group) next(k key) key {
	p := g.names.part(k)
	if i, found := p.find(k.rank()); found {
		return p.slots[i].alias()
	}
	return k
}

// keys appends all keys of a user.
func (g *group) keys(user key, to []key) []key {
	to = append(to, user)
	for k := g.next(user); k != user; k = g.next(k) {
		to = append(to, k)
	}
	return to
}

// one is the least of a user's keys.
func (g *group) one(user key) key {
	least := user
	for k := g.next(user); k != user; k = g.next(k) {
		least = min(least, k)
	}
	return least
}

// link makes two keys one user, or one key a user of its own, whom several numbers know.
func (g *group) link(a, b key) {
	if a == b && !g.shared(a) {
		g.rename(a, a)
	}
	afterA, afterB := g.next(a), g.next(b)
	for k := a; ; {
		if k == b {
			return
		}
		if k = g.next(k); k == a {
			break
		}
	}
	// Two rings become one when a key of each is followed by the one after the other.
	g.rename(a, afterB)
	g.rename(b, afterA)
}

func (g *group) rename(k, next key) {
	p := g.names.part(k)
	is := aliasSlot(k.rank(), next)
	if i, found := p.find(k.rank()); found {
		p.slots[i] = is
		return
	}
	g.names.insert(k, is)
}

// has says whether any number knows anything about the user of a key.
func (g *group) has(user key) bool {
	var room [4]key
	for _, k := range g.keys(user, room[:0]) {
		for _, s := range g.members {
			if s.has(k) {
				return true
			}
		}
	}
	return false
}

// advance raises the horizon with that of a number.
func (g *group) advance(horizon int64) {
	if horizon > g.horizon {
		g.horizon = horizon
		g.lines.drop(horizon)
	}
}

// rebuild makes all anew from the numbers.
func (g *group) rebuild() {
	g.names, g.windows, g.horizon = newNames(), lengths{}, 0
	for i, s := range g.members {
		if i == 0 {
			g.windows = s.windows
		}
		g.horizon = max(g.horizon, s.horizon)
	}
	// By key, so that those whom several numbers know come together. Tables are quick to fill in that order, as in any but that
	// of ranks.
	type mention struct {
		key    key
		member int
	}
	var mentions []mention
	for i, s := range g.members {
		for _, p := range s.all() {
			mentions = slices.Grow(mentions, p.used)
			for _, is := range p.slots {
				if !is.empty() {
					mentions = append(mentions, mention{is.rank().key(), i})
				}
			}
		}
		for k := range s.complaints {
			if _, found := s.part(k).find(k.rank()); !found {
				mentions = append(mentions, mention{k, i})
			}
		}
	}
	slices.SortFunc(mentions, func(a, b mention) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.member, b.member)) })
	for i, m := range mentions {
		if i > 0 && mentions[i-1].key == m.key || i+1 < len(mentions) && mentions[i+1].key == m.key {
			g.tie(m.key, g.members[m.member].resolve(m.key))
		}
	}
	// Those by user and number, so that what is gathered about a user comes together without a look at every number.
	var all points
	in := &g.found
	type place struct {
		user, key key
		member    int
	}
	var places []place
	for _, m := range mentions {
		s := g.members[m.member]
		switch {
		case !s.has(m.key): // a name of another key
		case g.shared(m.key):
			places = append(places, place{g.one(m.key), m.key, m.member})
		default:
			g.gather(s, m.key, in)
			g.walk(in, &all)
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.user, b.user), cmp.Compare(a.member, b.member))
	})
	for i := 0; i < len(places); {
		in.reset()
		for first := i; i < len(places) && places[i].user == places[first].user; {
			at := places[i].member
			s := g.members[at]
			s.look(places[i].key, &in.one)
			for i++; i < len(places) && places[i].user == places[first].user && places[i].member == at; i++ {
				if s.look(places[i].key, &in.two) {
					in.one.join(&in.two)
				}
			}
			in.add(s.windows, &in.one, g.windows.reach)
		}
		in.order()
		g.walk(in, &all)
	}
	g.lines.fill(&all)
}

// again implements subject. What only one number knows may be superseded by another's too, so unlike there all users are
// looked at who have anything after to.
func (g *group) again(on line, from, to int64, call func(at uint32)) {
	var users []key
	for _, s := range g.members {
		if on == complaintLine {
			for k, complaints := range s.complaints {
				if int64(complaints[len(complaints)-1].at) > to {
					users = append(users, g.one(k))
				}
			}
			continue
		}
		for _, p := range s.all() {
			for _, is := range p.slots {
				if int64(p.lastDelivery(is)) > to {
					users = append(users, g.one(is.rank().key()))
				}
			}
		}
	}
	slices.Sort(users)
	var in gathered
	for _, user := range slices.Compact(users) {
		g.gather(nil, user, &in)
		times := in.times[on]
		n, _ := slices.BinarySearchFunc(times, to+1, func(at uint32, t int64) int { return cmp.Compare(int64(at), t) })
		if n > 0 && n < len(times) && int64(times[n-1]) > from {
			call(times[n-1])
		}
	}
}

func (g *group) complained(call func(user key, c delivery)) {
	var users []key
	for _, s := range g.members {
		for k := range s.complaints {
			users = append(users, g.one(k))
		}
	}
	slices.Sort(users)
	var in gathered
	for _, user := range slices.Compact(users) {
		in.keys = g.keys(user, in.keys[:0])
		for _, s := range g.members {
			if in.read(s) {
				for _, c := range in.one.complaints {
					call(user, c)
				}
			}
		}
	}
}

// sweep forgets the keys of users of whom no number knows anything, in the part of a key. Numbers are swept before. It returns how many
// keys were looked at, and where the next part begins: zero at the end.
func (g *group) sweep(from key) (looked int, next key) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.names.part(from)
	looked = p.used
	g.forget(p)
	if next = p.end(); next > keyMask {
		next = 0
	}
	return looked, next
}

// forget forgets users whose least key is in a part of the names.
func (g *group) forget(p *part) {
	var gone []key
	for _, is := range p.slots {
		if is.empty() {
			continue
		}
		if k := is.rank().key(); g.one(k) == k && !g.named(k) && !g.has(k) {
			gone = g.keys(k, gone)
		}
	}
	for _, k := range gone {
		p := g.names.part(k)
		if i, found := p.find(k.rank()); found {
			p.remove(i)
		}
	}
}

// divides says whether a number knows the user of a key under another key too, which it does not know to be the same user.
// Then what changes nothing of its own counts may change the group's.
func (g *group) divides(s *scope, user key) bool {
	for k := g.next(user); k != user; k = g.next(k) {
		if s.has(k) {
			return true
		}
	}
	return false
}

// named says whether a number still has a name of the user of a key.
func (g *group) named(user key) bool {
	var room [4]key
	for _, k := range g.keys(user, room[:0]) {
		for _, s := range g.members {
			if s.parts != nil {
				if _, found := s.part(k).find(k.rank()); found {
					return true
				}
			}
		}
	}
	return false
}
