package counts

// slot is what is known about a key, in 16 bytes. The first word is the key's rank and the low bits of the fingerprint.
// The second word's lowest bits say what the slot is:
//
//	the whole word 0         nothing
//	01, 10, 11               a user: 15 bits of fingerprint, a flag for a reply, 23 bits of the time of a delivery, 23 of that of an inbound;
//	                         the lowest bits say which of the two there is
//	0100                     a user with more than that: above it the place of the overflow history in the arena
//	1000                     an alias: the key of the user in the top bits
//
// Times are seconds modulo 2^23; a shard tells which (see shard.time).
type slot [2]uint64

const (
	fingerprintBits = 29
	timeBits        = 23
	timeMask        = 1<<timeBits - 1
	lowFingerprint  = 1<<(64-keyBits) - 1

	replied     = 1 << 48
	delivered   = 1 << 0
	received    = 1 << 1
	overflowTag = 1 << 2
	aliasTag    = 2 << 2
	tagMask     = 1<<4 - 1
)

func (s slot) rank() rank              { return rank(s[0] >> (64 - keyBits)) }
func (s slot) empty() bool             { return s[1] == 0 }
func (s slot) inline() bool            { return s[1]&(delivered|received) != 0 }
func (s slot) isOverflow() bool        { return s[1]&tagMask == overflowTag }
func (s slot) isAlias() bool           { return s[1]&tagMask == aliasTag }
func (s slot) overflowPlace() uint32   { return uint32(s[1] >> 4) }
func (s slot) alias() key              { return key(s[1] >> (64 - keyBits)) }
func newSlot(r rank, rest uint64) slot { return slot{uint64(r) << (64 - keyBits), rest} }

func overflowSlot(r rank, place uint32) slot {
	return newSlot(r, uint64(place)<<4|overflowTag)
}

func aliasSlot(r rank, of key) slot {
	return newSlot(r, uint64(of)<<(64-keyBits)|aliasTag)
}

func (s slot) fingerprint() uint32 {
	return uint32(s[1]>>49)<<(64-keyBits) | uint32(s[0]&lowFingerprint)
}

func (s slot) withDelivery(d delivery) slot {
	s[0] |= uint64(d.fingerprint) & lowFingerprint
	s[1] |= uint64(d.fingerprint)>>(64-keyBits)<<49 | uint64(d.at&timeMask)<<25 | delivered
	if d.reply {
		s[1] |= replied
	}
	return s
}

func (s slot) withInbound(at uint32) slot {
	s[1] |= uint64(at&timeMask)<<2 | received
	return s
}

// fitsSlot reports whether a slot can hold a history.
func fitsSlot(deliveries []delivery, inbounds []uint32) bool {
	return len(deliveries) <= 1 && len(inbounds) <= 1 && (len(deliveries) == 0 || !deliveries[0].awaited)
}
