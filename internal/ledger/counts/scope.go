package counts

import (
	"maps"
	"slices"
	"sync"
	"time"

	"numberfleet.dev/numberfleet/internal/report"
)

// scope is what is known about one number: its users in parts, and the points that follow from them on timelines.
type scope struct {
	number string
	names  []string // others that it goes by; guarded by View.mu

	mu      sync.RWMutex // guards what follows against those who read; see lock
	group   *group       // nil for none
	windows lengths
	horizon int64 // Unix seconds; nothing earlier is recorded or counted any more. Set by the first event, raised by sweeps
	users   userTable
	lines   timelines
	heard   heard

	complaints map[key][]delivery // by user, in order of time. They are few, and saved with the number's own row
	joined     map[key]uint32     // by user, when two of their keys were last said to be one user. So are they
	chats      chats              // and what is known of groups of users

	reports  []report.Report // by sequence
	sequence int64           // the last that was given

	dirty   bool // the number's own row is not as the last snapshot that was kept has it
	dropped bool // all parts were replaced by one since then

	seen          uint64  // what warm read, so that it is read
	one, two      history // scratch
	before, after points
}

// event is an Entry as a scope records it.
type event struct {
	kind        Kind
	reply       bool
	user, alias key // alias is zero for none
	print       uint32
	at          uint32 // Unix seconds
	chat        ChatKey
}

func newEvent(entry *Entry) event {
	e := event{
		kind: entry.Kind, reply: entry.Reply, user: newKey(entry.User), alias: newKey(entry.Alias), at: uint32(entry.At), chat: entry.Chat,
	}
	switch e.kind {
	case Delivered, Replied:
		e.print = newPrint(entry.Message)
	case Complained:
		e.print = entry.Did.print(entry.Message)
	case Received, Joined: // have no message
	}
	return e
}

// delivery is what the event says of a message.
func (e event) delivery() delivery {
	awaited := e.kind == Replied
	return delivery{at: e.at, print: e.print, reply: e.reply || awaited, awaited: awaited, chat: e.chat}
}

// outcome says what became of an event.
type outcome uint8

const (
	repeated outcome = iota
	changed
	expired
)

func newScope(number string, horizon int64) *scope {
	return &scope{number: number, windows: newLengths(DefaultWindows), horizon: horizon, dirty: true}
}

// lock keeps readers away from the number, and from its group, whose timelines follow from all its numbers.
func (s *scope) lock() {
	if s.group != nil {
		s.group.mu.Lock()
	}
	s.mu.Lock()
}

func (s *scope) unlock() {
	s.mu.Unlock()
	if s.group != nil {
		s.group.mu.Unlock()
	}
}

func (s *scope) rlock()   { s.mu.RLock() }
func (s *scope) runlock() { s.mu.RUnlock() }

func newLengths(w Windows) lengths {
	return lengths{service: int64(w.Service.Seconds()), conversation: int64(w.Conversation.Seconds()), reach: w.Reach}
}

func (w lengths) windows() Windows {
	return Windows{Service: time.Duration(w.service) * time.Second, Conversation: time.Duration(w.conversation) * time.Second, Reach: w.reach}
}

// oldest is the earliest time that is recorded at a time.
func oldest(now int64) int64 { return now - int64((Kept + Lateness).Seconds()) }

// earliestNow is a time that the clock had reached when an event was accepted.
func earliestNow(at uint32) int64 { return int64(at) - int64(Ahead.Seconds()) }

// warmed is how many events are warmed at a time: what they need fits the nearest cache.
const warmed = 64

// warm reads what record will look for, of all events before the first is recorded. Users lie all over the memory: so it is
// waited for many of them at once, and not for one after the other.
func (s *scope) warm(events []event) {
	if s.users.parts == nil || len(events) < 2 {
		return
	}
	var seen uint64
	for i := range events {
		seen += s.glance(events[i].user)
		if events[i].alias != 0 {
			seen += s.glance(events[i].alias)
		}
	}
	var blocks [warmed]block
	for i := range events {
		if _, p, j, found := s.users.locate(events[i].user); found && p.slots[j].isBlock() {
			blocks[i] = p.from(p.slots[j])
		}
	}
	for _, b := range blocks[:len(events)] {
		if len(b) > blockHeader+4 {
			seen += uint64(b[0] + b[blockHeader+4]) // it often goes over two lines of the cache
		}
	}
	s.seen = seen
}

