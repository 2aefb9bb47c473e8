package reconciler

import (
	"hash/fnv"
	"strconv"
	"time"
)

// jitterShare is how late within a period an account may be read, as a part of the period.
const jitterShare = 10

// InstantAfter is the first of an account's instants after a time. There is one in each period, at the same place but for a
// jitter of up to a tenth of the period. Place and jitter follow from the account's id and the time alone: accounts are
// spread over the period, and a restart moves no instant, so that an operator that starts over and over calls Meta no more
// often than one that runs.
func InstantAfter(account string, period time.Duration, after time.Time) time.Time {
	place := time.Duration(hash(account) % uint64(period))
	// The one in the period before may lie after it as well, by its jitter.
	for n := (after.UnixNano()-int64(place))/int64(period) - 1; ; n++ {
		jitter := time.Duration(hash(account+"/"+strconv.FormatInt(n, 10)) % uint64(period/jitterShare))
		if at := time.Unix(0, n*int64(period)).Add(place + jitter).UTC(); at.After(after) {
			return at
		}
	}
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // never fails
	// FNV leaves what differs at the end of a string in the low bits; these spread it over all of them.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x
}
