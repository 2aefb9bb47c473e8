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
type portfolioState struct {
	mu      sync.RWMutex
	members []*numberState // by number
	windows windowLengths  // of the first
	horizon int64          // the latest of its numbers'
	series  seriesSet

	// rings has the keys of users whom several numbers know, under one key or under several. Whoever has no key in it is known to one
	// number at most, which knows by itself what their keys are; these are most users, and nothing is looked up or kept for them at the
	// others.
	rings aliasRings

	change change          // the one under way
	after  samples         // scratch
	found  memberHistories // scratch
}

func newPortfolioState() *portfolioState { return &portfolioState{rings: newAliasRings()} }

func (g *portfolioState) rlock()                { g.mu.RLock() }
func (g *portfolioState) runlock()              { g.mu.RUnlock() }
func (g *portfolioState) allSeries() *seriesSet { return &g.series }

// set makes scopes the group's numbers. They are in no other.
func (g *portfolioState) set(members []*numberState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.members {
		s.portfolio = nil
	}
	for _, s := range members {
		s.portfolio = g
	}
	g.members = members
	g.rebuild()
}

// remove takes a number out of the group.
func (g *portfolioState) remove(s *numberState) {
	g.set(slices.DeleteFunc(slices.Clone(g.members), func(m *numberState) bool { return m == s }))
}

// consistsOf says whether the group's numbers are those, which are in order.
func (g *portfolioState) consistsOf(numbers []string) bool {
	return slices.EqualFunc(g.members, numbers, func(s *numberState, number string) bool { return s.number == number })
}

// mirrors says whether the group's points of a user are those of the number: no other knows the user, and both count by the
// same windows. Then what changes at the number changes in the group, and nothing needs to be put together. It is asked before
// something is recorded about the user.
func (g *portfolioState) sharesSamples(s *numberState, user key) bool {
	if g == nil {
		return false
	}
	g.linkIfShared(s, user)
	return s.windows == g.windows && !g.rings.has(user)
}

// meet is called before a number comes to know a key. Where others know it, the user is one whom several numbers know from now
// on: with each key that stands for the user at one of them.
func (g *portfolioState) linkIfShared(s *numberState, k key) {
	if g == nil || s.hasKey(k) {
		return
	}
	for _, other := range g.members {
		if other != s && other.hasKey(k) {
			g.linkKeys(k, other.users.resolve(k))
		}
	}
}

// tie is link for the key under which a number knows the user of another, of which it may know nothing but that. Whatever another
// number makes of that key belongs to the user too: so the numbers that know a shared key have it with the key that it stands
// for, and users who have points of their own never become one except between begin and end.
func (g *portfolioState) linkKeys(k, user key) {
	known := g.rings.has(user)
	g.rings.link(k, user)
	if known || k == user {
		return
	}
	for _, s := range g.members {
		if s.hasKey(user) {
			g.linkKeys(user, s.users.resolve(user))
		}
	}
}

// has says whether any number knows anything about the user of a key.
func (g *portfolioState) knowsUser(user key) bool {
	var room [4]key
	for _, k := range g.rings.keys(user, room[:0]) {
		for _, s := range g.members {
			if s.knowsUser(k) {
				return true
			}
		}
	}
	return false
}

// advance raises the horizon with that of a number.
func (g *portfolioState) raiseHorizon(horizon int64) {
	if horizon > g.horizon {
		g.horizon = horizon
		g.series.drop(horizon)
	}
}

// mention is a key that a number has something under.
type mention struct {
	key    key
	member int
}

// rebuild makes all anew from the numbers.
func (g *portfolioState) rebuild() {
	g.rings.table.clear(0)
	mentions := g.mentions()
	for i, m := range mentions {
		if i > 0 && mentions[i-1].key == m.key || i+1 < len(mentions) && mentions[i+1].key == m.key {
			g.linkKeys(m.key, g.members[m.member].users.resolve(m.key))
		}
	}
	g.recount(mentions)
}

// mentions are all that the numbers have, by key, so that those whom several numbers know come together. Tables are quick to fill in that
// order, as in any but that of ranks.
func (g *portfolioState) mentions() []mention {
	var mentions []mention
	for i, s := range g.members {
		for _, p := range s.users.all() {
			mentions = slices.Grow(mentions, p.used)
			for _, is := range p.slots {
				if !is.empty() {
					mentions = append(mentions, mention{is.rank().key(), i})
				}
			}
		}
		for k := range s.complaints {
			if _, found := s.users.shard(k).find(k.rank()); !found {
				mentions = append(mentions, mention{k, i})
			}
		}
	}
	slices.SortFunc(mentions, func(a, b mention) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.member, b.member)) })
	return mentions
}

