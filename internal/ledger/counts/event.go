package counts

// event is an Entry as a scope records it.
type event struct {
	kind        Kind
	reply       bool
	user, alias key // alias is zero for none
	fingerprint uint32
	at          uint32 // Unix seconds
	chat        ChatKey
}

func newEvent(entry *Entry) event {
	e := event{
		kind: entry.Kind, reply: entry.Reply, user: newKey(entry.User), alias: newKey(entry.Alias), at: uint32(entry.At), chat: entry.Chat,
	}
	switch e.kind {
	case Delivered, Replied:
		e.fingerprint = newFingerprint(entry.Message)
	case Complained:
		e.fingerprint = entry.Complaint.fingerprint(entry.Message)
	case Received, AliasLinked: // have no message
	}
	return e
}

// delivery is what the event says of a message.
func (e event) delivery() delivery {
	awaited := e.kind == Replied
	return delivery{at: e.at, fingerprint: e.fingerprint, reply: e.reply || awaited, awaited: awaited, chat: e.chat}
}

// outcome says what became of an event.
type result uint8

// warmed is how many events are warmed at a time: what they need fits the nearest cache.
const prefetchSize = 64

// warm reads what record will look for, of all events before the first is recorded. Users lie all over the memory: so it is
// waited for many of them at once, and not for one after the other.
func (s *numberState) prefetch(events []event) {
	if s.users.shards == nil || len(events) < 2 {
		return
	}
	var seen uint64
	for i := range events {
		seen += s.prefetchSlot(events[i].user)
		if events[i].alias != 0 {
			seen += s.prefetchSlot(events[i].alias)
		}
	}
	var blocks [prefetchSize]overflow
	for i := range events {
		if _, p, j, found := s.users.locate(events[i].user); found && p.slots[j].isOverflow() {
			blocks[i] = p.pageFrom(p.slots[j])
		}
	}
	for _, b := range blocks[:len(events)] {
		if len(b) > overflowHeader+4 {
			seen += uint64(b[0] + b[overflowHeader+4]) // it often goes over two lines of the cache
		}
	}
	s.prefetched = seen
}

// glance reads where find begins to look for a key.
func (s *numberState) prefetchSlot(k key) uint64 {
	p := s.users.shard(k)
	return p.slots[p.home(k.rank())][0]
}

// record adds an event.
func (s *numberState) record(e event) result {
	if s.users.shards == nil {
		s.users.clear(s.horizon)
	}
	if int64(e.at) < s.horizon {
		return expired
	}
	if s.activity.add(e.at) {
		s.dirty = true
	}
	result := repeated
	if e.alias != 0 && e.alias != e.user && s.linkAliases(e.user, e.alias) {
		result = changed
	}
	user, p, i, found := s.users.locate(e.user)
	switch e.kind {
	case Complained:
		return max(result, s.addComplaint(user, e))
	case AliasLinked:
		s.keepLink(user, e.at)
		return result
	case Received:
		if e.chat != 0 {
			if e.alias != 0 {
				s.keepLink(user, e.at)
			}
			return max(result, s.addChatInbound(e.chat, e.at))
		}
	case Delivered, Replied:
		if e.chat != 0 && !s.chats.hasRoomFor(user, e.chat) {
			e.chat = 0
		}
	}
	if !p.spans(e.at) {
		s.ensureSpan(user, e.at)
		i, found = p.find(user.rank())
	}
	mirrored := s.portfolio.sharesSamples(s, user)
	if found {
		if quick, o := s.append(user, p, i, e, mirrored); quick {
			return max(result, o)
		}
	}
	h := &s.scratch
	if found {
		s.load(p, p.slots[i], h)
		if h.contains(e) {
			return result
		}
	}
	if !mirrored {
		defer s.portfolio.begin(s, user).end()
	}
	if !found {
		is := newSlot(user.rank(), 0)
		if e.kind == Delivered && e.chat == 0 {
			is = is.withDelivery(e.delivery())
			if !e.reply {
				s.addSample(countedSeries, e.at, oneSample, mirrored)
			}
			if s.windows.countReached {
				s.addSample(reachedSeries, e.at, oneSample, mirrored)
			}
		} else {
			is = is.withInbound(e.at) // of what is no message from the user it keeps the place until put
		}
		s.users.insert(user, is)
		if e.kind == Received || e.kind == Delivered && e.chat == 0 {
			return changed
		}
		s.load(p, newSlot(user.rank(), 0), h)
	}
	s.before.reset()
	s.appendSamples(h, &s.before)
	h.add(e)
	s.replaceHistory(user, h, mirrored)
	return changed
}

