package jetstream

import (
	"crypto/sha256"
	"encoding/binary"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
)

// prefix is all of a log up to a position. Two prefixes are equal if the same messages are in them, with the same times, in the same order.
type prefix struct {
	position uint64
	bytes    uint64 // of the rounds in it
	digest   [sha256.Size]byte
}

// and is the prefix with the message after it.
func (p prefix) and(m *message, round bool) prefix {
	h := sha256.New()
	var head [16]byte
	binary.LittleEndian.PutUint64(head[:8], m.sequence)
	binary.LittleEndian.PutUint64(head[8:], uint64(m.stamp))
	_, _ = h.Write(p.digest[:]) // a hash never fails
	_, _ = h.Write(head[:])
	_, _ = h.Write(m.data)
	next := prefix{position: m.sequence, bytes: p.bytes}
	if round {
		next.bytes += uint64(len(m.data))
	}
	h.Sum(next.digest[:0])
	return next
}

// appendTo appends a prefix to a row.
func (p prefix) appendTo(row []byte) []byte {
	row = binary.AppendUvarint(row, p.position)
	row = binary.AppendUvarint(row, p.bytes)
	return append(row, p.digest[:]...)
}

// readPrefix reads what appendTo appended.
func readPrefix(r *codec.Reader) prefix {
	p := prefix{position: r.Uvarint(), bytes: r.Uvarint()}
	copy(p.digest[:], r.Bytes(sha256.Size))
	return p
}

// remembered is how many prefixes a history has: those of some ten seconds of a busy log.
const remembered = 1 << 14

// history is what was read of a log: all of it, and all but its last messages.
type history struct {
	last   prefix
	recent [remembered]prefix // by position, modulo
}

func (h *history) add(p prefix) {
	h.last = p
	h.recent[p.position%remembered] = p
}

// at is the prefix up to a position, unless it is too long ago.
func (h *history) at(position uint64) (prefix, bool) {
	p := h.recent[position%remembered]
	return p, p.position == position
}
