package counts

import (
	"fmt"
	"math/bits"
	"slices"
)

// key is who a user is within a number: the top bits of the scattered UserKey. Of a million users of one number, two
// share a key with a probability of 1 in 2,000.
type key uint64

const keyBits = 50

// newKey scatters, so that keys are spread evenly whatever the UserKeys are. It is zero for no user only.
func newKey(user UserKey) key {
	if user == 0 {
		return 0
	}
	return max(1, key(scatter(uint64(user))>>(64-keyBits)))
}

// newPrint is the fingerprint by which a message is known among those of its user.
func newFingerprint(message MessageKey) uint32 {
	return uint32(scatter(uint64(message)) >> (64 - fingerprintBits))
}

// scatter is the finalizer of MurmurHash3. It maps no two values to one.
func scatter(x uint64) uint64 {
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// rank is the order of keys in a part, and so decides the slot. It is another order than that of the keys, for users can
// come in the order of their keys (from another table, from disk), and would then crowd at one end of a growing table.
type rank uint64

const (
	rankFactor  = 0x9e3779b97f4a7c15
	rankInverse = 0xf1de83e19937733d // rankFactor * rankInverse = 1 modulo 2^64
	keyMask     = 1<<keyBits - 1
)

func (k key) rank() rank { return rank(uint64(k) * rankFactor & keyMask) }
func (r rank) key() key  { return key(uint64(r) * rankInverse & keyMask) }

// slot is what is known about a key, in 16 bytes. The first word is the key's rank and the low bits of the fingerprint.
// The second word's lowest bits say what the slot is:
//
//	the whole word 0         nothing
//	01, 10, 11               a user: 15 bits of fingerprint, a bit saying that the delivery is a reply, 23 bits of delivery time, 23 of
//	                         inbound time, bits saying which of the two there is
//	0100                     a user with more than that: the place of their block in the arena above
//	1000                     another name of a user: their key in the top bits
//
// Times are seconds modulo 2^23; a part tells which (see part.time).
type slot [2]uint64

const (
	fingerprintBits = 29
	timeBits        = 23
	timeMask        = 1<<timeBits - 1
	lowFingerprint  = 1<<(64-keyBits) - 1

	replied     = 1 << 48
	delivered   = 1 << 0
	received    = 1 << 1
	overflowTag = 1 << 2
	aliasTag    = 2 << 2
	tagMask     = 1<<4 - 1
)

func (s slot) rank() rank            { return rank(s[0] >> (64 - keyBits)) }
func (s slot) empty() bool           { return s[1] == 0 }
func (s slot) inline() bool          { return s[1]&(delivered|received) != 0 }
func (s slot) isOverflow() bool      { return s[1]&tagMask == overflowTag }
func (s slot) isAlias() bool         { return s[1]&tagMask == aliasTag }
func (s slot) overflowPlace() uint32 { return uint32(s[1] >> 4) }
func (s slot) alias() key            { return key(s[1] >> (64 - keyBits)) }

func newSlot(r rank, rest uint64) slot { return slot{uint64(r) << (64 - keyBits), rest} }
func overflowSlot(r rank, place uint32) slot {
	return newSlot(r, uint64(place)<<4|overflowTag)
}
func aliasSlot(r rank, of key) slot {
	return newSlot(r, uint64(of)<<(64-keyBits)|aliasTag)
}

func (s slot) fingerprint() uint32 {
	return uint32(s[1]>>49)<<(64-keyBits) | uint32(s[0]&lowFingerprint)
}

func (s slot) withDelivery(d delivery) slot {
	s[0] |= uint64(d.fingerprint) & lowFingerprint
	s[1] |= uint64(d.fingerprint)>>(64-keyBits)<<49 | uint64(d.at&timeMask)<<25 | delivered
	if d.reply {
		s[1] |= replied
	}
	return s
}

func (s slot) withInbound(at uint32) slot {
	s[1] |= uint64(at&timeMask)<<2 | received
	return s
}

// A part holds the users of a number whose keys begin with the same bits. It is an open-addressed table without
// wrap-around, in which the slots in use are in the order of their ranks; looking for a key that is not there is as
// quick as for one that is, and copying to another size is one pass. Users go many at a time: see sweep.
//
// A part is small enough that copying, splitting or saving it takes well under a millisecond; that is the longest that
// anything waits for a table to grow.
type shard struct {
	depth   uint8 // how many leading bits the keys share
	prefix  key   // these bits, at the low end
	slots   []slot
	ideal   uint64 // slots that ranks are mapped to; those after them take what overflows
	used    int
	arena   [][]uint32 // blocks, see block, in pages: it grows by one more, and nothing is copied
	words   int        // of the blocks in the arena
	garbage int        // of these, what nothing refers to

	horizon int64 // Unix seconds; swept up to here, so no time in the part is earlier than base

	dirty   bool     // its row is not as the last snapshot that was kept has it
	capture *Capture // the snapshot under way that has still to save what is here
}

const (
	shardSlots = 16384   // slots at which a part is split
	shardWords = 1 << 19 // words of arena at which it is split
	pageWords  = 1 << 12 // words of a page of the arena
	mostDepth  = 20      // at which it is not split any more; no hash spreads keys so badly
	longest    = Kept    // the longest window that may be configured
)

func newShard(depth uint8, prefix key, horizon int64, used []slot) *shard {
	p := &shard{depth: depth, prefix: prefix, horizon: horizon, dirty: true}
	p.layOut(used, len(used), capacityFor(len(used)))
	return p
}

// roomy is how many slots to give to some users: filled to eight ninths. A table is given new room at 93 %. Probing stays
// short up there because the slots are in order.
func capacityFor(users int) int { return users + users/8 + 4 }

func (p *shard) full() bool { return uint64(p.used)*100 >= p.ideal*93 }

// place lays out slots that are in order of rank; empty ones are left out. The last slot stays free, so that one more user
// finds room to the right wherever they belong.
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

// home is where a rank's slot would be if no other were in the way.
func (p *shard) home(r rank) int {
	at, _ := bits.Mul64(uint64(r)<<(64-keyBits), p.ideal)
	return int(at)
}

// find is the slot of a rank, or the one before which it belongs.
func (p *shard) find(r rank) (int, bool) {
	i := p.home(r)
	for ; i < len(p.slots) && !p.slots[i].empty() && p.slots[i].rank() < r; i++ {
	}
	return i, i < len(p.slots) && !p.slots[i].empty() && p.slots[i].rank() == r
}

// holds says whether a key has a user's slot.
func (p *shard) holds(k key) bool {
	i, found := p.find(k.rank())
	return found && !p.slots[i].isAlias()
}

// insert puts a slot in the place that find gave; false if there is no room to the right.
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

// remove frees a slot. Those after it move up as far as they would be if it had never been.
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

// split makes two parts of one, by the next bit of the keys.
func (p *shard) split() (low, high *shard) {
	var side [2][]slot
	for i := range side {
		side[i] = make([]slot, 0, p.used/2+p.used/8)
	}
	shift := keyBits - 1 - p.depth
	for _, s := range p.slots {
		if !s.empty() {
			bit := s.rank().key() >> shift & 1
			side[bit] = append(side[bit], s)
		}
	}
	var halves [2]*shard
	for i := range halves {
		halves[i] = newShard(p.depth+1, p.prefix<<1|key(i), p.horizon, side[i])
		halves[i].arena = p.arena
		halves[i].compact()
	}
	return halves[0], halves[1]
}

// base is a time that everything in the part is later than, by less than 2^23 seconds (97 days): the longest windows
// reach back to it from the horizon. It resolves the times in slots.
func (p *shard) base() int64 { return p.horizon - int64(longest.Seconds()) - 1 }

// spans says whether a time can be held.
func (p *shard) spans(at uint32) bool { return int64(at)-p.base() <= timeMask }

func (p *shard) time(low uint64) uint32 {
	base := p.base()
	return uint32(base + (int64(low)-base)&timeMask)
}

func (p *shard) deliveryOf(s slot) delivery {
	return delivery{at: p.time(s[1] >> 25 & timeMask), fingerprint: s.fingerprint(), reply: s[1]&replied != 0}
}

func (p *shard) inboundOf(s slot) uint32 { return p.time(s[1] >> 2 & timeMask) }

// lastDelivery is the time of the last delivery to the user in a slot, zero for none.
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

// load reads what is known about the user in a slot.
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

// store is the slot for what is known about a user. It reuses the block of the slot that was theirs.
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
	if !was.isOverflow() || int(p.overflow(was)[overflowSize]) < need {
		p.free(was)
		was = overflowSlot(was.rank(), p.allocate(withSlack(need)))
	}
	b := p.overflow(was)
	b.fill(h)
	b[overflowCounted], b[overflowOpened] = counted, opened
	return was
}

