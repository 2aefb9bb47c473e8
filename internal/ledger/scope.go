package ledger

import (
	"slices"
	"sort"
	"sync"
)

// scope is what is known about one number: its users in parts, and the points that follow from them on a timeline.
type scope struct {
	number string

	mu      sync.RWMutex
	windows lengths
	horizon int64 // Unix seconds; nothing earlier is recorded or counted any more. Set by the first event, raised by sweeps
	parts   []*part
	depth   uint8 // a key's part is at the index that its first depth bits are; see part.depth
	line    timeline

	reports  []Report // by sequence
	sequence int64    // the last that was given

	dirty  bool // what is saved about the number, other than its parts, is not what is here
	saving *capture
	rows   []rowName // the parts' rows that the last snapshot refers to

	one, two      history // scratch
	before, after []point
}

// event is an Entry as a scope records it.
type event struct {
	kind        Kind
	user, alias key // alias is zero for none
	print       uint32
	at          uint32 // Unix seconds
}

// outcome says what became of an event.
type outcome uint8

const (
	repeated outcome = iota
	changed
	expired
)

func newScope(number string) *scope {
	return &scope{number: number, windows: newLengths(DefaultWindows)}
}

func newLengths(w Windows) lengths {
	return lengths{service: int64(w.Service.Seconds()), conversation: int64(w.Conversation.Seconds())}
}

// oldest is the earliest time that is recorded at a time.
func oldest(now int64) int64 { return now - int64((Kept + Lateness).Seconds()) }

// earliestNow is a time that the clock had reached when an event was accepted.
func earliestNow(at uint32) int64 { return int64(at) - int64(Ahead.Seconds()) }

// record adds an event.
func (s *scope) record(e event) outcome {
	if s.parts == nil {
		s.horizon = max(s.horizon, oldest(earliestNow(e.at)))
		s.parts = []*part{newPart(0, 0, s.horizon, nil)}
		s.dirty = true
	}
	if int64(e.at) < s.horizon {
		return expired
	}
	result := repeated
	if e.alias != 0 && e.alias != e.user && s.join(e.user, e.alias) {
		result = changed
	}
	user := s.resolve(e.user)
	p := s.reach(user, e.at)
	i, found := p.find(user.rank())
	if found && p.slots[i].isBlock() {
		if quick, o := s.append(p, p.block(p.slots[i]), e); quick {
			return max(result, o)
		}
	}
	if !found {
		is := newSlot(user.rank(), 0)
		if e.kind == Received {
			is = is.withInbound(e.at)
		} else {
			is = is.withDelivery(delivery{at: e.at, print: e.print})
			s.line.add(e.at, onePoint)
		}
		s.insert(user, is)
		return changed
	}
	h := &s.one
	p.load(p.slots[i], h)
	if h.knows(e) {
		return result
	}
	s.before, _, _ = h.walk(s.windows, s.horizon, s.before[:0])
	h.add(e)
	s.put(user, h, s.before)
	return changed
}

// append is record for the usual case of a user with a block: an event after all others. It says whether that is so.
func (s *scope) append(p *part, b block, e event) (bool, outcome) {
	var last delivery
	if n := b.deliveries(); n > 0 {
		last = b.delivery(n - 1)
	}
	if e.kind == Received {
		n := b.inbounds()
		if n > 0 && b.inbound(n-1) == e.at {
			return true, repeated
		}
		if n > 0 && b.inbound(n-1) > e.at || last.at >= e.at || b.used()+1 > len(b) {
			return false, 0
		}
		s.touch(p)
		b.pushInbound(e.at)
		return true, changed
	}
	if known, found := b.knows(e.print); found {
		return known.at <= e.at, repeated
	}
	if last.at >= e.at || b.used()+2 > len(b) {
		return false, 0
	}
	s.touch(p)
	b.pushDelivery(delivery{at: e.at, print: e.print})
	if in := b.lastInbound(e.at); in > 0 && int64(in) > int64(e.at)-s.windows.service {
		return true, changed
	}
	mark := onePoint
	if s.windows.opens(b[blockOpened], e.at) {
		b[blockOpened] = e.at
	} else {
		mark += oneInside
	}
	s.line.add(e.at, mark)
	if was := b[blockCounted]; was > 0 && int64(was) >= s.horizon {
		s.line.add(was, oneSuperseded)
	}
	b[blockCounted] = e.at
	return true, changed
}

