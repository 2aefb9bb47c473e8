package counts

import (
	"maps"
	"slices"
	"sync"
	"time"

	"numberfleet.dev/numberfleet/internal/report"
)

// scope is what is known about one number: its users in parts, and the points that follow from them on timelines.
type numberState struct {
	number string
	names  []string // others that it goes by; guarded by View.mu

	mu        sync.RWMutex    // guards what follows against those who read; see lock
	portfolio *portfolioState // nil for none
	windows   windowLengths
	horizon   int64 // Unix seconds; nothing earlier is recorded or counted any more. Set by the first event, raised by sweeps
	users     userTable
	series    seriesSet
	activity  activity

	complaints map[key][]delivery // by user, in order of time. They are few, and saved with the number's own row
	linked     map[key]uint32     // by user, when two of their keys were last said to be one user. So are they
	chats      chats              // and what is known of groups of users

	reports  []report.Report // by sequence
	sequence int64           // the last that was given

	dirty   bool // the number's own row is not as the last snapshot that was kept has it
	dropped bool // all parts were replaced by one since then

	prefetched        uint64  // what warm read, so that it is read
	scratch, scratch2 history // scratch
	before, after     samples
}

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

const (
	repeated result = iota
	changed
	expired
)

func newNumberState(number string, horizon int64) *numberState {
	return &numberState{number: number, windows: newWindowLengths(DefaultWindows), horizon: horizon, dirty: true}
}

// lock keeps readers away from the number, and from its group, whose timelines follow from all its numbers.
func (s *numberState) lock() {
	if s.portfolio != nil {
		s.portfolio.mu.Lock()
	}
	s.mu.Lock()
}

func (s *numberState) unlock() {
	s.mu.Unlock()
	if s.portfolio != nil {
		s.portfolio.mu.Unlock()
	}
}

func (s *numberState) rlock()   { s.mu.RLock() }
func (s *numberState) runlock() { s.mu.RUnlock() }

func newWindowLengths(w Windows) windowLengths {
	return windowLengths{service: int64(w.Service.Seconds()), conversation: int64(w.Conversation.Seconds()), countReached: w.CountReached}
}

func (w windowLengths) windows() Windows {
	return Windows{Service: time.Duration(w.service) * time.Second, Conversation: time.Duration(w.conversation) * time.Second, CountReached: w.countReached}
}

// oldest is the earliest time that is recorded at a time.
func oldest(now int64) int64 { return now - int64((Kept + Lateness).Seconds()) }

// earliestNow is a time that the clock had reached when an event was accepted.
func earliestNow(at uint32) int64 { return int64(at) - int64(Ahead.Seconds()) }

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