// fitsSlot says whether a slot holds what is known about a user.
func fitsSlot(deliveries []delivery, inbounds []uint32) bool {
	return len(deliveries) <= 1 && len(inbounds) <= 1 && (len(deliveries) == 0 || !deliveries[0].awaited)
}

// view is what is known about the user in a slot as a block: theirs, or one without room in the given memory.
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

// widen is the block of the slot at an index, made or moved to where there is room for more words. It holds what view showed.
func (p *shard) widen(i int, was overflow, more int) overflow {
	is := p.slots[i]
	need := was.used() + more
	if is.isOverflow() && need <= len(was) {
		return was
	}
	p.free(is)
	p.slots[i] = overflowSlot(is.rank(), p.allocate(withSlack(need)))
	p.overflow(p.slots[i]).copy(was)
	p.maybeCompact()
	return p.overflow(p.slots[i])
}

// A block is the history of a user that does not fit a slot: a header, deliveries in order of time from the front, each
// a time and a word, and times of inbounds in order from the back. Between them is room for more.
type overflow []uint32

const (
	overflowSize       = iota // in words, with the header
	overflowDeliveries        // how many
	overflowInbounds          // how many
	overflowCounted           // the time of the last counted delivery, 0 for none
	overflowOpened            // when the last conversation was opened, 0 for none
	overflowHeader
)

