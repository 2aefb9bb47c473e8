package simulate

import (
	"github.com/dchest/siphash"

	"numberfleet.dev/numberfleet/internal/cloudevents"
)

// seen knows the events that were there before, by a hash of source and id: 16 bytes for each, and the room to grow.
type seen struct {
	slots   [][2]uint64 // a power of two of them; zero where free. Each is in the first free place from its own on
	used    int
	scratch []byte
}

// add remembers an event and says whether it is new.
func (s *seen) add(e *cloudevents.Event) bool {
	s.scratch = append(append(append(s.scratch[:0], e.Source...), 0), e.ID...)
	var id [2]uint64
	id[0], id[1] = siphash.Hash128(0, 0, s.scratch)
	id[1] |= 1 // never zero
	if 4*(s.used+1) > 3*len(s.slots) {
		s.grow()
	}
	i, found := s.find(id)
	if !found {
		s.slots[i] = id
		s.used++
	}
	return !found
}

// find is the place of an id, or the free one that it would take.
func (s *seen) find(id [2]uint64) (place int, found bool) {
	mask := len(s.slots) - 1
	for i := int(id[0] & uint64(mask)); ; i = (i + 1) & mask {
		switch s.slots[i] {
		case id:
			return i, true
		case [2]uint64{}:
			return i, false
		}
	}
}

func (s *seen) grow() {
	before := s.slots
	s.slots = make([][2]uint64, max(1024, 2*len(before)))
	for _, id := range before {
		if id != ([2]uint64{}) {
			i, _ := s.find(id)
			s.slots[i] = id
		}
	}
}
