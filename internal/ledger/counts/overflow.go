package counts

// overflow is the history of a user that does not fit into a slot: a header, then deliveries in order of time from the front,
// each a time and a word, and times of inbounds in order from the back. The words between them are slack.
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

// withSlack returns the size to allocate for so many words: half as much again as the content.
func withSlack(words int) int      { return words + (words-overflowHeader)/2 }
func (b overflow) deliveries() int { return int(b[overflowDeliveries]) }
func (b overflow) inbounds() int   { return int(b[overflowInbounds]) }
func (b overflow) used() int       { return overflowWords(b.deliveries(), b.inbounds()) }

// The word of a delivery is its fingerprint and flags above it.
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

// copy copies the content of another overflow history.
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

// find returns what is known about a message.
func (b overflow) find(print uint32) (delivery, bool) {
	for i := b.deliveries() - 1; i >= 0; i-- {
		if b[overflowHeader+2*i+1]&fingerprintMask == print {
			return b.delivery(i), true
		}
	}
	return delivery{}, false
}

// lastInbound returns the last inbound at or before a time, 0 for none.
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

// pageFrom returns the page of a slot's overflow history, from that on.
func (p *shard) pageFrom(s slot) overflow {
	at := s.overflowPlace()
	return p.arena[at/pageWords][at%pageWords:]
}

// allocate allocates an empty overflow history. One that is longer than a page has a page of its own. While an eighth of the
// arena is less than a page, the last page begins smaller and is copied when it grows.
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

// free releases the overflow history of a slot, if it has one.
func (p *shard) free(s slot) {
	if s.isOverflow() {
		b := p.overflow(s)
		p.garbage += len(b)
		p.content -= b.used()
	}
}

// maybeCompact compacts the arena when more than a third of it is garbage.
func (p *shard) maybeCompact() {
	if p.garbage > p.words/3 {
		p.compact()
	}
}

// compact copies the overflow histories in use into a new arena.
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