func overflowWords(deliveries, inbounds int) int { return overflowHeader + 2*deliveries + inbounds }

// withRoom is the size to give to a block of so many words: half as much again as its content.
func withSlack(words int) int { return words + (words-overflowHeader)/2 }

func (b overflow) deliveries() int { return int(b[overflowDeliveries]) }
func (b overflow) inbounds() int   { return int(b[overflowInbounds]) }
func (b overflow) used() int       { return overflowWords(b.deliveries(), b.inbounds()) }

// The word of a delivery is its fingerprint, and bits above it that say what else is known.
const (
	fingerprintMask = 1<<fingerprintBits - 1
	awaitedBit      = 1 << 30
	repliedBit      = 1 << 31
)

func (d delivery) word() uint32 {
	word := d.fingerprint
	if d.awaited {
		word |= awaitedBit
	}
	if d.reply {
		word |= repliedBit
	}
	return word
}

func newDelivery(at, word uint32) delivery {
	return delivery{at: at, fingerprint: word & fingerprintMask, reply: word&repliedBit != 0, awaited: word&awaitedBit != 0}
}

func (b overflow) delivery(i int) delivery {
	return newDelivery(b[overflowHeader+2*i], b[overflowHeader+2*i+1])
}

func (b overflow) inbound(i int) uint32 { return b[len(b)-1-i] }

func (b overflow) fill(h *history) {
	b[overflowDeliveries], b[overflowInbounds] = 0, 0
	for _, d := range h.deliveries {
		b.pushDelivery(d)
	}
	for _, at := range h.inbounds {
		b.pushInbound(at)
	}
}

