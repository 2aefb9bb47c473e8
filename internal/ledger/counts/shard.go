package counts

import (
	"fmt"
	"math/bits"
	"slices"
)

// shard holds the users whose keys begin with the same bits. It is an open-addressed table without wrap-around in which the slots
// are in the order of their ranks. So a miss is as quick as a hit, and copying to another size is one pass. Users are removed
// many at a time (see numberState.sweep).
//
// A shard is small enough that copying, splitting or saving it takes well under a millisecond. Nothing waits longer for a table
// to grow.
type shard struct {
	depth   uint8 // how many leading bits the keys share
	prefix  key   // these bits, at the low end
	slots   []slot
	ideal   uint64 // slots that ranks are mapped to; those after them take collisions at the end
	used    int
	arena   [][]uint32 // overflow histories, in pages: it grows by a page, and nothing is copied
	words   int        // of all overflow histories in the arena
	garbage int        // of those that no slot refers to
	content int        // words of overflow histories that are used: without garbage and slack

	horizon int64 // Unix seconds; no time in the shard is earlier than base, which follows from it

	dirty   bool     // it has changed since the last snapshot that was kept
	capture *Capture // the snapshot under way that has still to read it
}

const (
	shardSlots = 16384   // slots at which a shard is split
	shardWords = 3 << 17 // words of content at which it is split: 1.5 MiB, and half as much again with slack
	pageWords  = 1 << 12 // words of a page of the arena
	mostDepth  = 20      // at which it is not split any more; no hash spreads keys so badly
	longest    = Kept    // the longest window that may be configured
)

func newShard(depth uint8, prefix key, horizon int64, used []slot) *shard {
	p := &shard{depth: depth, prefix: prefix, horizon: horizon, dirty: true}
	p.layOut(used, len(used), capacityFor(len(used)))
	return p
}

// capacityFor returns the number of slots for some users: eight ninths of them are used. A table grows when 93 % are used. Probe
// sequences stay short, since slots are in order.
func capacityFor(users int) int { return users + users/8 + 4 }

func (p *shard) full() bool { return uint64(p.used)*100 >= p.ideal*93 }

// layOut lays out slots that are in order of rank, without empty ones. The last slot stays free, so that insert finds room to the
// right.
func (p *shard) layOut(from []slot, used, ideal int) {
	for tail := ideal/64 + 8; ; tail *= 2 {
		slots := slices.Grow([]slot(nil), ideal+tail)
		slots = slots[:cap(slots)] // the allocator rounds up; nothing is left unused
		p.ideal = uint64(ideal + (len(slots)-ideal-tail)*63/64)
		next := 0
		for _, s := range from {
			if s.empty() {
				continue
			}
			next = max(next, p.home(s.rank())) + 1
			if next >= len(slots) {
				break
			}
			slots[next-1] = s
		}
		if next < len(slots) {
			p.slots, p.used = slots, used
			return
		}
	}
}

// home returns the index of a rank's slot in a table without collisions.
func (p *shard) home(r rank) int {
	at, _ := bits.Mul64(uint64(r)<<(64-keyBits), p.ideal)
	return int(at)
}

// find returns the index of the slot of a rank, or of the slot before which it would be inserted.
func (p *shard) find(r rank) (int, bool) {
	i := p.home(r)
	for ; i < len(p.slots) && !p.slots[i].empty() && p.slots[i].rank() < r; i++ {
	}
	return i, i < len(p.slots) && !p.slots[i].empty() && p.slots[i].rank() == r
}

// holds reports whether a key has the slot of a user.
func (p *shard) holds(k key) bool {
	i, found := p.find(k.rank())
	return found && !p.slots[i].isAlias()
}

// insert inserts a slot at the index that find returned. It returns false if there is no free slot to the right.
func (p *shard) insert(i int, s slot) bool {
	free := i
	for free < len(p.slots) && !p.slots[free].empty() {
		free++
	}
	if free == len(p.slots) {
		return false
	}
	copy(p.slots[i+1:free+1], p.slots[i:free])
	p.slots[i] = s
	p.used++
	return true
}

// remove empties a slot and moves up those after it, as far as if it had never been there.
func (p *shard) remove(i int) {
	for ; i+1 < len(p.slots) && !p.slots[i+1].empty() && p.home(p.slots[i+1].rank()) <= i; i++ {
		p.slots[i] = p.slots[i+1]
	}
	p.slots[i] = slot{}
	p.used--
}

// grow makes room for more users.
func (p *shard) grow() {
	p.layOut(p.slots, p.used, max(capacityFor(p.used), int(p.ideal+p.ideal/32)+1))
}

// split splits a shard in two by the next bit of the keys.
func (p *shard) split() (low, high *shard) {
	var side [2][]slot
	var content [2]int
	for i := range side {
		side[i] = make([]slot, 0, p.used/2+p.used/8)
	}
	shift := keyBits - 1 - p.depth
	for _, s := range p.slots {
		if !s.empty() {
			bit := s.rank().key() >> shift & 1
			side[bit] = append(side[bit], s)
			if s.isOverflow() {
				content[bit] += p.overflow(s).used()
			}
		}
	}
	var halves [2]*shard
	for i := range halves {
		halves[i] = newShard(p.depth+1, p.prefix<<1|key(i), p.horizon, side[i])
		halves[i].arena, halves[i].content = p.arena, content[i]
		halves[i].compact()
	}
	return halves[0], halves[1]
}

