package counts

import (
	"encoding/binary"
	"errors"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
)

// shardVersion is the version of a shard's row. In version 1 fingerprints have one more bit, the lowest, and no delivery is a reply.
const shardVersion = 2

// fromVersion1 is a slot of version 1.
func (s slot) fromVersion1() slot {
	if s[1]&delivered == 0 {
		return s
	}
	print := uint64(uint32(s[1]>>48)<<(64-keyBits)|uint32(s[0]&lowFingerprint)) >> 1
	s[0] = s[0]&^lowFingerprint | print&lowFingerprint
	s[1] = s[1]&(replied-1) | print>>(64-keyBits)<<49
	return s
}

// encode returns the row of a shard: its slots in use and their overflow histories, without what follows from these and the
// windows.
func (p *shard) encode() []byte {
	row := make([]byte, 0, 32+16*p.used+4*p.words+codec.ChecksumSize)
	row = binary.AppendVarint(append(row, shardVersion), p.horizon)
	row = binary.AppendUvarint(row, uint64(p.used))
	for _, s := range p.slots {
		if s.empty() {
			continue
		}
		if s.isOverflow() {
			s = overflowSlot(s.rank(), 0)
		}
		row = binary.LittleEndian.AppendUint64(row, s[0])
		row = binary.LittleEndian.AppendUint64(row, s[1])
	}
	for _, s := range p.slots {
		if !s.isOverflow() {
			continue
		}
		b := p.overflow(s)
		row = binary.AppendUvarint(row, uint64(b.deliveries()))
		row = binary.AppendUvarint(row, uint64(b.inbounds()))
		for _, word := range b[overflowHeader : overflowHeader+2*b.deliveries()] {
			row = binary.LittleEndian.AppendUint32(row, word)
		}
		for i := range b.inbounds() {
			row = binary.LittleEndian.AppendUint32(row, b.inbound(i))
		}
	}
	return codec.Seal(row)
}

var errShard = errors.New("what it says is impossible")

// decode reads the row of a shard, whose depth and prefix are known. In rings a key may lead to any other, else to a lesser one.
func (p *shard) decode(row []byte, rings bool) error {
	r := unseal(row, shardVersion)
	p.horizon = r.Varint()
	used := make([]slot, r.Count(16))
	for i := range used {
		s := slot{r.Uint64(), r.Uint64()}
		if r.Version < shardVersion && s.inline() {
			s = s.fromVersion1()
		}
		used[i] = s
		rightOrder := i == 0 || used[i-1].rank() < s.rank()
		rightPart := s.rank().key()>>(keyBits-p.depth) == p.prefix
		rightForm := s.inline() || s == overflowSlot(s.rank(), 0) ||
			s == aliasSlot(s.rank(), s.alias()) && (rings || s.alias() < s.rank().key())
		if r.Err() != nil || !rightOrder || !rightPart || !rightForm {
			r.Fail(errShard)
			return r.Err()
		}
	}
	base, end := p.base(), min(p.base()+timeMask, maxTime)
	for i, s := range used {
		if !s.isOverflow() {
			continue
		}
		deliveries, inbounds := r.Count(8), r.Count(4)
		if r.Err() != nil || 8*deliveries+4*inbounds > r.Left() {
			r.Fail(errShard)
			return r.Err()
		}
		words := overflowWords(deliveries, inbounds)
		used[i] = overflowSlot(s.rank(), p.allocate(words))
		p.content += words
		b := p.overflow(used[i])
		within := func(at, before uint32) {
			if int64(at) < base || int64(at) > end || at < before {
				r.Fail(errShard)
			}
		}
		var before uint32
		for range deliveries {
			at, word := r.Uint32(), r.Uint32()
			if r.Version < shardVersion {
				word >>= 1
			}
			d := newDelivery(at, word)
			if d.word() != word || d.awaited && !d.reply {
				r.Fail(errShard)
			}
			within(d.at, before)
			before = d.at
			b.pushDelivery(d)
		}
		before = 0
		for range inbounds {
			at := r.Uint32()
			within(at, before)
			before = at
			b.pushInbound(at)
		}
		if deliveries <= 1 && inbounds <= 1 && (deliveries == 0 || !b.delivery(0).awaited) {
			r.Fail(errShard) // a slot holds it
		}
	}
	if err := r.End(); err != nil {
		return err
	}
	p.layOut(used, len(used), capacityFor(len(used)))
	return nil
}