// complain is record for a complaint. Of one event and code the earliest time counts, as of one message.
func (s *numberState) addComplaint(user key, e event) result {
	h := &s.scratch
	h.reset()
	h.deliveries = append(h.deliveries, s.complaints[user]...)
	if h.contains(e) {
		return repeated
	}
	s.portfolio.linkIfShared(s, user)
	defer s.portfolio.begin(s, user).end()
	h.add(e)
	s.setComplaints(user, h.deliveries)
	return changed
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

// file replaces a user's complaints.
func (s *numberState) setComplaints(user key, complaints []delivery) {
	was := history{deliveries: s.complaints[user]}
	is := history{deliveries: slices.Clone(complaints)}
	s.series[complaintSeries].replace(was.appendAll(s.horizon, nil), is.appendAll(s.horizon, nil))
	if s.complaints == nil {
		s.complaints = map[key][]delivery{}
	}
	s.complaints[user] = is.deliveries
	if len(complaints) == 0 {
		delete(s.complaints, user)
	}
	s.dirty = true
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

// reach is the user's part, made to span a time.
func (s *numberState) ensureSpan(user key, at uint32) *shard {
	p := s.users.shard(user)
	if !p.spans(at) {
		s.raiseHorizon(oldest(earliestNow(at)))
		s.sweep(p, false)
		p.touch()
		p.horizon = s.horizon
	}
	return p
}

// advance raises the horizon.
func (s *numberState) raiseHorizon(horizon int64) {
	if horizon <= s.horizon {
		return
	}
	s.horizon = horizon
	s.series.drop(horizon)
	if s.portfolio != nil {
		s.portfolio.raiseHorizon(horizon)
	}
	s.forgetComplaints(horizon)
	maps.DeleteFunc(s.linked, func(_ key, at uint32) bool { return int64(at) < horizon })
	latest := map[report.Kind]int64{}
	for _, r := range s.reports {
		latest[r.Kind] = max(latest[r.Kind], r.At)
	}
	s.reports = slices.DeleteFunc(s.reports, func(r report.Report) bool { return r.At < horizon && r.At < latest[r.Kind] })
	s.dirty = true
}

// forgetComplaints forgets those before the horizon. In a group that may be the first time of one that is left under another key.
func (s *numberState) forgetComplaints(horizon int64) {
	var users []key
	for user, complaints := range s.complaints {
		if int64(complaints[0].at) < horizon {
			users = append(users, user)
		}
	}
	if len(users) > 0 {
		defer s.portfolio.beginAll(s, users...).end()
	}
	for _, user := range users {
		kept := slices.DeleteFunc(s.complaints[user], func(c delivery) bool { return int64(c.at) < horizon })
		s.complaints[user] = kept
		if len(kept) == 0 {
			delete(s.complaints, user)
		}
	}
}

// sweep forgets what is over in a part, and gives back its room. With names it also forgets those of users who are
// forgotten; not while an event is being recorded, for the user of a name just learned may follow.
func (s *numberState) sweep(p *shard, names bool) {
	stale := func(is slot) bool {
		if is.isAlias() {
			return names && s.isOrphanAlias(is)
		}
		return s.isStale(p, is)
	}
	if !slices.ContainsFunc(p.slots, stale) {
		return
	}
	if s.portfolio != nil {
		var users []key
		for _, is := range p.slots {
			if !is.empty() && !is.isAlias() && stale(is) {
				users = append(users, is.rank().key())
			}
		}
		defer s.portfolio.beginAll(s, users...).end()
	}
	p.touch()
	kept := make([]slot, 0, p.used)
	h := &s.scratch
	for _, is := range p.slots {
		switch {
		case is.empty():
			continue
		case !stale(is):
		case is.isAlias():
			continue
		default:
			s.load(p, is, h)
			h.trim(s.windows, s.horizon)
			if len(h.deliveries)+len(h.inbounds) == 0 {
				s.chats.setMessages(is.rank().key(), h)
				p.free(is)
				continue
			}
			s.after.reset()
			counted, opened := s.appendSamples(h, &s.after)
			is = s.storeSlot(p, is, h, counted, opened)
		}
		kept = append(kept, is)
	}
	p.layOut(kept, len(kept), capacityFor(len(kept)))
	p.compact()
	p.horizon = s.horizon
}

// sweepFrom sweeps the part of a key. It returns how many users were looked at, and where the next part begins: zero at the end.
func (s *numberState) sweepFrom(from key, horizon int64) (looked int, next key) {
	s.raiseHorizon(horizon)
	if s.users.shards == nil {
		return 0, 0
	}
	p := s.users.shard(from)
	looked = p.used
	s.sweep(p, true)
	if next = p.end(); next <= keyMask {
		return looked, next
	}
	if s.chats.trim(s.windows, horizon) {
		s.dirty = true
	}
	if all := s.users.all(); len(all) > 1 && !slices.ContainsFunc(all, func(p *shard) bool { return p.used > 0 }) {
		s.users.clear(s.horizon)
		s.dropped = true
	}
	return looked, 0
}

// nameless says whether nothing is known any more about the user that a slot refers to, neither here nor in the group.
func (s *numberState) isOrphanAlias(is slot) bool {
	user := s.users.resolve(is.alias())
	return !s.knowsUser(user) && (s.portfolio == nil || !s.portfolio.knowsUser(user))
}

// stale says whether there may be something to forget about the user in a slot.
func (s *numberState) isStale(p *shard, is slot) bool {
	var d delivery
	var in uint32
	switch {
	case is.isOverflow():
		b := p.overflow(is)
		if b.deliveries() > 0 {
			d = b.delivery(0)
		}
		if b.inbounds() > 0 {
			in = b.inbound(0)
		}
	case is.inline():
		if is[1]&delivered != 0 {
			d = p.deliveryOf(is)
		}
		if is[1]&received != 0 {
			in = p.inboundOf(is)
		}
	}
	return d.at > 0 && int64(d.at) < s.horizon || in > 0 && int64(in) < s.windows.first(s.horizon)
}

// recount makes the timelines anew from the users.
func (s *numberState) recount() {
	var all samples
	h := &s.scratch
	for _, p := range s.users.all() {
		all[countedSeries] = slices.Grow(all[countedSeries], p.used)
		for _, is := range p.slots {
			if is[1]&(delivered|received|replied) == delivered && len(s.chats.sent) == 0 {
				d := p.deliveryOf(is)
				if int64(d.at) >= s.horizon {
					all[countedSeries] = append(all[countedSeries], newSample(d.at, oneSample))
					if s.windows.countReached {
						all[reachedSeries] = append(all[reachedSeries], newSample(d.at, oneSample))
					}
				}
				continue
			}
			if is.empty() || is.isAlias() {
				continue
			}
			s.load(p, is, h)
			counted, opened := s.appendSamples(h, &all)
			if is.isOverflow() {
				b := p.overflow(is)
				b[overflowCounted], b[overflowOpened] = counted, opened
			}
		}
	}
	for _, complaints := range s.complaints {
		h := history{deliveries: complaints}
		all[complaintSeries] = h.appendAll(s.horizon, all[complaintSeries])
	}
	s.series.fill(&all)
}

// report adds a report, unless it is known, and says whether it did. One from before the horizon was either dropped
// before or came too late.
func (s *numberState) report(r report.Report, oldest int64) result {
	r.Subject = report.ParseSubject(s.number)
	for _, known := range s.reports {
		r.Sequence = known.Sequence
		if r == known {
			return repeated
		}
	}
	if r.At < max(oldest, s.horizon) {
		return expired
	}
	s.dirty = true
	s.sequence++
	r.Sequence = s.sequence
	s.reports = append(s.reports, r)
	s.forgetOldest(r.Kind)
	return changed
}

// mostReports is how many reports of one kind are kept about a subject. Meta sends some a day; a sender that sends without
// end must not fill the memory, nor make each report slower than the one before.
const mostReports = 1024

// forgetOldest keeps the reports of a kind within bounds. One that is forgotten and comes again is a late report, and as such
// changes nothing in the rules.
func (s *numberState) forgetOldest(kind report.Kind) {
	of, first := 0, -1
	for i := range s.reports {
		if s.reports[i].Kind == kind {
			if of++; first < 0 {
				first = i
			}
		}
	}
	if of > mostReports {
		s.reports = slices.Delete(s.reports, first, first+1)
	}
}

// known says whether anything is known about the number.
func (s *numberState) known() bool {
	return s.sequence > 0 || len(s.complaints)+len(s.chats.written) > 0 || slices.ContainsFunc(s.users.shards, func(p *shard) bool { return p.used > 0 })
}

// configure sets the windows and says whether they are others than before.
func (s *numberState) configure(w windowLengths) bool {
	if w == s.windows {
		return false
	}
	s.windows = w
	s.dirty = true
	s.recount()
	if s.portfolio != nil {
		s.portfolio.rebuild()
	}
	return true
}
