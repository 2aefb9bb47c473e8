package counts

// key identifies a user within a number: the top bits of the scattered UserKey. Of a million users of one number, two share a key
// with a probability of 1 in 2,000.
type key uint64

const keyBits = 50

// newKey scatters a UserKey, so that keys are spread evenly. It is zero for no user only.
func newKey(user UserKey) key {
	if user == 0 {
		return 0
	}
	return max(1, key(scatter(uint64(user))>>(64-keyBits)))
}

// newFingerprint returns the fingerprint by which a message is identified among those of its user.
func newFingerprint(message MessageKey) uint32 {
	return uint32(scatter(uint64(message)) >> (64 - fingerprintBits))
}

// scatter is the finalizer of MurmurHash3. It maps no two values to one.
func scatter(x uint64) uint64 {
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// rank is the order of keys in a shard. It differs from the order of keys on purpose: keys that come in their own order, as from
// another table or from disk, would crowd at one end of a growing table.
type rank uint64

const (
	rankFactor  = 0x9e3779b97f4a7c15
	rankInverse = 0xf1de83e19937733d // rankFactor * rankInverse = 1 modulo 2^64
	keyMask     = 1<<keyBits - 1
)

func (k key) rank() rank { return rank(uint64(k) * rankFactor & keyMask) }
func (r rank) key() key  { return key(uint64(r) * rankInverse & keyMask) }
