package counts

import "slices"

// change is something that changes at one number about some users: their points before it, which are replaced by those after it. It is
// opened before anything changes, and closed after. There is one at a time.
type change struct {
	portfolio *portfolioState
	at        *numberState
	before    samples
	users     []key           // who changes, unless it is one only
	single    bool            // it is one only,
	others    memberHistories // of whom this is what the other numbers know, with all keys
}

// begin opens a change of one user; nil where the number is in no group. Others may know nothing of the user's key but that it is
// theirs: see meet.
func (g *portfolioState) begin(s *numberState, user key) *change {
	if g == nil {
		return nil
	}
	c := &g.change
	c.portfolio, c.at, c.single = g, s, true
	if g.rings.has(user) {
		g.gatherBut(s, user, &c.others)
	} else {
		c.others.reset()
		c.others.keys = append(c.others.keys[:0], user)
	}
	c.collect(&c.before)
	return c
}

// beginAll opens a change of several users.
func (g *portfolioState) beginAll(s *numberState, users ...key) *change {
	if g == nil {
		return nil
	}
	c := &g.change
	c.portfolio, c.at, c.single = g, s, false
	c.users = append(c.users[:0], users...)
	c.collect(&c.before)
	return c
}

// unite opens the change in which two keys of a number become one user.
func (g *portfolioState) beginUnion(s *numberState, a, b key) *change {
	if g == nil {
		return nil
	}
	g.linkIfShared(s, a)
	g.linkIfShared(s, b)
	c := g.beginAll(s, a, b)
	if g.rings.has(a) || g.rings.has(b) {
		g.rings.link(a, b)
	}
	return c
}

// end closes a change.
func (c *change) end() {
	if c == nil {
		return
	}
	c.collect(&c.portfolio.after)
	c.portfolio.series.replace(&c.before, &c.portfolio.after)
}

// points are those of the users that change, each user once.
func (c *change) collect(to *samples) {
	g := c.portfolio
	to.reset()
	if c.single {
		g.regather(c.at, &c.others, &g.found)
		g.appendSamples(&g.found, to)
		return
	}
	for i, k := range c.users {
		c.users[i] = g.rings.least(c.at.users.resolve(k))
	}
	slices.Sort(c.users)
	c.users = slices.Compact(c.users)
	some := c.users[:0]
	for _, user := range c.users {
		had := to.size()
		g.gather(c.at, user, &g.found)
		g.appendSamples(&g.found, to)
		if to.size() > had || g.rings.has(user) {
			some = append(some, user) // who else has none before users become one, or are swept, has none after it
		}
	}
	c.users = some
	for on := range to {
		slices.Sort(to[on])
	}
}

// gathered is what the numbers of a group know about a user.
type memberHistories struct {
	keys     []key
	one, two history
	times    [seriesKinds][]uint32 // of the deliveries or complaints that are on a timeline, in order
	numbers  int                   // that know anything
}

func (in *memberHistories) reset() {
	in.numbers = 0
	for on := range in.times {
		in.times[on] = in.times[on][:0]
	}
}

// add adds what a number knows.
func (in *memberHistories) add(w windowLengths, h *history, reach bool) {
	in.numbers++
	for _, d := range h.deliveries {
		if h.counts(w, d) {
			in.times[countedSeries] = append(in.times[countedSeries], d.at)
		}
		if reach && !d.awaited {
			in.times[reachedSeries] = append(in.times[reachedSeries], d.at)
		}
	}
	for _, c := range h.complaints {
		in.times[complaintSeries] = append(in.times[complaintSeries], c.at)
	}
}

// order is called after the last add.
func (in *memberHistories) order() {
	if in.numbers < 2 {
		return
	}
	for _, times := range in.times {
		slices.Sort(times)
	}
}

// read puts together in one what a number knows about the user of the keys, and says whether that is anything.
func (in *memberHistories) read(s *numberState) bool {
	known := false
	for _, k := range in.keys {
		switch {
		case !known:
			known = s.loadUser(k, &in.one)
		case s.loadUser(k, &in.two):
			in.one.merge(&in.two)
		}
	}
	return known
}

// gather puts together what is known about the user of a key. It looks at all numbers, or, where the user is known to one at
// most, at that one alone if it is given.
func (g *portfolioState) gather(known *numberState, user key, in *memberHistories) {
	if known == nil || g.rings.has(user) {
		g.gatherBut(nil, user, in)
		in.order()
		return
	}
	in.reset()
	in.keys = append(in.keys[:0], user)
	if in.read(known) {
		in.add(known.windows, &in.one, g.windows.countReached)
	}
}

// gatherBut is gather of all numbers but one, and without order.
func (g *portfolioState) gatherBut(one *numberState, user key, in *memberHistories) {
	in.reset()
	in.keys = g.rings.keys(user, in.keys[:0])
	for _, s := range g.members {
		if s != one && in.read(s) {
			in.add(s.windows, &in.one, g.windows.countReached)
		}
	}
}

// regather is gather where others has what gatherBut gave without the number.
func (g *portfolioState) regather(s *numberState, others, in *memberHistories) {
	in.numbers = others.numbers
	in.keys = append(in.keys[:0], others.keys...)
	for on := range in.times {
		in.times[on] = append(in.times[on][:0], others.times[on]...)
	}
	if in.read(s) {
		in.add(s.windows, &in.one, g.windows.countReached)
	}
	in.order()
}

// walk appends the points of a user.
func (g *portfolioState) appendSamples(in *memberHistories, to *samples) {
	for on, times := range in.times {
		k := sampler{windows: g.windows, floor: g.horizon, samples: to[on]}
		if seriesKind(on) != countedSeries {
			k.windows = windowLengths{}
		}
		for _, at := range times {
			k.step(at)
		}
		to[on] = k.samples
	}
}
