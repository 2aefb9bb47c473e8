package counts

import "slices"

// linkAliases makes two keys one user. It reports whether they were two.
//
// Of the keys of one user, the least stands for all and has the history. Each other one is an alias of a lesser key. So the
// representative follows from the set of linked pairs and not from their order, and following aliases ends.
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
			s.ensureSpan(keep, h.newest()) // it may sweep, which is a change of its own
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

// mergeHistory merges a trimmed history into that of a user. Its samples are not in the series.
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
		s.users.insert(user, newSlot(user.rank(), 0).withInbound(newest)) // a placeholder: replaceHistory overwrites it
	}
	h.merge(more)
	h.trim(s.windows, s.horizon)
	s.replaceHistory(user, h, false)
}

// keepLink keeps the aliases of a user as long as an event of that time would be kept: more may come under each key.
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

// loadUser reads the history of a key that stands for a user. It reports whether there is one.
func (s *numberState) loadUser(user key, h *history) bool {
	h.reset()
	h.written = s.chats.written // also for histories that are merged into it
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

// knowsUser reports whether anything is known about a key that stands for a user.
func (s *numberState) knowsUser(user key) bool {
	return s.users.shards != nil && s.users.shard(user).holds(user) || len(s.complaints[user]) > 0 || s.linked[user] > 0
}

// hasKey reports whether there is a slot or a complaint under a key, an alias included.
func (s *numberState) hasKey(k key) bool {
	if s.users.shards == nil {
		return false
	}
	_, found := s.users.shard(k).find(k.rank())
	return found || len(s.complaints[k]) > 0
}