// base returns a time that all times in the shard are later than, by less than 2^23 seconds (97 days): the longest windows reach
// back to it from the horizon. Times in slots are resolved with it.
func (p *shard) base() int64 { return p.horizon - int64(longest.Seconds()) - 1 }

// spans reports whether a time can be stored in a slot.
func (p *shard) spans(at uint32) bool { return int64(at)-p.base() <= timeMask }

func (p *shard) time(low uint64) uint32 {
	base := p.base()
	return uint32(base + (int64(low)-base)&timeMask)
}

func (p *shard) deliveryOf(s slot) delivery {
	return delivery{at: p.time(s[1] >> 25 & timeMask), fingerprint: s.fingerprint(), reply: s[1]&replied != 0}
}

func (p *shard) inboundOf(s slot) uint32 { return p.time(s[1] >> 2 & timeMask) }

// lastDelivery returns the time of the last delivery to the user in a slot, zero for none.
func (p *shard) lastDelivery(s slot) uint32 {
	switch {
	case s.isOverflow():
		if b := p.overflow(s); b.deliveries() > 0 {
			return b.delivery(b.deliveries() - 1).at
		}
	case s[1]&delivered != 0:
		return p.deliveryOf(s).at
	}
	return 0
}

// load reads the history of the user in a slot.
func (p *shard) load(s slot, h *history) {
	h.reset()
	switch {
	case s.isOverflow():
		b := p.overflow(s)
		for i := range b.deliveries() {
			h.deliveries = append(h.deliveries, b.delivery(i))
		}
		for i := range b.inbounds() {
			h.inbounds = append(h.inbounds, b.inbound(i))
		}
	case s.inline():
		if s[1]&delivered != 0 {
			h.deliveries = append(h.deliveries, p.deliveryOf(s))
		}
		if s[1]&received != 0 {
			h.inbounds = append(h.inbounds, p.inboundOf(s))
		}
	}
}

// store returns the slot of a history. It reuses the overflow history of the user's old slot where that is large enough.
func (p *shard) store(was slot, h *history, counted, opened uint32) slot {
	if fitsSlot(h.deliveries, h.inbounds) {
		p.free(was)
		s := newSlot(was.rank(), 0)
		if len(h.deliveries) == 1 {
			s = s.withDelivery(h.deliveries[0])
		}
		if len(h.inbounds) == 1 {
			s = s.withInbound(h.inbounds[0])
		}
		return s
	}
	need := overflowWords(len(h.deliveries), len(h.inbounds))
	if was.isOverflow() && len(p.overflow(was)) >= need {
		p.content -= p.overflow(was).used()
	} else {
		p.free(was)
		was = overflowSlot(was.rank(), p.allocate(withSlack(need)))
	}
	p.content += need
	b := p.overflow(was)
	b.fill(h)
	b[overflowCounted], b[overflowOpened] = counted, opened
	return was
}

// view returns the history of the user in a slot as an overflow history: the user's own, or one made in the given memory, without
// slack.
func (p *shard) view(is slot, in overflow, w windowLengths) overflow {
	if is.isOverflow() {
		return p.overflow(is)
	}
	var inbounds []uint32
	if is[1]&received != 0 {
		in.pushInbound(p.inboundOf(is))
		inbounds = in[len(in)-1:]
	}
	if is[1]&delivered != 0 {
		d := p.deliveryOf(is)
		in.pushDelivery(d)
		if !d.reply && w.outside(inbounds, d.at) {
			in[overflowCounted], in[overflowOpened] = d.at, d.at
		}
	}
	return in
}

// widen returns the overflow history of a slot, made or moved to where there is room for more words, which the caller adds. It has the
// content that view returned.
func (p *shard) widen(i int, was overflow, more int) overflow {
	is := p.slots[i]
	need := was.used() + more
	if is.isOverflow() && need <= len(was) {
		p.content += more
		return was
	}
	p.free(is)
	p.content += need
	p.slots[i] = overflowSlot(is.rank(), p.allocate(withSlack(need)))
	p.overflow(p.slots[i]).copy(was)
	p.maybeCompact()
	return p.overflow(p.slots[i])
}

// shouldSplit reports whether a shard has reached the size at which it is split. That follows from what it knows: a machine that is
// restored has no slack, and is to split at the same record.
func (p *shard) shouldSplit() bool {
	return p.depth < mostDepth && p.used > 1 && (capacityFor(p.used) > shardSlots || p.content > shardWords)
}

// touch is called before a shard changes. A snapshot under way that has not written the shard yet saves it first.
func (p *shard) touch() {
	if p.capture != nil {
		p.capture.save(p)
	}
	p.dirty = true
}

// start and end delimit the keys of the shard: [start, end).
func (p *shard) start() key { return p.prefix << (keyBits - p.depth) }
func (p *shard) end() key   { return (p.prefix + 1) << (keyBits - p.depth) }

// name names a shard in errors: its depth and the bits that its keys share.
func (p *shard) name() string { return fmt.Sprintf("%d/%0*b", p.depth, p.depth, uint64(p.prefix)) }