// glance reads where find begins to look for a key.
func (s *scope) glance(k key) uint64 {
	p := s.users.part(k)
	return p.slots[p.home(k.rank())][0]
}

// record adds an event.
func (s *scope) record(e event) outcome {
	if s.users.parts == nil {
		s.users.clear(s.horizon)
	}
	if int64(e.at) < s.horizon {
		return expired
	}
	if s.heard.add(e.at) {
		s.dirty = true
	}
	result := repeated
	if e.alias != 0 && e.alias != e.user && s.join(e.user, e.alias) {
		result = changed
	}
	user, p, i, found := s.users.locate(e.user)
	switch e.kind {
	case Complained:
		return max(result, s.complain(user, e))
	case Joined:
		s.remember(user, e.at)
		return result
	case Received:
		if e.chat != 0 {
			if e.alias != 0 {
				s.remember(user, e.at)
			}
			return max(result, s.hear(e.chat, e.at))
		}
	case Delivered, Replied:
		if e.chat != 0 && !s.chats.takes(user, e.chat) {
			e.chat = 0
		}
	}
	if !p.spans(e.at) {
		s.reach(user, e.at)
		i, found = p.find(user.rank())
	}
	mirrored := s.group.mirrors(s, user)
	if found {
		if quick, o := s.append(user, p, i, e, mirrored); quick {
			return max(result, o)
		}
	}
	h := &s.one
	if found {
		s.load(p, p.slots[i], h)
		if h.knows(e) {
			return result
		}
	}
	if !mirrored {
		defer s.group.begin(s, user).end()
	}
	if !found {
		is := newSlot(user.rank(), 0)
		if e.kind == Delivered && e.chat == 0 {
			is = is.withDelivery(e.delivery())
			if !e.reply {
				s.mark(countedLine, e.at, onePoint, mirrored)
			}
			if s.windows.reach {
				s.mark(reachedLine, e.at, onePoint, mirrored)
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
	s.walk(h, &s.before)
	h.add(e)
	s.put(user, h, mirrored)
	return changed
}

// load reads what is known about the user in a slot of a part, be it nothing.
func (s *scope) load(p *part, is slot, h *history) {
	p.load(is, h)
	s.chats.name(is.rank().key(), h)
}

// keep is the slot for what is known about the user in a slot of a part.
func (s *scope) keep(p *part, was slot, h *history, counted, opened uint32) slot {
	if s.chats.keep(was.rank().key(), h) {
		s.dirty = true
	}
	return p.store(was, h, counted, opened)
}

// mark adds to what is on a timeline at a time, and on the group's where that mirrors the number's.
func (s *scope) mark(on line, at uint32, mark tick, mirrored bool) {
	if int64(at) >= s.horizon {
		s.lines[on].add(at, mark)
	}
	if mirrored && int64(at) >= s.group.horizon {
		s.group.lines[on].add(at, mark)
	}
}

// walk appends the points of a user's deliveries, and returns what history.walk does.
func (s *scope) walk(h *history, to *points) (counted, opened uint32) {
	to[countedLine], counted, opened = h.walk(s.windows, s.horizon, to[countedLine])
	if s.windows.reach {
		to[reachedLine] = h.walkAll(s.horizon, to[reachedLine])
	}
	return counted, opened
}

// append is record for the usual case of a user who is known: an event after all others, of which there are more than a slot
// holds. It says whether that is so.
func (s *scope) append(user key, p *part, i int, e event, mirrored bool) (bool, outcome) {
	if e.kind == Replied || e.chat != 0 || len(s.chats.sent) > 0 && s.chats.sent[user] != nil {
		return false, 0
	}
	var inline [blockHeader + 3]uint32
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
		if n == 0 && !p.slots[i].isBlock() || n > 0 && b.inbound(n-1) > e.at || last.at >= e.at {
			return false, 0
		}
		if !mirrored && s.group != nil && s.group.divides(s, user) {
			defer s.group.begin(s, user).end()
		}
		p.touch()
		p.widen(i, b, 1).pushInbound(e.at)
		s.users.relieve(p)
		return true, changed
	}
	if known, found := b.knows(e.print); found {
		return known.with(e.delivery()) == known, repeated
	}
	if last.at == 0 && !p.slots[i].isBlock() || last.at >= e.at || last.awaited {
		return false, 0
	}
	in := b.lastInbound(e.at)
	counts := !e.reply && (in == 0 || int64(in) <= int64(e.at)-s.windows.service)
	if !mirrored && s.group != nil && (counts || s.group.windows.reach || s.group.divides(s, user)) {
		defer s.group.begin(s, user).end()
	}
	p.touch()
	b = p.widen(i, b, 2)
	b.pushDelivery(e.delivery())
	if s.windows.reach {
		s.mark(reachedLine, e.at, onePoint, mirrored)
		if last.at > 0 {
			s.mark(reachedLine, last.at, oneSuperseded, mirrored)
		}
	}
	if counts {
		mark := onePoint
		if s.windows.opens(b[blockOpened], e.at) {
			b[blockOpened] = e.at
		} else {
			mark += oneInside
		}
		s.mark(countedLine, e.at, mark, mirrored)
		if was := b[blockCounted]; was > 0 {
			s.mark(countedLine, was, oneSuperseded, mirrored)
		}
		b[blockCounted] = e.at
	}
	s.users.relieve(p)
	return true, changed
}

// complain is record for a complaint. Of one event and code the earliest time counts, as of one message.
func (s *scope) complain(user key, e event) outcome {
	h := &s.one
	h.reset()
	h.deliveries = append(h.deliveries, s.complaints[user]...)
	if h.knows(e) {
		return repeated
	}
	s.group.meet(s, user)
	defer s.group.begin(s, user).end()
	h.add(e)
	s.file(user, h.deliveries)
	return changed
}

// remember keeps the names of a user as long as an event of that time would: more about them may come under each.
func (s *scope) remember(user key, at uint32) {
	if s.joined[user] >= at {
		return
	}
	if s.joined == nil {
		s.joined = map[key]uint32{}
	}
	s.joined[user] = at
	s.dirty = true
}

// file replaces a user's complaints.
func (s *scope) file(user key, complaints []delivery) {
	was := history{deliveries: s.complaints[user]}
	is := history{deliveries: slices.Clone(complaints)}
	s.lines[complaintLine].replace(was.walkAll(s.horizon, nil), is.walkAll(s.horizon, nil))
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
func (s *scope) put(user key, h *history, mirrored bool) {
	s.after.reset()
	counted, opened := s.walk(h, &s.after)
	s.lines.replace(&s.before, &s.after)
	if mirrored {
		before, after := s.before.since(s.group.horizon), s.after.since(s.group.horizon)
		s.group.lines.replace(&before, &after)
	}
	p := s.users.part(user)
	i, _ := p.find(user.rank())
	p.touch()
	p.slots[i] = s.keep(p, p.slots[i], h, counted, opened)
	p.tidy()
	s.users.relieve(p)
}

// join makes two keys one user, and says whether that is new. Of the keys known to be one user, the least stands for all
// and has the history; the others refer to it, each to a lesser one. So which it is follows from the set of the pairs,
// not from their order, and following them always ends.
func (s *scope) join(a, b key) bool {
	keep, gone := s.users.resolve(a), s.users.resolve(b)
	if keep == gone {
		return false
	}
	if keep > gone {
		keep, gone = gone, keep
	}
	if s.group != nil {
		if h := &s.two; s.look(gone, h) {
			s.reach(keep, h.newest()) // it may sweep, which the group must see by itself
		}
		defer s.group.unite(s, keep, gone).end()
	}
	if more := s.complaints[gone]; len(more) > 0 {
		h := history{deliveries: slices.Clone(s.complaints[keep])}
		h.join(&history{deliveries: more})
		s.file(gone, nil)
		s.file(keep, h.deliveries)
	}
	if at, found := s.joined[gone]; found {
		delete(s.joined, gone)
		s.remember(keep, at)
	}
	p := s.users.part(gone)
	p.touch()
	if i, found := p.find(gone.rank()); found {
		h := &s.two
		s.load(p, p.slots[i], h)
		h.trim(s.windows, s.horizon)
		s.before.reset()
		s.walk(h, &s.before)
		s.lines.replace(&s.before, &points{})
		s.chats.keep(gone, &history{})
		p.free(p.slots[i])
		p.slots[i] = aliasSlot(gone.rank(), keep)
		p.tidy()
		s.merge(keep, h)
	} else {
		s.users.insert(gone, aliasSlot(gone.rank(), keep))
	}
	for _, k := range [...]key{a, b} {
		p := s.users.part(k)
		if i, found := p.find(k.rank()); found && p.slots[i].isAlias() && p.slots[i].alias() != keep {
			p.touch()
			p.slots[i] = aliasSlot(k.rank(), keep)
		}
	}
	return true
}

// merge adds a trimmed history, whose points are not on the timeline, to a user.
func (s *scope) merge(user key, more *history) {
	newest := more.newest()
	if newest == 0 {
		return
	}
	p := s.reach(user, newest)
	h := &s.one
	s.before.reset()
	if i, found := p.find(user.rank()); found {
		s.load(p, p.slots[i], h)
		h.trim(s.windows, s.horizon)
		s.walk(h, &s.before)
	} else {
		s.load(p, newSlot(user.rank(), 0), h)
		s.users.insert(user, newSlot(user.rank(), 0).withInbound(newest)) // keeps the place until put
	}
	h.join(more)
	h.trim(s.windows, s.horizon)
	s.put(user, h, false)
}

// look reads what is known about a key that stands for a user, and says whether that is anything.
func (s *scope) look(user key, h *history) bool {
	h.reset()
	h.written = s.chats.written // also where what is joined to it has messages to chats
	if s.users.parts == nil {
		return false
	}
	p := s.users.part(user)
	i, found := p.find(user.rank())
	if found {
		s.load(p, p.slots[i], h)
	}
	h.complaints = append(h.complaints, s.complaints[user]...)
	return found && !p.slots[i].isAlias() || len(h.complaints) > 0
}

// has says whether anything is known about a key that stands for a user, be it that it does.
func (s *scope) has(user key) bool {
	return s.users.parts != nil && s.users.part(user).holds(user) || len(s.complaints[user]) > 0 || s.joined[user] > 0
}

// mentions says whether there is anything under a key, be it that it is another name of a user.
func (s *scope) mentions(k key) bool {
	if s.users.parts == nil {
		return false
	}
	_, found := s.users.part(k).find(k.rank())
	return found || len(s.complaints[k]) > 0
}

// reach is the user's part, made to span a time.
func (s *scope) reach(user key, at uint32) *part {
	p := s.users.part(user)
	if !p.spans(at) {
		s.advance(oldest(earliestNow(at)))
		s.sweep(p, false)
		p.touch()
		p.horizon = s.horizon
	}
	return p
}

// advance raises the horizon.
func (s *scope) advance(horizon int64) {
	if horizon <= s.horizon {
		return
	}
	s.horizon = horizon
	s.lines.drop(horizon)
	if s.group != nil {
		s.group.advance(horizon)
	}
	s.forgetComplaints(horizon)
	maps.DeleteFunc(s.joined, func(_ key, at uint32) bool { return int64(at) < horizon })
	latest := map[report.Kind]int64{}
	for _, r := range s.reports {
		latest[r.Kind] = max(latest[r.Kind], r.At)
	}
	s.reports = slices.DeleteFunc(s.reports, func(r report.Report) bool { return r.At < horizon && r.At < latest[r.Kind] })
	s.dirty = true
}

// forgetComplaints forgets those before the horizon. In a group that may be the first time of one that is left under another key.
func (s *scope) forgetComplaints(horizon int64) {
	var users []key
	for user, complaints := range s.complaints {
		if int64(complaints[0].at) < horizon {
			users = append(users, user)
		}
	}
	if len(users) > 0 {
		defer s.group.beginAll(s, users...).end()
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
func (s *scope) sweep(p *part, names bool) {
	stale := func(is slot) bool {
		if is.isAlias() {
			return names && s.nameless(is)
		}
		return s.stale(p, is)
	}
	if !slices.ContainsFunc(p.slots, stale) {
		return
	}
	if s.group != nil {
		var users []key
		for _, is := range p.slots {
			if !is.empty() && !is.isAlias() && stale(is) {
				users = append(users, is.rank().key())
			}
		}
		defer s.group.beginAll(s, users...).end()
	}
	p.touch()
	kept := make([]slot, 0, p.used)
	h := &s.one
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
				s.chats.keep(is.rank().key(), h)
				p.free(is)
				continue
			}
			s.after.reset()
			counted, opened := s.walk(h, &s.after)
			is = s.keep(p, is, h, counted, opened)
		}
		kept = append(kept, is)
	}
	p.place(kept, len(kept), roomy(len(kept)))
	p.compact()
	p.horizon = s.horizon
}

// sweepFrom sweeps the part of a key. It returns how many users were looked at, and where the next part begins: zero at the end.
func (s *scope) sweepFrom(from key, horizon int64) (looked int, next key) {
	s.advance(horizon)
	if s.users.parts == nil {
		return 0, 0
	}
	p := s.users.part(from)
	looked = p.used
	s.sweep(p, true)
	if next = p.end(); next <= keyMask {
		return looked, next
	}
	if s.chats.trim(s.windows, horizon) {
		s.dirty = true
	}
	if all := s.users.all(); len(all) > 1 && !slices.ContainsFunc(all, func(p *part) bool { return p.used > 0 }) {
		s.users.clear(s.horizon)
		s.dropped = true
	}
	return looked, 0
}

// nameless says whether nothing is known any more about the user that a slot refers to, neither here nor in the group.
func (s *scope) nameless(is slot) bool {
	user := s.users.resolve(is.alias())
	return !s.has(user) && (s.group == nil || !s.group.has(user))
}

// stale says whether there may be something to forget about the user in a slot.
func (s *scope) stale(p *part, is slot) bool {
	var d delivery
	var in uint32
	switch {
	case is.isBlock():
		b := p.block(is)
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
func (s *scope) recount() {
	var all points
	h := &s.one
	for _, p := range s.users.all() {
		all[countedLine] = slices.Grow(all[countedLine], p.used)
		for _, is := range p.slots {
			if is[1]&(delivered|received|replied) == delivered && len(s.chats.sent) == 0 {
				d := p.deliveryOf(is)
				if int64(d.at) >= s.horizon {
					all[countedLine] = append(all[countedLine], newPoint(d.at, onePoint))
					if s.windows.reach {
						all[reachedLine] = append(all[reachedLine], newPoint(d.at, onePoint))
					}
				}
				continue
			}
			if is.empty() || is.isAlias() {
				continue
			}
			s.load(p, is, h)
			counted, opened := s.walk(h, &all)
			if is.isBlock() {
				b := p.block(is)
				b[blockCounted], b[blockOpened] = counted, opened
			}
		}
	}
	for _, complaints := range s.complaints {
		h := history{deliveries: complaints}
		all[complaintLine] = h.walkAll(s.horizon, all[complaintLine])
	}
	s.lines.fill(&all)
}

// report adds a report, unless it is known, and says whether it did. One from before the horizon was either dropped
// before or came too late.
func (s *scope) report(r report.Report, oldest int64) outcome {
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
func (s *scope) forgetOldest(kind report.Kind) {
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
func (s *scope) known() bool {
	return s.sequence > 0 || len(s.complaints)+len(s.chats.written) > 0 || slices.ContainsFunc(s.users.parts, func(p *part) bool { return p.used > 0 })
}

// configure sets the windows and says whether they are others than before.
func (s *scope) configure(w lengths) bool {
	if w == s.windows {
		return false
	}
	s.windows = w
	s.dirty = true
	s.recount()
	if s.group != nil {
		s.group.rebuild()
	}
	return true
}
