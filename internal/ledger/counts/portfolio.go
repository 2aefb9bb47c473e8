package counts

import (
	"cmp"
	"slices"
	"sync"
)

// portfolioState counts several numbers together: a user of several of them counts once.
//
// It has series of its own and no histories: these are its members'. When a user's history changes at a member, the user's samples are
// replaced (see change). Two keys that are one user at one member are one user in the portfolio. At the other members they stay two users,
// so that the counts of a number follow from its own entries alone.
//
// Conversations are exact from the first pause of a conversation's length that a user had from all members: before the horizon each member
// keeps the last opening of a conversation for itself. The horizon lies Lateness before all that can be counted.
type portfolioState struct {
	subject string
	limit   *limit // nil for none; guarded by View.gate

	mu      sync.RWMutex
	members []*numberState // by number
	windows windowLengths  // of the first
	horizon int64          // the latest of its numbers'
	series  seriesSet

	// rings has the keys of users whom several members know. A user without a key in rings is known to one member at most, which knows all
	// keys of the user. These are most users: for them nothing is looked up at other members.
	rings aliasRings

	// Scratch space of the writer.
	change change
	after  samples
	found  memberHistories
}

func newPortfolioState(subject string) *portfolioState {
	return &portfolioState{subject: subject, rings: newAliasRings()}
}

func (g *portfolioState) rlock()                { g.mu.RLock() }
func (g *portfolioState) runlock()              { g.mu.RUnlock() }
func (g *portfolioState) allSeries() *seriesSet { return &g.series }

// set replaces the members. They are in no other portfolio.
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

// remove takes a number out of the portfolio.
func (g *portfolioState) remove(s *numberState) {
	g.set(slices.DeleteFunc(slices.Clone(g.members), func(m *numberState) bool { return m == s }))
}

// consistsOf reports whether the members are these numbers, which are sorted.
func (g *portfolioState) consistsOf(numbers []string) bool {
	return slices.EqualFunc(g.members, numbers, func(s *numberState, number string) bool { return s.number == number })
}

// sharesSamples reports whether the portfolio's samples of a user are those of the member: no other member knows the user, and both count by
// the same windows. Then a sample of the member is added to both series, without a change. It is asked before an event is recorded.
func (g *portfolioState) sharesSamples(s *numberState, user key) bool {
	if g == nil {
		return false
	}
	g.linkIfShared(s, user)
	return s.windows == g.windows && !g.rings.has(user)
}

// linkIfShared is called before a member stores anything under a key. If other members know the key, it is put into the ring of their user.
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

// linkKeys puts a key and the key that stands for its user at one member into one ring, and then the keys that stand for the latter at the
// other members. Invariant: if a key is in a ring, so is the key that stands for it at each member. So users who have samples become one
// between begin and end only.
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

// knowsUser reports whether any member knows anything about the user of a key.
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

// raiseHorizon follows the horizon of a member.
func (g *portfolioState) raiseHorizon(horizon int64) {
	if horizon > g.horizon {
		g.horizon = horizon
		g.series.drop(horizon)
	}
}

// mention is a key under which a member has something.
type mention struct {
	key    key
	member int
}

// rebuild makes rings and series anew from the members.
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

// mentions are all keys of all members, sorted by key.
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

// recount makes the series anew from the members and the rings.
func (g *portfolioState) recount(mentions []mention) {
	g.windows, g.horizon = windowLengths{}, 0
	for i, s := range g.members {
		if i == 0 {
			g.windows = s.windows
		}
		g.horizon = max(g.horizon, s.horizon)
	}
	// Mentions of users in rings are sorted by user and member, so that a user's histories are read without asking every member.
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

// supersededBefore implements counter. A delivery may be superseded by one of another member, so all users with anything after to are
// looked at.
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

// sweep forgets rings of users whom no member knows any more, in the shard of rings that has a key. It returns how many keys were looked
// at, and where the next shard begins: zero at the end.
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

// forget removes the rings whose least key is in a shard.
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

// hasSplitAliases reports whether a member knows the user of a key as a second user, under another key. Then an event that changes nothing of
// the member's counts may change the portfolio's.
func (g *portfolioState) hasSplitAliases(s *numberState, user key) bool {
	for k := g.rings.next(user); k != user; k = g.rings.next(k) {
		if s.knowsUser(k) {
			return true
		}
	}
	return false
}

// hasKeyOf reports whether a member still has a slot under any key of a user.
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