// append is record for the usual case of a user who is known: an event after all others, of which there are more than a slot
// holds. It says whether that is so.
func (s *numberState) append(user key, p *shard, i int, e event, mirrored bool) (bool, result) {
	if e.kind == Replied || e.chat != 0 || len(s.chats.sent) > 0 && s.chats.sent[user] != nil {
		return false, 0
	}
	var inline [overflowHeader + 3]uint32
	b := p.view(p.slots[i], inline[:], s.windows)
	var last delivery
	if n := b.deliveries(); n > 0 {
		last = b.delivery(n - 1)
	}
	if e.kind == Received {
		n := b.inbounds()
		if n > 0 && b.inbound(n-1) == e.at {
			return true, repeated
		}
		if n == 0 && !p.slots[i].isOverflow() || n > 0 && b.inbound(n-1) > e.at || last.at >= e.at {
			return false, 0
		}
		if !mirrored && s.portfolio != nil && s.portfolio.hasSplitAliases(s, user) {
			defer s.portfolio.begin(s, user).end()
		}
		p.touch()
		p.widen(i, b, 1).pushInbound(e.at)
		s.users.maybeSplit(p)
		return true, changed
	}
	if known, found := b.find(e.fingerprint); found {
		return known.with(e.delivery()) == known, repeated
	}
	if last.at == 0 && !p.slots[i].isOverflow() || last.at >= e.at || last.awaited {
		return false, 0
	}
	in := b.lastInbound(e.at)
	counts := !e.reply && (in == 0 || int64(in) <= int64(e.at)-s.windows.service)
	if !mirrored && s.portfolio != nil && (counts || s.portfolio.windows.countReached || s.portfolio.hasSplitAliases(s, user)) {
		defer s.portfolio.begin(s, user).end()
	}
	p.touch()
	b = p.widen(i, b, 2)
	b.pushDelivery(e.delivery())
	if s.windows.countReached {
		s.addSample(reachedSeries, e.at, oneSample, mirrored)
		if last.at > 0 {
			s.addSample(reachedSeries, last.at, oneSuperseded, mirrored)
		}
	}
	if counts {
		mark := oneSample
		if s.windows.opens(b[overflowOpened], e.at) {
			b[overflowOpened] = e.at
		} else {
			mark += oneInside
		}
		s.addSample(countedSeries, e.at, mark, mirrored)
		if was := b[overflowCounted]; was > 0 {
			s.addSample(countedSeries, was, oneSuperseded, mirrored)
		}
		b[overflowCounted] = e.at
	}
	s.users.maybeSplit(p)
	return true, changed
}

// put replaces what is known about a user who has a slot, and the points in s.before.
func (s *numberState) replaceHistory(user key, h *history, mirrored bool) {
	s.after.reset()
	counted, opened := s.appendSamples(h, &s.after)
	s.series.replace(&s.before, &s.after)
	if mirrored {
		before, after := s.before.since(s.portfolio.horizon), s.after.since(s.portfolio.horizon)
		s.portfolio.series.replace(&before, &after)
	}
	p := s.users.shard(user)
	i, _ := p.find(user.rank())
	p.touch()
	p.slots[i] = s.storeSlot(p, p.slots[i], h, counted, opened)
	p.maybeCompact()
	s.users.maybeSplit(p)
}

// mark adds to what is on a timeline at a time, and on the group's where that mirrors the number's.
func (s *numberState) addSample(on seriesKind, at uint32, mark bucket, mirrored bool) {
	if int64(at) >= s.horizon {
		s.series[on].add(at, mark)
	}
	if mirrored && int64(at) >= s.portfolio.horizon {
		s.portfolio.series[on].add(at, mark)
	}
}

// walk appends the points of a user's deliveries, and returns what history.walk does.
func (s *numberState) appendSamples(h *history, to *samples) (counted, opened uint32) {
	to[countedSeries], counted, opened = h.appendCounted(s.windows, s.horizon, to[countedSeries])
	if s.windows.countReached {
		to[reachedSeries] = h.appendAll(s.horizon, to[reachedSeries])
	}
	return counted, opened
}

// load reads what is known about the user in a slot of a part, be it nothing.
func (s *numberState) load(p *shard, is slot, h *history) {
	p.load(is, h)
	s.chats.annotate(is.rank().key(), h)
}

// keep is the slot for what is known about the user in a slot of a part.
func (s *numberState) storeSlot(p *shard, was slot, h *history, counted, opened uint32) slot {
	if s.chats.setMessages(was.rank().key(), h) {
		s.dirty = true
	}
	return p.store(was, h, counted, opened)
}

const (
	repeated result = iota
	changed
	expired
)
