package counts

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/dchest/siphash"
)

// Hasher turns identities into keys, so that none is kept in the clear. Whoever lacks its secret can neither tell whose
// a key is nor make identities that collide. It is safe for concurrent use.
type Hasher struct {
	user, message, chat, key, fingerprint [2]uint64
}

// NewHasher makes the hasher of a secret. Keys are comparable only under the same secret.
func NewHasher(secret [16]byte) Hasher {
	derive := func(purpose string) (k [2]uint64) {
		k[0], k[1] = siphash.Hash128(binary.LittleEndian.Uint64(secret[:8]), binary.LittleEndian.Uint64(secret[8:]), []byte(purpose))
		return k
	}
	return Hasher{user: derive("user"), message: derive("message"), chat: derive("chat"), key: derive("key"), fingerprint: derive("fingerprint")}
}

// User is the key of a user's phone number or business-scoped id. It is never zero.
func (h Hasher) User(id string) UserKey { return UserKey(hash(h.user, id)) }

// Message is the key of a message id. It is never zero.
func (h Hasher) Message(id string) MessageKey { return MessageKey(hash(h.message, id)) }

// Chat is the key of a portfolio of users. It is never zero.
func (h Hasher) Chat(id string) ChatKey { return ChatKey(hash(h.chat, id)) }

// Key is that of an idempotency key of a caller for a number, or a pool, and a user. With another user the same key is another one, so that a caller
// who repeats it by mistake is granted nothing that is not held. It is never zero.
func (h Hasher) Key(caller, idempotency, sender string, user UserKey) uint64 {
	return hash(h.key, strings.Join([]string{caller, idempotency, sender, strconv.FormatUint(uint64(user), 16)}, "\x00"))
}

// Fingerprint tells secrets apart, in 32 hexadecimal digits, and gives none away.
func (h Hasher) Fingerprint() string {
	return fmt.Sprintf("%016x%016x", h.fingerprint[0], h.fingerprint[1])
}

func hash(k [2]uint64, id string) uint64 {
	var room [128]byte // ids are shorter, and take no memory
	return max(1, siphash.Hash(k[0], k[1], append(room[:0], id...)))
}
