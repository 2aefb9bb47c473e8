package counts

import (
	"encoding/binary"
	"errors"
	"slices"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
)

var (
	errPlaces       = errors.New("its places are impossible")
	errReservations = errors.New("its reservations are impossible")
)

// reservationStates are the states of reservations that are known, as they are stored.
var reservationStates = [...]ReservationState{Held, Free, Confirmed, Ended}

// Flags of a reservation in a row.
const (
	flagGrantedFree = 1 << 4 // above the state
	flagShadowed    = 1 << 5
	flagConfirmed   = 1 << 6
	flagHolds       = 1 << 7
	stateMask       = flagGrantedFree - 1
)

// leastReservation is the size of the smallest reservation in a row.
const leastReservation = 29

// encode is the row of a limit: its setting, its places, and the reservations of the numbers whose messages fall under it.
func (l *limit) encode(reservations []*reservation) []byte {
	row := []byte{limitVersion, flag(l.isSet(), 1)}
	if l.isSet() {
		row = l.setting.appendRow(row)
	}
	places := l.placesByUser()
	row = binary.AppendUvarint(row, uint64(len(places)))
	for _, p := range places {
		row = codec.AppendString(binary.AppendUvarint(row, uint64(p.user)), p.number.number)
		row = binary.AppendUvarint(append(row, byte(p.category)), uint64(p.until))
		row = binary.AppendUvarint(row, uint64(len(p.failed)))
		for _, message := range p.failed {
			row = binary.LittleEndian.AppendUint32(row, message)
		}
	}
	row = binary.AppendUvarint(row, uint64(len(reservations)))
	for _, r := range reservations {
		row = r.appendRow(row)
	}
	return codec.Seal(row)
}

func (r *reservation) appendRow(row []byte) []byte {
	state := byte(slices.Index(reservationStates[:], r.state)) | flag(r.granted == Free, flagGrantedFree) | flag(r.shadow, flagShadowed) |
		flag(r.confirmed, flagConfirmed) | flag(r.place != nil, flagHolds)
	row = append(append(row, state), r.id[:]...)
	row = binary.AppendUvarint(codec.AppendString(row, r.number.number), uint64(r.user))
	if r.place != nil {
		row = binary.AppendUvarint(row, uint64(r.place.user))
	}
	row = codec.AppendString(binary.AppendUvarint(row, r.key), r.why)
	row = binary.LittleEndian.AppendUint32(row, r.message)
	for _, at := range [...]int64{r.created, r.expires, r.next} {
		row = binary.AppendUvarint(row, uint64(at))
	}
	return row
}

// restoreLimit reads the row of a limit. Numbers and portfolios are there.
func (m *Machine) restoreLimit(subject string, row []byte) error {
	r := unseal(row, limitVersion)
	l := m.ensureLimit(subject)
	l.dirty = false
	if r.Byte() == 1 {
		l.setting = r.limitSetting()
		if problem := l.setting.invalid(); r.Err() == nil && problem != "" {
			r.Fail(errors.New("its setting is impossible: " + problem))
		}
	}
	if r.Err() == nil {
		l.recount()
	}
	for range r.Count(5) {
		user, number := key(r.Uvarint()), m.numbers[r.String()]
		category, until := Category(r.Byte()), int64(r.Uvarint())
		failed := make([]uint32, r.Count(4))
		for i := range failed {
			failed[i] = r.Uint32()
		}
		if number == nil || user == 0 || user > keyMask || until < 0 || !category.valid() || l.places[user] != nil {
			r.Fail(errPlaces)
		}
		if r.Err() != nil {
			return r.End()
		}
		l.take(user, number, category, until).failed = failed
	}
	for range r.Count(leastReservation) {
		if m.restoreReservation(l, r); r.Err() != nil {
			return r.End()
		}
	}
	for _, p := range l.places {
		if len(p.holds) == 0 && p.until == 0 {
			r.Fail(errPlaces)
		}
	}
	l.dirty = false
	return r.End()
}

func (m *Machine) restoreReservation(l *limit, in *reader) {
	flags := in.Byte()
	r := &reservation{granted: Held, shadow: flags&flagShadowed != 0, confirmed: flags&flagConfirmed != 0}
	if flags&flagGrantedFree != 0 {
		r.granted = Free
	}
	copy(r.id[:], in.Bytes(uint64(len(r.id))))
	r.number, r.user = m.numbers[in.String()], key(in.Uvarint())
	var p *place
	if flags&flagHolds != 0 {
		p = l.places[key(in.Uvarint())]
	}
	r.key, r.why = in.Uvarint(), in.String()
	r.message = in.Uint32()
	r.created, r.expires, r.next = int64(in.Uvarint()), int64(in.Uvarint()), int64(in.Uvarint())
	if in.Version < 3 {
		r.created, r.expires, r.next = 1000*r.created, 1000*r.expires, 1000*r.next
	}
	state := int(flags & stateMask)
	if state >= len(reservationStates) || r.number == nil || r.user == 0 || r.user > keyMask || flags&flagHolds != 0 && p == nil ||
		r.id == (ReservationID{}) || m.gate.reservations.byID[r.id] != nil {
		in.Fail(errReservations)
	}
	if in.Err() != nil {
		return
	}
	r.state = reservationStates[state]
	m.gate.reservations.add(r)
	if p != nil {
		l.hold(p, r)
	}
}
