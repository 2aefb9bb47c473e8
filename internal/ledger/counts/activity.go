package counts

import "encoding/binary"

// activity is when anything happened between a number and its users: the last time, and in which of the 256 hours up to it.
type activity struct {
	last  uint32    // Unix seconds, zero for never
	hours [4]uint64 // bit n, from the lowest on: something happened in the nth hour before that of last
}

// activityHours is how many hours are remembered, the last one among them.
const activityHours = 4 * 64

// add notes that something happened. It reports whether that is new.
func (h *activity) add(at uint32) bool {
	was := *h
	hour, last := at/3600, h.last/3600
	if hour > last {
		h.age(hour - last)
		last = hour
	}
	h.last = max(h.last, at)
	if before := last - hour; before < activityHours {
		h.hours[before/64] |= 1 << (before % 64)
	}
	return *h != was
}

// join adds what another number has.
func (h *activity) join(o *activity) {
	for before := range uint32(activityHours) {
		if o.hours[before/64]>>(before%64)&1 == 1 {
			h.add((o.last/3600 - before) * 3600)
		}
	}
	if o.last > 0 {
		h.add(o.last)
	}
}

// age shifts all hours back.
func (h *activity) age(hours uint32) {
	was := h.hours
	h.hours = [4]uint64{}
	words, bits := int(min(hours, activityHours)/64), hours%64
	for i := words; i < len(h.hours); i++ {
		h.hours[i] = was[i-words] << bits
		if i > words && bits > 0 {
			h.hours[i] |= was[i-words-1] >> (64 - bits)
		}
	}
}

// days returns on how many of the periods of 24 hours that end with the last hour something happened without a gap, at most ten.
func (h *activity) days() int {
	if h.last == 0 {
		return 0
	}
	days := 0
	for ; 24*(days+1) <= activityHours; days++ {
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

// deliveriesWithin returns how many deliveries to the shard's users lie in (from, to].
func (p *shard) deliveriesWithin(from, to int64) (n int64) {
	within := func(at uint32) bool { return int64(at) > from && int64(at) <= to }
	for _, is := range p.slots {
		switch {
		case is.isOverflow():
			b := p.overflow(is)
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

func (h *activity) encode(row []byte) []byte {
	row = binary.LittleEndian.AppendUint32(row, h.last)
	for _, hours := range h.hours {
		row = binary.LittleEndian.AppendUint64(row, hours)
	}
	return row
}

func (h *activity) decode(r *reader) {
	h.last = r.Uint32()
	for i := range h.hours {
		h.hours[i] = r.Uint64()
	}
}