// copy fills the block with what another holds.
func (b overflow) copy(from overflow) {
	front := overflowHeader + 2*from.deliveries()
	copy(b[overflowDeliveries:], from[overflowDeliveries:front])
	copy(b[len(b)-from.inbounds():], from[len(from)-from.inbounds():])
}

func (b overflow) pushDelivery(d delivery) {
	i := overflowHeader + 2*b.deliveries()
	b[i], b[i+1] = d.at, d.word()
	b[overflowDeliveries]++
}

func (b overflow) pushInbound(at uint32) {
	b[len(b)-1-b.inbounds()] = at
	b[overflowInbounds]++
}

// knows is what is known about a message.
func (b overflow) find(print uint32) (delivery, bool) {
	for i := b.deliveries() - 1; i >= 0; i-- {
		if b[overflowHeader+2*i+1]&fingerprintMask == print {
			return b.delivery(i), true
		}
	}
	return delivery{}, false
}

// lastInbound is the last at or before a time, 0 for none.
func (b overflow) lastInbound(at uint32) uint32 {
	for i := b.inbounds() - 1; i >= 0; i-- {
		if in := b.inbound(i); in <= at {
			return in
		}
	}
	return 0
}

func (p *shard) overflow(s slot) overflow {
	from := p.pageFrom(s)
	return from[:from[overflowSize]]
}

// from is the page that a slot's block is in, from the block on.
func (p *shard) pageFrom(s slot) overflow {
	at := s.overflowPlace()
	return p.arena[at/pageWords][at%pageWords:]
}

// allocate makes a block without content. One that is longer than a page has a page to itself. While an eighth of the arena is
// less than a page, the last page begins smaller and is copied when it grows.
func (p *shard) allocate(words int) uint32 {
	last := len(p.arena) - 1
	if last < 0 || len(p.arena[last])+words > pageWords {
		p.arena = append(p.arena, nil)
		last++
	}
	page := p.arena[last]
	at := len(page)
	if need := at + words; need > cap(page) {
		page = append(make([]uint32, 0, max(need, min(need+p.words/8, pageWords))), page...)
	}
	page = page[:at+words]
	page[at+overflowSize] = uint32(words)
	p.arena[last] = page
	p.words += words
	return uint32(last*pageWords + at)
}

// free gives up the block of a slot, if it has one.
func (p *shard) free(s slot) {
	if s.isOverflow() {
		p.garbage += len(p.overflow(s))
	}
}

// tidy compacts the arena when more than a third of it is garbage.
func (p *shard) maybeCompact() {
	if p.garbage > p.words/3 {
		p.compact()
	}
}

// compact copies the blocks that slots refer to into an arena of their own.
func (p *shard) compact() {
	was := shard{arena: p.arena}
	p.arena, p.words, p.garbage = nil, 0, 0
	for i, s := range p.slots {
		if s.isOverflow() {
			b := was.overflow(s)
			p.slots[i] = overflowSlot(s.rank(), p.allocate(len(b)))
			copy(p.overflow(p.slots[i]), b)
		}
	}
}

// crowded says whether a part should rather be split than given more room.
func (p *shard) shouldSplit() bool {
	return p.depth < mostDepth && p.used > 1 && (capacityFor(p.used) > shardSlots || p.words-p.garbage > shardWords)
}

// touch is called before the part changes. What a snapshot under way has still to save is saved first.
func (p *shard) touch() {
	if p.capture != nil {
		p.capture.save(p)
	}
	p.dirty = true
}

// start and end are the first of the part's keys, and the first after them.
func (p *shard) start() key { return p.prefix << (keyBits - p.depth) }
func (p *shard) end() key   { return (p.prefix + 1) << (keyBits - p.depth) }

// name names a part in errors: its depth and the bits its keys share.
func (p *shard) name() string { return fmt.Sprintf("%d/%0*b", p.depth, p.depth, uint64(p.prefix)) }
