package counts

import "slices"

// join makes two keys one user, and says whether that is new. Of the keys known to be one user, the least stands for all
// and has the history; the others refer to it, each to a lesser one. So which it is follows from the set of the pairs,
// not from their order, and following them always ends.
func (s *numberState) linkAliases(a, b key) bool {
	keep, gone := s.users.resolve(a), s.users.resolve(b)
	if keep == gone {
		return false
	}
	if keep > gone {
		keep, gone = gone, keep
	}
	if s.portfolio != nil {
		if h := &s.scratch2; s.loadUser(gone, h) {
			s.ensureSpan(keep, h.newest()) // it may sweep, which the group must see by itself
		}
		defer s.portfolio.beginUnion(s, keep, gone).end()
	}
	if more := s.complaints[gone]; len(more) > 0 {
		h := history{deliveries: slices.Clone(s.complaints[keep])}
		h.merge(&history{deliveries: more})
		s.setComplaints(gone, nil)
		s.setComplaints(keep, h.deliveries)
	}
	if at, found := s.linked[gone]; found {
		delete(s.linked, gone)
		s.keepLink(keep, at)
	}
	p := s.users.shard(gone)
	p.touch()
	if i, found := p.find(gone.rank()); found {
		h := &s.scratch2
		s.load(p, p.slots[i], h)
		h.trim(s.windows, s.horizon)
		s.before.reset()
		s.appendSamples(h, &s.before)
		s.series.replace(&s.before, &samples{})
		s.chats.setMessages(gone, &history{})
		p.free(p.slots[i])
		p.slots[i] = aliasSlot(gone.rank(), keep)
		p.maybeCompact()
		s.mergeHistory(keep, h)
	} else {
		s.users.insert(gone, aliasSlot(gone.rank(), keep))
	}
	for _, k := range [...]key{a, b} {
		p := s.users.shard(k)
		if i, found := p.find(k.rank()); found && p.slots[i].isAlias() && p.slots[i].alias() != keep {
			p.touch()
			p.slots[i] = aliasSlot(k.rank(), keep)
		}
	}
	return true
}

// merge adds a trimmed history, whose points are not on the timeline, to a user.
func (s *numberState) mergeHistory(user key, more *history) {
	newest := more.newest()
	if newest == 0 {
		return
	}
	p := s.ensureSpan(user, newest)
	h := &s.scratch
	s.before.reset()
	if i, found := p.find(user.rank()); found {
		s.load(p, p.slots[i], h)
		h.trim(s.windows, s.horizon)
		s.appendSamples(h, &s.before)
	} else {
		s.load(p, newSlot(user.rank(), 0), h)
		s.users.insert(user, newSlot(user.rank(), 0).withInbound(newest)) // keeps the place until put
	}
	h.merge(more)
	h.trim(s.windows, s.horizon)
	s.replaceHistory(user, h, false)
}

// remember keeps the names of a user as long as an event of that time would: more about them may come under each.
func (s *numberState) keepLink(user key, at uint32) {
	if s.linked[user] >= at {
		return
	}
	if s.linked == nil {
		s.linked = map[key]uint32{}
	}
	s.linked[user] = at
	s.dirty = true
}

// look reads what is known about a key that stands for a user, and says whether that is anything.
func (s *numberState) loadUser(user key, h *history) bool {
	h.reset()
	h.written = s.chats.written // also where what is joined to it has messages to chats
	if s.users.shards == nil {
		return false
	}
	p := s.users.shard(user)
	i, found := p.find(user.rank())
	if found {
		s.load(p, p.slots[i], h)
	}
	h.complaints = append(h.complaints, s.complaints[user]...)
	return found && !p.slots[i].isAlias() || len(h.complaints) > 0
}

// has says whether anything is known about a key that stands for a user, be it that it does.
func (s *numberState) knowsUser(user key) bool {
	return s.users.shards != nil && s.users.shard(user).holds(user) || len(s.complaints[user]) > 0 || s.linked[user] > 0
}

// mentions says whether there is anything under a key, be it that it is another name of a user.
func (s *numberState) hasKey(k key) bool {
	if s.users.shards == nil {
		return false
	}
	_, found := s.users.shard(k).find(k.rank())
	return found || len(s.complaints[k]) > 0
}
