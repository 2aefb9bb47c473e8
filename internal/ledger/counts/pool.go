package counts

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/codec"
)

// PoolSetting says which numbers send for a pool, and how one is chosen. It replaces the one that the pool had.
type PoolSetting struct {
	Name     string // by which operations name it: see PoolName
	Removed  bool
	Strategy Strategy
	// MinimumQuality is the rating below which a number takes users inside customer service windows only; empty for none.
	MinimumQuality v1alpha1.QualityRating
	// Categories of the messages that it is for; empty for all.
	Categories []Category
	Members    []PoolMember
}

// PoolMember is a number that sends for a pool.
type PoolMember struct {
	Number string // E.164
	// Weight is, under the strategy Weighted, how many users it takes relative to the others, up to v1alpha1.MostWeight. With 0 it takes users inside
	// customer service windows only.
	Weight uint32
}

// PoolName is by what name the gate knows a pool. Only numbers of its namespace send for it.
func PoolName(namespace, name string) string { return namespace + "/" + name }

// Strategy says how the number of a pool is chosen for a user who is in no customer service window with any of them. It is stored.
type Strategy uint8

// The strategies.
const (
	// Sticky keeps a user with the number that last exchanged a message with them, and spreads the others evenly.
	Sticky Strategy = iota
	// LeastUsed takes the number whose limit is used least, relative to the limit.
	LeastUsed
	// Weighted spreads users by the weights of the members.
	Weighted

	strategies = iota
)

// MostMembers bounds the numbers of a pool.
const MostMembers = 1000

// stickySeconds is how long ago a user's last exchange with a number may lie for it to bind the user to the number.
const stickySeconds = 30 * 24 * 60 * 60

// MemberRefusal is why a member of a pool was not chosen.
type MemberRefusal struct {
	Number string
	Why    string
	Until  int64 // Unix seconds; zero where it is not known
}

func (r MemberRefusal) invalid() bool {
	return r.Number == "" || len(r.Number) > maxNumber || r.Why == "" || len(r.Why) > maxName || r.Until < 0
}

func (r *MemberRefusal) appendRow(row []byte) []byte {
	return binary.AppendUvarint(codec.AppendString(codec.AppendString(row, r.Number), r.Why), uint64(r.Until))
}

func (r *reader) memberRefusal() MemberRefusal {
	return MemberRefusal{Number: r.String(), Why: r.String(), Until: int64(r.Uvarint())}
}

func (p *PoolSetting) invalid() bool {
	return p.Name == "" || len(p.Name) > maxName || p.Strategy >= strategies || len(p.Members) > MostMembers || len(p.MinimumQuality) > maxName ||
		slices.ContainsFunc(p.Categories, func(c Category) bool { return !c.valid() }) ||
		slices.ContainsFunc(p.Members, func(n PoolMember) bool {
			return n.Number == "" || len(n.Number) > maxNumber || n.Weight > v1alpha1.MostWeight
		})
}

func (p *PoolSetting) appendRow(row []byte) []byte {
	row = append(codec.AppendString(row, p.Name), flag(p.Removed, flagRemoved))
	if p.Removed {
		return row
	}
	row = codec.AppendString(append(row, byte(p.Strategy)), string(p.MinimumQuality))
	row = appendCategories(row, p.Categories)
	row = binary.AppendUvarint(row, uint64(len(p.Members)))
	for _, n := range p.Members {
		row = append(codec.AppendString(row, n.Number), byte(n.Weight))
	}
	return row
}

func (r *reader) poolSetting() PoolSetting {
	p := PoolSetting{Name: r.String()}
	if p.Removed = r.Byte() == flagRemoved; p.Removed {
		return p
	}
	p.Strategy, p.MinimumQuality, p.Categories = Strategy(r.Byte()), v1alpha1.QualityRating(r.String()), r.categories()
	for range r.Count(2) {
		p.Members = append(p.Members, PoolMember{Number: r.String(), Weight: uint32(r.Byte())})
	}
	return p
}

// candidate is a member of a pool in the order in which it is tried.
type candidate struct {
	PoolMember
	state      *numberState // nil where too little is known
	ends       int64        // when the user's customer service window ends; zero if it is not open
	exchanged  uint32       // when the last message was exchanged with the user, if that binds the user
	score      uint64       // the greater is tried first
	used, full int64        // of the limit
}

// binds says whether the user is in a customer service window with the member, or stays with it.
func (c *candidate) binds() bool { return c.ends > 0 || c.exchanged > 0 }

// choose orders the members of a pool for a user: first those with whom the user's window is open, then by the strategy, and last those of
// which too little is known. They are tried in this order until one may send.
func (v *View) choose(p *PoolSetting, user key, now int64) []candidate {
	all := make([]candidate, 0, len(p.Members))
	for _, n := range p.Members {
		s := v.numbers[n.Number]
		if s == nil || s.sender == nil || !strings.HasPrefix(p.Name, OfCluster(v.gate.owners[s.number], PoolName(s.sender.Namespace, ""))) || !v.limitOf(s).isSet() {
			all = append(all, candidate{PoolMember: n, ends: -1})
			continue
		}
		c := candidate{PoolMember: n, state: s, ends: s.windowEnds(user, now)}
		number := hashNumber(n.Number)
		c.score = rendezvous(user, number, 0)
		switch p.Strategy {
		case Sticky:
			c.exchanged = v.bound(s, user, now)
		case LeastUsed:
			c.used, c.full = v.shareOf(s, now)
		case Weighted:
			c.score = 0
			for i := range n.Weight {
				c.score = max(c.score, rendezvous(user, number, i))
			}
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.ends, a.ends), cmp.Compare(b.exchanged, a.exchanged), a.compareShare(&b),
			cmp.Compare(b.score, a.score), cmp.Compare(a.Number, b.Number))
	})
	return all
}