// recount makes the series anew from the numbers and the rings.
func (g *portfolioState) recount(mentions []mention) {
	g.windows, g.horizon = windowLengths{}, 0
	for i, s := range g.members {
		if i == 0 {
			g.windows = s.windows
		}
		g.horizon = max(g.horizon, s.horizon)
	}
	// Those by user and number, so that what is gathered about a user comes together without a look at every number.
	var all samples
	in := &g.found
	type place struct {
		user, key key
		member    int
	}
	var places []place
	for _, m := range mentions {
		s := g.members[m.member]
		switch {
		case !s.knowsUser(m.key): // a name of another key
		case g.rings.has(m.key):
			places = append(places, place{g.rings.least(m.key), m.key, m.member})
		default:
			g.gather(s, m.key, in)
			g.appendSamples(in, &all)
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
			s.loadUser(places[i].key, &in.one)
			for i++; i < len(places) && places[i].user == places[first].user && places[i].member == at; i++ {
				if s.loadUser(places[i].key, &in.two) {
					in.one.merge(&in.two)
				}
			}
			in.add(s.windows, &in.one, g.windows.countReached)
		}
		in.order()
		g.appendSamples(in, &all)
	}
	g.series.fill(&all)
}

// again implements subject. What only one number knows may be superseded by another's too, so unlike there all users are
// looked at who have anything after to.
func (g *portfolioState) supersededBefore(on seriesKind, from, to int64, call func(at uint32)) {
	var users []key
	for _, s := range g.members {
		if on == complaintSeries {
			for k, complaints := range s.complaints {
				if int64(complaints[len(complaints)-1].at) > to {
					users = append(users, g.rings.least(k))
				}
			}
			continue
		}
		for _, p := range s.users.all() {
			for _, is := range p.slots {
				if int64(p.lastDelivery(is)) > to {
					users = append(users, g.rings.least(is.rank().key()))
				}
			}
		}
	}
	slices.Sort(users)
	var in memberHistories
	for _, user := range slices.Compact(users) {
		g.gather(nil, user, &in)
		times := in.times[on]
		n, _ := slices.BinarySearchFunc(times, to+1, func(at uint32, t int64) int { return cmp.Compare(int64(at), t) })
		if n > 0 && n < len(times) && int64(times[n-1]) > from {
			call(times[n-1])
		}
	}
}

func (g *portfolioState) eachComplaint(call func(user key, c delivery)) {
	var users []key
	for _, s := range g.members {
		for k := range s.complaints {
			users = append(users, g.rings.least(k))
		}
	}
	slices.Sort(users)
	var in memberHistories
	for _, user := range slices.Compact(users) {
		in.keys = g.rings.keys(user, in.keys[:0])
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
func (g *portfolioState) sweep(from key) (looked int, next key) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.rings.table.shard(from)
	looked = p.used
	g.forget(p)
	if next = p.end(); next > keyMask {
		next = 0
	}
	return looked, next
}

// forget forgets users whose least key is in a part of the names.
func (g *portfolioState) forget(p *shard) {
	var gone []key
	for _, is := range p.slots {
		if is.empty() {
			continue
		}
		if k := is.rank().key(); g.rings.least(k) == k && !g.hasKeyOf(k) && !g.knowsUser(k) {
			gone = g.rings.keys(k, gone)
		}
	}
	for _, k := range gone {
		g.rings.remove(k)
	}
}

// divides says whether a number knows the user of a key under another key too, which it does not know to be the same user.
// Then what changes nothing of its own counts may change the group's.
func (g *portfolioState) hasSplitAliases(s *numberState, user key) bool {
	for k := g.rings.next(user); k != user; k = g.rings.next(k) {
		if s.knowsUser(k) {
			return true
		}
	}
	return false
}

// named says whether a number still has a name of the user of a key.
func (g *portfolioState) hasKeyOf(user key) bool {
	var room [4]key
	for _, k := range g.rings.keys(user, room[:0]) {
		for _, s := range g.members {
			if s.users.shards != nil {
				if _, found := s.users.shard(k).find(k.rank()); found {
					return true
				}
			}
		}
	}
	return false
}
