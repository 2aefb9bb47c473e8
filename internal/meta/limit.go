package meta

import (
	"math"
	"strconv"
	"strings"
)

// Unlimited is the value of a limit report that says there is no limit.
const Unlimited = "Unlimited"

const maxLimitLength = 32 // of a limit as Meta writes it, in bytes

// ParseLimit reads a messaging limit as Meta writes it, in distinct users per 24 hours: TIER_250, TIER_2K, TIER_UNLIMITED,
// UNLIMITED, 2000, -1. It is the limit's digits, or Unlimited, or empty where none is set. False means that it was not
// understood; then it is as it came, or empty if that is no word of at most 32 characters.
func ParseLimit(written string) (limit string, known bool) {
	limit, ok := parseLimit(written)
	switch {
	case !ok:
		return "", false
	case limit == "" || limit == Unlimited:
		return limit, true
	}
	for i := range len(limit) {
		if !digit(limit[i]) {
			return limit, false
		}
	}
	return limit, true
}

// parseLimit reads a messaging limit as Meta writes it in a string: TIER_250, TIER_2K, TIER_UNLIMITED, UNLIMITED, 2000, -1.
// It is empty for TIER_NOT_SET, and what it does not understand stays as it came. False means that it is neither.
func parseLimit(written string) (limit string, ok bool) {
	tier, isTier := strings.CutPrefix(written, "TIER_")
	switch {
	case len(written) > maxLimitLength:
		return "", false
	case tier == "UNLIMITED" || written == "-1":
		return Unlimited, true
	case written == "" || written == "TIER_NOT_SET":
		return "", true
	}
	factor := int64(1)
	if isTier {
		switch tier[max(len(tier)-1, 0):] {
		case "K":
			factor, tier = 1_000, tier[:len(tier)-1]
		case "M":
			factor, tier = 1_000_000, tier[:len(tier)-1]
		}
	}
	if n, err := strconv.ParseUint(tier, 10, 32); err == nil {
		return limitDigits(int64(n) * factor)
	}
	return strings.Clone(written), printable(written)
}

// limitDigits is a limit given as a number; -1 is Meta's way to write that there is none.
func limitDigits(n int64) (limit string, ok bool) {
	switch {
	case n == -1:
		return Unlimited, true
	case n < 1 || n > math.MaxInt32:
		return "", false
	default:
		return strconv.FormatInt(n, 10), true
	}
}
