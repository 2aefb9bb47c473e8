package counts

import "slices"

// change is the difference that a record makes to the series of a portfolio. It is opened before the histories of some users change at one
// number, and closed afterwards: then the users' samples from before are replaced by those that follow from the changed histories.
//
//	defer s.portfolio.begin(s, user).end()
//
// A number without a portfolio has a nil change. One change is open at a time.
type change struct {
	portfolio *portfolioState
	at        *numberState
	before    samples
	users     []key           // who changes, unless single
	single    bool            // one user changes,
	others    memberHistories // and this is what the other numbers know about that user
}

// begin opens a change of one user. linkIfShared was called for the user's key before.
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

// beginUnion opens the change in which two keys of a number become one user.
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

// collect puts together the samples of the users that change, each user once.
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
			some = append(some, user) // whoever has no samples and is known to one number has none afterwards either
		}
	}
	c.users = some
	for on := range to {
		slices.Sort(to[on])
	}
}

// memberHistories is what the members of a portfolio know about one user: the times from which samples follow.
type memberHistories struct {
	keys     []key
	one, two history
	times    [seriesKinds][]uint32 // of the deliveries or complaints of each series, sorted by order
	numbers  int                   // members that know anything
}

func (in *memberHistories) reset() {
	in.numbers = 0
	for on := range in.times {
		in.times[on] = in.times[on][:0]
	}
}

// add adds what one member knows.
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

// order sorts the times after the last add.
func (in *memberHistories) order() {
	if in.numbers < 2 {
		return
	}
	for _, times := range in.times {
		slices.Sort(times)
	}
}

// read merges into one what a member knows under the user's keys. It reports whether the member knows anything.
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

// gather collects what is known about the user of a key. It asks all members. If a member is given and no ring has the key, it asks that
// member alone, since no other knows the user.
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

// gatherBut collects from all members but one. The times are not sorted.
func (g *portfolioState) gatherBut(one *numberState, user key, in *memberHistories) {
	in.reset()
	in.keys = g.rings.keys(user, in.keys[:0])
	for _, s := range g.members {
		if s != one && in.read(s) {
			in.add(s.windows, &in.one, g.windows.countReached)
		}
	}
}

// regather adds what one member knows to what gatherBut collected from the others.
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

// appendSamples appends the samples that follow from the times of a user.
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
