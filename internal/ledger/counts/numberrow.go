package counts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
	"numberfleet.dev/numberfleet/internal/report"
)

// numberVersion is the version of a number's own row. Version 1 tells when parts were saved, but not of activity, and ends where nothing
// more is known.
const numberVersion = 2

// encode is the number's own row: all but its parts, which it names.
func (s *scope) encode() []byte {
	row := binary.AppendVarint([]byte{numberVersion}, s.horizon)
	row = appendWindows(row, s.windows)
	row = binary.AppendUvarint(row, uint64(s.sequence))
	row = binary.AppendUvarint(row, uint64(len(s.reports)))
	for _, r := range s.reports {
		row = binary.AppendUvarint(row, uint64(r.Sequence))
		row = appendReport(row, r)
	}
	parts := s.users.all()
	row = binary.AppendUvarint(row, uint64(len(parts)))
	for _, p := range parts {
		row = binary.AppendUvarint(append(row, p.depth), uint64(p.prefix))
	}
	row = s.heard.encode(row)
	row = binary.AppendUvarint(row, uint64(len(s.complaints)))
	for _, user := range slices.Sorted(maps.Keys(s.complaints)) {
		row = binary.AppendUvarint(row, uint64(user))
		row = binary.AppendUvarint(row, uint64(len(s.complaints[user])))
		for _, c := range s.complaints[user] {
			row = binary.LittleEndian.AppendUint32(row, c.at)
			row = binary.LittleEndian.AppendUint32(row, c.print)
		}
	}
	row = binary.AppendUvarint(row, uint64(len(s.joined)))
	for _, user := range slices.Sorted(maps.Keys(s.joined)) {
		row = binary.AppendUvarint(row, uint64(user))
		row = binary.LittleEndian.AppendUint32(row, s.joined[user])
	}
	return codec.Seal(s.chats.encode(row))
}

// decode reads the number's own row. It makes the parts without their content, which Restore reads.
func (s *scope) decode(row []byte) error {
	r := unseal(row, numberVersion)
	s.horizon = r.Varint()
	s.windows = newLengths(r.windows())
	s.sequence = int64(r.Uvarint())
	var before int64
	for range r.Count(5) {
		sequence := int64(r.Uvarint())
		said := r.report()
		said.Subject, said.Sequence = report.ParseSubject(s.number), sequence
		if r.Err() == nil && (sequence <= before || sequence > s.sequence) {
			r.Fail(fmt.Errorf("a report has sequence %d after %d of %d", sequence, before, s.sequence))
		}
		before = sequence
		s.reports = append(s.reports, said)
	}
	s.decodeParts(r)
	if r.Version > 1 {
		s.heard.decode(r)
	}
	s.decodeComplaints(r)
	s.decodeJoined(r)
	s.chats.decode(r)
	if len(s.users.parts) == 0 && len(s.complaints)+len(s.joined)+len(s.chats.sent) > 0 {
		r.Fail(errors.New("it knows users and has no parts"))
	}
	return r.End()
}

// decodeParts reads which parts there are. They must share out all keys: each begins where the one before it ends.
func (s *scope) decodeParts(r *reader) {
	var parts []*part
	var end key
	for range r.Count(2) {
		p := &part{depth: r.Byte(), prefix: key(r.Uvarint())}
		if r.Version == 1 {
			r.Uvarint() // when the part was saved
		}
		if r.Err() != nil || p.depth > mostDepth || p.prefix>>p.depth != 0 || p.start() != end {
			r.Fail(errors.New("its parts do not share out the keys"))
			return
		}
		end = p.end()
		s.users.depth = max(s.users.depth, p.depth)
		parts = append(parts, p)
	}
	if len(parts) > 0 && end != 1<<keyBits {
		r.Fail(errors.New("its parts do not share out the keys"))
		return
	}
	for _, p := range parts {
		for range 1 << (s.users.depth - p.depth) {
			s.users.parts = append(s.users.parts, p)
		}
	}
}

// decodeComplaints and decodeJoined read the end of the number's own row, which version 1 leaves out where there are none.
func (s *scope) decodeComplaints(r *reader) {
	if r.ended() {
		return
	}
	n := r.Count(10)
	s.complaints = make(map[key][]delivery, n)
	var before key
	for range n {
		user := key(r.Uvarint())
		complaints := make([]delivery, r.Count(8))
		for i := range complaints {
			c := delivery{at: r.Uint32(), print: r.Uint32()}
			valid := Complaint(c.print>>complaintShift).valid() && c.print < 1<<complaintBits
			if !valid || i > 0 && complaints[i-1].compare(c) >= 0 {
				r.Fail(errComplaints)
			}
			complaints[i] = c
		}
		if user <= before || user > keyMask || len(complaints) == 0 {
			r.Fail(errComplaints)
		}
		if r.Err() != nil {
			return
		}
		before = user
		s.complaints[user] = complaints
	}
}

func (s *scope) decodeJoined(r *reader) {
	if r.ended() {
		return
	}
	n := r.Count(5)
	s.joined = make(map[key]uint32, n)
	var before key
	for range n {
		user, at := key(r.Uvarint()), r.Uint32()
		if user <= before || user > keyMask || at == 0 {
			r.Fail(errors.New("its joined users are impossible"))
		}
		if r.Err() != nil {
			return
		}
		before = user
		s.joined[user] = at
	}
}

var errComplaints = errors.New("its complaints are impossible")