// put replaces what is known about a user who has a slot, and the points that followed from it.
func (s *scope) put(user key, h *history, before []point) {
	var counted, opened uint32
	s.after, counted, opened = h.walk(s.windows, s.horizon, s.after[:0])
	s.replace(before, s.after)
	p := s.part(user)
	i, _ := p.find(user.rank())
	s.touch(p)
	p.slots[i] = p.store(p.slots[i], h, counted, opened)
	p.tidy()
	if len(p.arena) > partWords && p.crowded() {
		s.split(p)
	}
}

// replace takes a user's points off the timeline and puts others there. Both are in order of time; most are the same.
func (s *scope) replace(before, after []point) {
	for len(before) > 0 && len(after) > 0 && before[0] == after[0] {
		before, after = before[1:], after[1:]
	}
	for len(before) > 0 && len(after) > 0 && before[len(before)-1] == after[len(after)-1] {
		before, after = before[:len(before)-1], after[:len(after)-1]
	}
	for _, p := range before {
		s.line.remove(p.at(), p.mark())
	}
	for _, p := range after {
		s.line.add(p.at(), p.mark())
	}
}

// join makes two keys one user, and says whether that is new. Of the keys known to be one user, the least stands for all
// and has the history; the others refer to it, each to a lesser one. So which it is follows from the set of the pairs,
// not from their order, and following them always ends.
func (s *scope) join(a, b key) bool {
	keep, gone := s.resolve(a), s.resolve(b)
	if keep == gone {
		return false
	}
	if keep > gone {
		keep, gone = gone, keep
	}
	p := s.part(gone)
	s.touch(p)
	if i, found := p.find(gone.rank()); found {
		h := &s.two
		p.load(p.slots[i], h)
		h.trim(s.windows, s.horizon)
		s.before, _, _ = h.walk(s.windows, s.horizon, s.before[:0])
		s.replace(s.before, nil)
		p.free(p.slots[i])
		p.slots[i] = aliasSlot(gone.rank(), keep)
		p.tidy()
		s.merge(keep, h)
	} else {
		s.insert(gone, aliasSlot(gone.rank(), keep))
	}
	for _, k := range [...]key{a, b} {
		p := s.part(k)
		if i, found := p.find(k.rank()); found && p.slots[i].isAlias() && p.slots[i].alias() != keep {
			s.touch(p)
			p.slots[i] = aliasSlot(k.rank(), keep)
		}
	}
	return true
}

// merge adds a trimmed history, whose points are not on the timeline, to a user.
func (s *scope) merge(user key, more *history) {
	var newest uint32
	if n := len(more.deliveries); n > 0 {
		newest = more.deliveries[n-1].at
	}
	if n := len(more.inbounds); n > 0 {
		newest = max(newest, more.inbounds[n-1])
	}
	if newest == 0 {
		return
	}
	p := s.reach(user, newest)
	h := &s.one
	h.reset()
	s.before = s.before[:0]
	if i, found := p.find(user.rank()); found {
		p.load(p.slots[i], h)
		h.trim(s.windows, s.horizon)
		s.before, _, _ = h.walk(s.windows, s.horizon, s.before)
	} else {
		s.insert(user, newSlot(user.rank(), 0).withInbound(newest)) // keeps the place until put
	}
	h.join(more)
	h.trim(s.windows, s.horizon)
	s.put(user, h, s.before)
}

