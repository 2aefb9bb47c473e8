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

// numberVersion is the version of a number's own row. Version 2 has no sender. Version 1 has a generation for each shard and no activity, and leaves out
// the lists at its end that are empty.
const numberVersion = 3

// encode returns the number's own row: all but the content of its shards.
func (s *numberState) encode() []byte {
	row := binary.AppendVarint([]byte{numberVersion}, s.horizon)
	row = appendWindows(row, s.windows)
	row = binary.AppendUvarint(row, uint64(s.sequence))
	row = binary.AppendUvarint(row, uint64(len(s.reports)))
	for _, r := range s.reports {
		row = binary.AppendUvarint(row, uint64(r.Sequence))
		row = appendReport(row, r)
	}
	row = s.users.appendShards(row)
	row = s.activity.encode(row)
	row = binary.AppendUvarint(row, uint64(len(s.complaints)))
	for _, user := range slices.Sorted(maps.Keys(s.complaints)) {
		row = binary.AppendUvarint(row, uint64(user))
		row = binary.AppendUvarint(row, uint64(len(s.complaints[user])))
		for _, c := range s.complaints[user] {
			row = binary.LittleEndian.AppendUint32(row, c.at)
			row = binary.LittleEndian.AppendUint32(row, c.fingerprint)
		}
	}
	row = binary.AppendUvarint(row, uint64(len(s.linked)))
	for _, user := range slices.Sorted(maps.Keys(s.linked)) {
		row = binary.AppendUvarint(row, uint64(user))
		row = binary.LittleEndian.AppendUint32(row, s.linked[user])
	}
	row = s.chats.encode(row)
	if s.sender == nil {
		return codec.Seal(append(row, 0))
	}
	return codec.Seal(s.sender.appendRow(append(row, 1)))
}

// decode reads the number's own row. The shards are read by Restore.
func (s *numberState) decode(row []byte) error {
	r := unseal(row, numberVersion)
	s.horizon = r.Varint()
	s.windows = newWindowLengths(r.windows())
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
	s.users.decodeShards(r, r.Version == 1)
	if r.Version > 1 {
		s.activity.decode(r)
	}
	s.decodeComplaints(r)
	s.decodeLinked(r)
	s.chats.decode(r)
	if r.Version > 2 && r.Byte() == 1 {
		s.sender = new(r.senderSetting())
	}
	if len(s.users.shards) == 0 && len(s.complaints)+len(s.linked)+len(s.chats.sent) > 0 {
		r.Fail(errors.New("it knows users and has no parts"))
	}
	return r.End()
}

// decodeComplaints and decodeLinked read the lists at the end of the row, which version 1 leaves out where they are empty.
func (s *numberState) decodeComplaints(r *reader) {
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
			c := delivery{at: r.Uint32(), fingerprint: r.Uint32()}
			valid := Complaint(c.fingerprint>>complaintShift).valid() && c.fingerprint < 1<<complaintBits
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

func (s *numberState) decodeLinked(r *reader) {
	if r.ended() {
		return
	}
	n := r.Count(5)
	s.linked = make(map[key]uint32, n)
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
		s.linked[user] = at
	}
}

var errComplaints = errors.New("its complaints are impossible")
