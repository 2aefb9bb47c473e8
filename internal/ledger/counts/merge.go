package counts

import (
	"cmp"
	"maps"
	"slices"
)

// Merge adds what another machine knows of the same ledger. Both followed one log, until that lost some of its records, and perhaps got others
// in their place. Nothing is merged that could show more room than there is:
//
//	entries, reports, names    are sets: whatever either knows
//	reservations               each as it went furthest, see reservation.further: what only one knows is held as there
//	windows, portfolios, settings, owners    are the machine's own, for they follow from resources: the leader sets them anew
//
// A machine that knows but a part of what this one does changes nothing. Merge takes what the other one has, which is of no more use.
func (m *Machine) Merge(o *Machine) {
	m.advance(o.time)
	m.gate.mu.Lock()
	defer m.gate.mu.Unlock()
	for _, number := range o.sortedNumbers() {
		m.mergeNumber(o.numbers[number])
	}
	for _, id := range slices.Sorted(maps.Keys(o.displayed)) {
		if m.displayed[id] == "" {
			m.display(Display{id, o.displayed[id]}, nil)
		}
	}
	var limits []*limit
	for _, subject := range slices.Sorted(maps.Keys(m.gate.limits)) {
		limits = append(limits, m.gate.limits[subject])
	}
	m.regroup(limits, nil, nil) // what were two users may be one
	for _, theirs := range o.gate.reservations.inOrder() {
		m.mergeReservation(theirs)
	}
	for _, r := range m.gate.reservations.inOrder() {
		if r.isSettled() {
			m.end(r)
		}
	}
}

// mergeNumber takes what is known elsewhere of a number. A name that is another number's here stays that.
func (m *Machine) mergeNumber(from *numberState) {
	_, known := m.numbers[from.number]
	s := m.ensure(from.number)
	if !known {
		s.windows = from.windows
	}
	for _, name := range from.names {
		if was := m.numbers[name]; was == nil || was.number == name {
			m.bind(name, s)
		}
	}
	s.lock()
	defer s.unlock()
	s.absorb(from)
}

// mergeReservation takes a reservation of another machine, unless it is known here and went no further there.
func (m *Machine) mergeReservation(theirs *reservation) {
	if mine := m.gate.reservations.byID[theirs.id]; mine != nil {
		if theirs.further(mine) <= 0 {
			return
		}
		l := m.limitOf(mine.number)
		l.dirty = true
		l.letGo(mine)
		m.gate.reservations.forget(mine)
	}
	place := theirs.place
	theirs.number, theirs.place = m.ensure(theirs.number.number), nil
	m.gate.reservations.add(theirs)
	l := m.ensureLimit(theirs.number.limitSubject())
	l.dirty = true
	if place != nil {
		place.number = m.ensure(place.number.number)
		m.holdAt(l, theirs, place)
	}
}

// further says of two states of a reservation in which more is known to have become of it: positive for this one. What was sent counts more than
// that the hold ended, which time does where nobody knows that it was sent; and of two ends the later one.
func (r *reservation) further(o *reservation) int {
	return cmp.Or(
		compareBools(r.confirmed, o.confirmed),
		compareBools(r.state == Ended, o.state == Ended),
		cmp.Compare(r.next, o.next),
	)
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// Withdraw has nothing granted from any number until the leader sets anew what stands in its way: it may have set something that is lost.
func (m *Machine) Withdraw() {
	m.gate.mu.Lock()
	defer m.gate.mu.Unlock()
	var s Settings
	for _, number := range m.sortedNumbers() {
		if m.numbers[number].sender != nil {
			s.Senders = append(s.Senders, SenderSetting{Number: number, Removed: true})
		}
	}
	m.applySettings(&s, nil)
}
