package counts

import "time"

// heard is when anything happened between a number and its users: the last time, and the hours of ten days before it in which
// something did.
type heard struct {
	last  uint32    // Unix seconds, zero for never
	hours [4]uint64 // bit n, from the lowest on: something happened in the nth hour before that of last
}

// heardHours is how many hours are remembered, the last one among them.
const heardHours = 4 * 64

// add notes that something happened.
func (h *heard) add(at uint32) {
	hour, last := at/3600, h.last/3600
	if hour > last {
		h.shift(hour - last)
		last = hour
	}
	h.last = max(h.last, at)
	if before := last - hour; before < heardHours {
		h.hours[before/64] |= 1 << (before % 64)
	}
}

// join adds what another remembers.
func (h *heard) join(o *heard) {
	for before := range uint32(heardHours) {
		if o.hours[before/64]>>(before%64)&1 == 1 {
			h.add((o.last/3600 - before) * 3600)
		}
	}
	if o.last > 0 {
		h.add(o.last)
	}
}

// shift makes every hour that many hours older.
func (h *heard) shift(hours uint32) {
	was := h.hours
	h.hours = [4]uint64{}
	words, bits := int(min(hours, heardHours)/64), hours%64
	for i := words; i < len(h.hours); i++ {
		h.hours[i] = was[i-words] << bits
		if i > words && bits > 0 {
			h.hours[i] |= was[i-words-1] >> (64 - bits)
		}
	}
}

// days is on how many days in a row something happened: of the days of 24 hours that end with the hour of last, one before the
// other. At most ten.
func (h *heard) days() int {
	if h.last == 0 {
		return 0
	}
	days := 0
	for ; 24*(days+1) <= heardHours; days++ {
		heard := false
		for hour := 24 * days; hour < 24*(days+1); hour++ {
			heard = heard || h.hours[hour/64]>>(hour%64)&1 == 1
		}
		if !heard {
			break
		}
	}
	return days
}

// Heard implements Ledger. It follows from the entries that are kept, and from those that were appended again since the start.
func (e *Embedded) Heard(number string) (last time.Time, days int) {
	s := e.scope(number)
	if s == nil {
		return time.Time{}, 0
	}
	s.rlock()
	defer s.runlock()
	if s.heard.last == 0 {
		return time.Time{}, 0
	}
	return instant(s.heard.last), s.heard.days()
}

// Deliveries implements Ledger. It looks at every user of the number, some thousands at a time, so that no append waits for long.
func (e *Embedded) Deliveries(number string, from, to time.Time) int64 {
	s := e.scope(number)
	if s == nil {
		return 0
	}
	var n int64
	for next := key(0); next <= keyMask; {
		s.rlock()
		if s.parts == nil {
			s.runlock()
			return 0
		}
		p := s.part(next)
		n += p.deliveriesWithin(from.Unix(), to.Unix())
		next = (p.prefix + 1) << (keyBits - p.depth) // where the next part begins, be it that this one is split meanwhile
		s.runlock()
	}
	return n
}

// deliveriesWithin is how many deliveries to the part's users lie in (from, to].
func (p *part) deliveriesWithin(from, to int64) (n int64) {
	within := func(at uint32) bool { return int64(at) > from && int64(at) <= to }
	for _, is := range p.slots {
		switch {
		case is.isBlock():
			b := p.block(is)
			for i := range b.deliveries() {
				if d := b.delivery(i); !d.awaited && within(d.at) {
					n++
				}
			}
		case is[1]&delivered != 0 && is.inline() && within(p.deliveryOf(is).at):
			n++
		}
	}
	return n
}