// resolve is the key that stands for a user.
func (s *scope) resolve(k key) key {
	for {
		p := s.part(k)
		i, found := p.find(k.rank())
		if !found || !p.slots[i].isAlias() || p.slots[i].alias() >= k {
			return k
		}
		k = p.slots[i].alias()
	}
}

func (s *scope) part(k key) *part { return s.parts[k>>(keyBits-s.depth)] }

// reach is the user's part, made to span a time.
func (s *scope) reach(user key, at uint32) *part {
	p := s.part(user)
	if !p.spans(at) {
		s.advance(oldest(earliestNow(at)))
		s.sweep(p, false)
	}
	return p
}

// insert adds the slot of a key that has none.
func (s *scope) insert(k key, is slot) {
	for {
		p := s.part(k)
		s.touch(p)
		if !p.full() {
			if i, _ := p.find(k.rank()); p.insert(i, is) {
				return
			}
		}
		if p.crowded() {
			s.split(p)
		} else {
			p.grow()
		}
	}
}

// split splits a part in two.
func (s *scope) split(p *part) {
	s.touch(p)
	low, high := p.split()
	if p.depth == s.depth {
		doubled := make([]*part, 2*len(s.parts))
		for i := range doubled {
			doubled[i] = s.parts[i/2]
		}
		s.parts = doubled
		s.depth++
	}
	// The indexes that begin with the part's prefix, one half each.
	n := 1 << (s.depth - p.depth)
	first := int(p.prefix) * n
	for i := range n {
		if i < n/2 {
			s.parts[first+i] = low
		} else {
			s.parts[first+i] = high
		}
	}
	s.dirty = true
}

// all are the parts, each once.
func (s *scope) all() []*part {
	return slices.Compact(slices.Clone(s.parts))
}

// touch is called before a part changes. What a snapshot under way has still to save is saved first.
func (s *scope) touch(p *part) {
	if p.pending {
		s.saving.save(p)
	}
	p.dirty = true
}

// advance raises the horizon.
func (s *scope) advance(horizon int64) {
	if horizon <= s.horizon {
		return
	}
	s.horizon = horizon
	s.line.drop(horizon)
	latest := map[ReportKind]int64{}
	for _, r := range s.reports {
		latest[r.Kind] = max(latest[r.Kind], r.At)
	}
	s.reports = slices.DeleteFunc(s.reports, func(r Report) bool { return r.At < horizon && r.At < latest[r.Kind] })
	s.dirty = true
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
		p.horizon = s.horizon
		return
	}
	s.touch(p)
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
			p.load(is, h)
			h.trim(s.windows, s.horizon)
			if len(h.deliveries)+len(h.inbounds) == 0 {
				p.free(is)
				continue
			}
			_, counted, opened := h.walk(s.windows, s.horizon, s.after[:0])
			is = p.store(is, h, counted, opened)
		}
		kept = append(kept, is)
	}
	p.place(kept, len(kept), roomy(len(kept)))
	p.compact()
	p.horizon = s.horizon
}

// sweepAll sweeps every part, one at a time, so that nothing waits for long.
func (s *scope) sweepAll(horizon int64) {
	s.mu.Lock()
	s.advance(horizon)
	parts := s.all()
	s.mu.Unlock()
	users := 0
	for _, p := range parts {
		s.mu.Lock()
		if first := int(p.prefix) << (s.depth - min(s.depth, p.depth)); first < len(s.parts) && s.parts[first] == p {
			s.sweep(p, true)
			users += p.used
		}
		s.mu.Unlock()
	}
	if users > 0 || len(parts) < 2 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		if p.used > 0 {
			return
		}
		s.touch(p)
	}
	s.parts, s.depth, s.dirty = []*part{newPart(0, 0, s.horizon, nil)}, 0, true
}

// nameless says whether nothing is known any more about the user that a slot refers to.
func (s *scope) nameless(is slot) bool {
	user := s.resolve(is.alias())
	_, found := s.part(user).find(user.rank())
	return !found
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
	return d.at > 0 && int64(d.at) < s.horizon || in > 0 && int64(in) <= s.horizon-s.windows.service
}

