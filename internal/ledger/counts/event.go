package counts

// event is an Entry in the form in which a number stores it: hashed to fewer bits, times in 32 bits.
type event struct {
	kind        Kind
	reply       bool
	category    Category // of a delivery, where it is told
	user, alias key      // alias is zero for none
	fingerprint uint32
	at          uint32 // Unix seconds
	chat        ChatKey
}

func newEvent(entry *Entry) event {
	e := event{
		kind: entry.Kind, reply: entry.Reply, category: entry.Category, user: newKey(entry.User), alias: newKey(entry.Alias),
		at: uint32(entry.At), chat: entry.Chat,
	}
	switch e.kind {
	case Delivered, Replied, Failed:
		e.fingerprint = newFingerprint(entry.Message)
	case Complained:
		e.fingerprint = entry.Complaint.fingerprint(entry.Message)
	case Received, AliasLinked: // have no message
	}
	return e
}

// delivery is the message that the event is about.
func (e event) delivery() delivery {
	awaited := e.kind == Replied
	return delivery{at: e.at, fingerprint: e.fingerprint, reply: e.reply || awaited, awaited: awaited, chat: e.chat}
}

// result is what became of an event. The greater one prevails.
type result uint8

const (
	repeated result = iota
	changed
	expired
)

// prefetchSize is the number of events that are prefetched together. Their slots fit into the L1 cache.
const prefetchSize = 64

// prefetch reads the slots and overflow histories that record will need for all events. Users are spread over the memory, so the cache
// misses of many events are served at the same time, and not one after the other.
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

// prefetchSlot reads the slot at which find begins, and one in each of the next two lines of the cache: a table is so full that find goes on
// for some slots.
func (s *numberState) prefetchSlot(k key) uint64 {
	const line = 4 // slots
	p := s.users.shard(k)
	i, last := p.home(k.rank()), len(p.slots)-1
	return p.slots[i][0] + p.slots[min(i+line, last)][0] + p.slots[min(i+2*line, last)][0]
}

// record adds an event. Users who are known and get a later event take the fast path (append). All others are read, changed and written
// back as a whole (replaceHistory).
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
	case Failed:
		if e.alias != 0 {
			s.keepLink(user, e.at)
		}
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
	shared := s.portfolio.sharesSamples(s, user)
	if found {
		if quick, o := s.append(user, p, i, e, shared); quick {
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
	if !shared {
		defer s.portfolio.begin(s, user).end()
	}
	if !found {
		is := newSlot(user.rank(), 0)
		if e.kind == Delivered && e.chat == 0 {
			is = is.withDelivery(e.delivery())
			if !e.reply {
				s.addSample(countedSeries, e.at, oneSample, shared)
			}
			if s.windows.countReached {
				s.addSample(reachedSeries, e.at, oneSample, shared)
			}
		} else {
			is = is.withInbound(e.at) // a placeholder, unless the event is a message from the user: replaceHistory overwrites it
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
	s.replaceHistory(user, h, shared)
	return changed
}

// append is the fast path of record: the user is known, and the event is later than all others and makes more than a slot holds. It reports
// whether the event is of that form; if not, nothing was changed.
func (s *numberState) append(user key, p *shard, i int, e event, shared bool) (bool, result) {
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
		if !shared && s.portfolio != nil && s.portfolio.hasSplitAliases(s, user) {
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
	if !shared && s.portfolio != nil && (counts || s.portfolio.windows.countReached || s.portfolio.hasSplitAliases(s, user)) {
		defer s.portfolio.begin(s, user).end()
	}
	p.touch()
	b = p.widen(i, b, 2)
	b.pushDelivery(e.delivery())
	if s.windows.countReached {
		s.addSample(reachedSeries, e.at, oneSample, shared)
		if last.at > 0 {
			s.addSample(reachedSeries, last.at, oneSuperseded, shared)
		}
	}
	if counts {
		mark := oneSample
		if s.windows.opens(b[overflowOpened], e.at) {
			b[overflowOpened] = e.at
		} else {
			mark += oneInside
		}
		s.addSample(countedSeries, e.at, mark, shared)
		if was := b[overflowCounted]; was > 0 {
			s.addSample(countedSeries, was, oneSuperseded, shared)
		}
		b[overflowCounted] = e.at
	}
	s.users.maybeSplit(p)
	return true, changed
}

// replaceHistory writes the history of a user who has a slot, and replaces the samples in s.before by those that follow from it.
func (s *numberState) replaceHistory(user key, h *history, shared bool) {
	s.after.reset()
	counted, opened := s.appendSamples(h, &s.after)
	s.series.replace(&s.before, &s.after)
	if shared {
		before, after := s.before.since(s.portfolio.horizon), s.after.since(s.portfolio.horizon)
		s.portfolio.series.replace(&before, &after)
	}
	p := s.users.shard(user)
	i, _ := p.find(user.rank())
	p.touch()
	// What two histories have of one message may leave nothing of it to keep: a delivery before the horizon that is a reply after all.
	if p.slots[i] = s.storeSlot(p, p.slots[i], h, counted, opened); p.slots[i].empty() {
		p.remove(i)
	}
	p.maybeCompact()
	s.users.maybeSplit(p)
}

// addSample adds to the number's series, and to the portfolio's where both share the user's samples.
func (s *numberState) addSample(on seriesKind, at uint32, mark bucket, shared bool) {
	if int64(at) >= s.horizon {
		s.series[on].add(at, mark)
	}
	if shared && int64(at) >= s.portfolio.horizon {
		s.portfolio.series[on].add(at, mark)
	}
}

// appendSamples appends the samples of a user's deliveries. It returns the times of the last counted delivery and of the last opening of a
// conversation, zero for none.
func (s *numberState) appendSamples(h *history, to *samples) (counted, opened uint32) {
	to[countedSeries], counted, opened = h.appendCounted(s.windows, s.horizon, to[countedSeries])
	if s.windows.countReached {
		to[reachedSeries] = h.appendAll(s.horizon, to[reachedSeries])
	}
	return counted, opened
}

// load reads the history of the user in a slot, and which of its messages were sent to chats.
func (s *numberState) load(p *shard, is slot, h *history) {
	p.load(is, h)
	s.chats.annotate(is.rank().key(), h)
}

// storeSlot returns the slot of a history. It replaces the one that the user had.
func (s *numberState) storeSlot(p *shard, was slot, h *history, counted, opened uint32) slot {
	if s.chats.setMessages(was.rank().key(), h) {
		s.dirty = true
	}
	return p.store(was, h, counted, opened)
}
