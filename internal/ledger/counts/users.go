package counts

import "slices"

// canonical implements limitUsers.
func (s *numberState) canonical(k key, _ *numberState) key { return s.users.resolve(k) }

// lastOf implements limitUsers.
func (s *numberState) lastOf(user key, _ *numberState) (counted, opened uint32) {
	h := &s.scratch
	if !s.loadUser(user, h) {
		return 0, 0
	}
	k := sampler{windows: s.windows, floor: noSamples}
	for _, d := range h.deliveries {
		if h.counts(s.windows, d) {
			k.step(d.at)
		}
	}
	return k.counted, k.opened
}

// eachCounted implements limitUsers.
func (s *numberState) eachCounted(after int64, call func(user key, of *numberState)) {
	for _, p := range s.users.all() {
		for _, is := range p.slots {
			if !is.empty() && !is.isAlias() && int64(p.lastDelivery(is)) > after {
				call(is.rank().key(), s)
			}
		}
	}
}

// canonical implements limitUsers. A key that is in no ring is known to one member at most, and so is the key that stands for it there: to
// another one, if it stands for no more than a name.
func (g *portfolioState) canonical(k key, first *numberState) key {
	for !g.rings.has(k) {
		knows := g.memberWith(k, first)
		if knows == nil {
			return k
		}
		user := knows.users.resolve(k)
		if user == k {
			return k
		}
		k = user
	}
	return g.rings.least(k)
}

// memberWith is a member that has a key; nil for none.
func (g *portfolioState) memberWith(k key, first *numberState) *numberState {
	if first.portfolio == g && first.hasKey(k) {
		return first
	}
	for _, s := range g.members {
		if s.hasKey(k) {
			return s
		}
	}
	return nil
}

// lastOf implements limitUsers.
func (g *portfolioState) lastOf(user key, first *numberState) (counted, opened uint32) {
	in := &g.found
	var knows *numberState
	if !g.rings.has(user) {
		if knows = g.memberWith(user, first); knows == nil {
			return 0, 0
		}
	}
	g.gather(knows, user, in)
	k := sampler{windows: g.windows, floor: noSamples}
	for _, at := range in.times[countedSeries] {
		k.step(at)
	}
	return k.counted, k.opened
}

// eachCounted implements limitUsers. It may call with a user again.
func (g *portfolioState) eachCounted(after int64, call func(user key, of *numberState)) {
	for _, s := range g.members {
		s.eachCounted(after, func(user key, of *numberState) { call(g.rings.least(user), of) })
	}
}

// noSamples is a floor that nothing lies above.
const noSamples = 1 << 62

// windowEnds is when the customer service window of a user with the number ends, Unix seconds; zero if none is open.
func (s *numberState) windowEnds(user key, now int64) int64 {
	h := &s.scratch
	if !s.loadUser(s.users.resolve(user), h) {
		return 0
	}
	for _, at := range slices.Backward(h.inbounds) {
		if in := int64(at); in <= now {
			if ends := in + s.windows.service; ends > now {
				return ends
			}
			return 0
		}
	}
	return 0
}

// isDelivered says whether a message to a user was delivered.
func (s *numberState) isDelivered(user key, message uint32) bool {
	h := &s.scratch
	if !s.loadUser(s.users.resolve(user), h) {
		return false
	}
	i := h.find(message)
	return i >= 0 && !h.deliveries[i].awaited
}

// countsMessage says whether the delivery of a message to a user is counted.
func (s *numberState) countsMessage(user key, message uint32) bool {
	h := &s.scratch
	if !s.loadUser(s.users.resolve(user), h) {
		return false
	}
	i := h.find(message)
	return i >= 0 && !h.deliveries[i].awaited && h.counts(s.windows, h.deliveries[i])
}