// compareShare compares how much of the limits is used, relative to them. What has no limit has nothing of it used.
func (c *candidate) compareShare(o *candidate) int {
	return cmp.Compare(c.used*max(o.full, 1), o.used*max(c.full, 1))
}

// shareOf is how much of its limit a number has used and holds itself, and the limit. Both are zero where there is none.
func (v *View) shareOf(s *numberState, now int64) (used, limit int64) {
	l := v.limitOf(s)
	if l.setting.Limit == 0 {
		return 0, 0
	}
	on, of := seriesFor(l.setting.Measure)
	return s.series[on].count(of, now-l.window(), noSamples) + l.heldBy[s], l.setting.Limit
}

// bound is when a number last exchanged a message with a user, or reserved one to them; zero if that does not bind the user to it any more.
func (v *View) bound(s *numberState, user key, now int64) (at uint32) {
	l := v.limitOf(s)
	if p := l.places[l.users.canonical(user, s)]; p != nil {
		for _, r := range p.holds {
			if r.number == s {
				at = max(at, uint32(r.created/1000))
			}
		}
	}
	h := &s.scratch
	if s.loadUser(s.users.resolve(user), h) {
		for _, d := range h.deliveries {
			if !d.awaited {
				at = max(at, d.at)
			}
		}
		if n := len(h.inbounds); n > 0 {
			at = max(at, h.inbounds[n-1])
		}
	}
	if int64(at) <= now-stickySeconds {
		return 0
	}
	return at
}

// rendezvous is the weight of a user with a member of a pool, the nth of several: each user has an order of members of their own, in which a
// member that comes or goes moves nobody else.
func rendezvous(user key, number uint64, n uint32) uint64 {
	return scatter(scatter(number^uint64(n)<<32) ^ uint64(user))
}

// hashNumber is FNV-1a of a number, by which rendezvous knows it.
func hashNumber(number string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(number) {
		h = (h ^ uint64(number[i])) * 1099511628211
	}
	return h
}

// reserveFrom decides of a Reserve from a pool.
func (m *Machine) reserveFrom(o *Operation) Decision {
	q, v, refused := m.from(o, m.now(), func(o *Operation, number *numberState, now int64) (*request, Obstacle) {
		m.limitOf(number).advance(now)
		return m.request(o, number, now)
	})
	if q == nil {
		return refused
	}
	return m.conclude(q, v)
}

// from chooses the number of a pool: the first that may send does. If none may, the first whose limit is not enforced does; else there is no
// request, and the refusal is that of the number that may send again first. A user who is bound to a number that the sender passes over for a
// while waits for it.
func (v *View) from(o *Operation, now int64, requestOf func(*Operation, *numberState, int64) (*request, Obstacle)) (sends *request, would verdict, refused Decision) {
	p, found := v.gate.pools[o.Pool]
	refused = Decision{ID: o.ID, State: Refused, Why: string(v1alpha1.RoomNotReady)}
	if !found {
		return nil, would, refused
	}
	var unenforced *request // the first whose limit is not enforced
	for _, c := range v.choose(&p, newKey(o.User), now) {
		if c.state == nil {
			refused.Members = append(refused.Members, MemberRefusal{Number: c.Number, Why: string(v1alpha1.RoomNotReady)})
			continue
		}
		q, template := requestOf(o, c.state, now)
		decided, passed := q.decideFor(&p, &c, template)
		if passed && decided.until != 0 && c.binds() {
			return nil, would, Decision{ID: o.ID, State: Refused, Why: decided.why, Until: decided.until, Number: c.state.number}
		}
		if decided.state != Refused {
			return q, decided, refused
		}
		if unenforced == nil && q.limit.setting.Shadow && !passed {
			unenforced, would = q, decided
		}
		refused.Members = append(refused.Members, MemberRefusal{Number: c.state.number, Why: decided.why, Until: decided.until})
		if ends := len(refused.Members) == 1 || decided.until != 0 && (refused.Until == 0 || decided.until < refused.Until); ends {
			refused.Why, refused.Until, refused.Number = decided.why, decided.until, c.state.number
			q.limit.report(&refused, q.budget(), q.now)
		}
	}
	return unenforced, would, refused
}

// decideFor is the decision of the gate for a message that a pool sends by one of its members, and whether the sender passes that over.
func (q *request) decideFor(p *PoolSetting, c *candidate, template Obstacle) (v verdict, passed bool) {
	v = q.decide(template)
	drained := p.MinimumQuality != "" && c.state.sender.Quality.Below(p.MinimumQuality) || p.Strategy == Weighted && c.Weight == 0
	switch {
	case len(p.Categories) > 0 && !slices.Contains(p.Categories, q.Category):
		return verdict{state: Refused, why: string(v1alpha1.RoomCategoryNotServed)}, false
	case v.state != Refused && drained && v.why != InsideWindow:
		return verdict{state: Refused, why: string(v1alpha1.RoomDrained)}, false
	case v.state != Refused:
		if i := slices.IndexFunc(q.Without, func(w MemberRefusal) bool { return w.Number == c.state.number }); i >= 0 {
			return verdict{state: Refused, why: q.Without[i].Why, until: q.Without[i].Until}, true
		}
	}
	return v, false
}