// count is how many points lie in (from, to]. Users are those whose last counted delivery up to then lies there.
func (s *scope) count(measure Measure, from, to int64) int64 {
	n := s.line.count(measure, from, to)
	s.messagedAgain(measure, from, to, func(uint32) { n++ })
	return n
}

// nth is the time of the nth point in (from, to], of which there are as many at least.
func (s *scope) nth(measure Measure, from, to, n int64) uint32 {
	var again []uint32
	s.messagedAgain(measure, from, to, func(at uint32) { again = append(again, at) })
	if len(again) == 0 {
		at, _ := s.line.nth(measure, from, n)
		return at
	}
	slices.Sort(again)
	seconds := sort.Search(int(to-from), func(i int) bool {
		until := from + int64(i)
		behind, _ := slices.BinarySearchFunc(again, until+1, func(at uint32, t int64) int { return int(int64(at) - t) })
		return s.line.count(measure, from, until)+int64(behind) >= n
	})
	return uint32(from + int64(seconds))
}

// messagedAgain calls with the users that the timeline does not have in (from, to], as it knows only which counted delivery
// is a user's last of all: theirs came after to. Each comes with the last one up to then. There are none in the common
// case, in which to is now.
func (s *scope) messagedAgain(measure Measure, from, to int64, call func(at uint32)) {
	if measure != Users || s.line.count(Users, from, to) == s.line.count(Messages, from, to) {
		return
	}
	if _, later := s.line.nth(Messages, to, 1); !later {
		return
	}
	for _, p := range s.all() {
		for _, is := range p.slots {
			if !is.isBlock() {
				continue
			}
			if at := s.lastCounted(p.block(is), to); at > 0 && int64(at) > from {
				call(at)
			}
		}
	}
}

// lastCounted is the last counted delivery up to a time of a user who had another after it; zero for none.
func (s *scope) lastCounted(b block, to int64) uint32 {
	if int64(b[blockCounted]) <= to {
		return 0
	}
	for i := b.deliveries() - 1; i >= 0; i-- {
		if d := b.delivery(i); int64(d.at) <= to {
			if in := b.lastInbound(d.at); in == 0 || int64(in) <= int64(d.at)-s.windows.service {
				return d.at
			}
		}
	}
	return 0
}

// recount makes the timeline anew from the users.
func (s *scope) recount() {
	var points []point
	h := &s.one
	for _, p := range s.all() {
		points = slices.Grow(points, p.used)
		for _, is := range p.slots {
			if is[1]&(delivered|received) == delivered {
				if d := p.deliveryOf(is); int64(d.at) >= s.horizon {
					points = append(points, newPoint(d.at, onePoint))
				}
				continue
			}
			if is.empty() || is.isAlias() {
				continue
			}
			p.load(is, h)
			var counted, opened uint32
			points, counted, opened = h.walk(s.windows, s.horizon, points)
			if is.isBlock() {
				b := p.block(is)
				b[blockCounted], b[blockOpened] = counted, opened
			}
		}
	}
	s.line.fill(points)
}

// report adds a report, unless it is known, and says whether it did. One from before the horizon was either dropped
// before or came too late.
func (s *scope) report(r Report) outcome {
	r.Number = s.number
	for _, known := range s.reports {
		r.Sequence = known.Sequence
		if r == known {
			return repeated
		}
	}
	if r.At < s.horizon {
		return expired
	}
	s.sequence++
	r.Sequence = s.sequence
	s.reports = append(s.reports, r)
	s.dirty = true
	return changed
}

// known says whether anything is known about the number.
func (s *scope) known() bool {
	return s.sequence > 0 || slices.ContainsFunc(s.parts, func(p *part) bool { return p.used > 0 })
}

// configure sets the windows and says whether they are others than before.
func (s *scope) configure(w lengths) bool {
	if w == s.windows {
		return false
	}
	s.windows = w
	s.dirty = true
	s.recount()
	return true
}
