// Package identity says who is meant: which phone number of the business, and which user. Meta, platforms and people write both in
// several ways.
package identity

import (
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"
)

const (
	maxNumberLength = 40      // of a display phone number as Meta writes it, in bytes
	maxNumbersKept  = 1 << 14 // entries in the cache of E164: more numbers than one operator runs

	leastDigits, mostDigits = 7, 15 // of a number in E.164
)

// E164 is the number in E.164 with the leading plus, read from the ways Meta writes it: "15550001111",
// "+1 555-000-1111", "+1 (555) 000-1111". It begins with the country code, with or without a plus.
//
// A number that no numbering plan knows is kept as its digits if E.164 allows them (7 to 15, the first not zero): test
// numbers are like that. False means that it is no phone number. The string is the caller's to keep.
func E164(display string) (string, bool) { return numbers.e164(display) }

// IsE164 says whether a number is in E.164 with the leading plus: 7 to 15 digits, the first not zero.
func IsE164(s string) bool { return len(s) > 0 && s[0] == '+' && isPhone(s[1:]) }

// isPhone says the same of the digits alone.
func isPhone(digits string) bool {
	return len(digits) >= leastDigits && len(digits) <= mostDigits && digits[0] != '0' && onlyDigits(digits)
}

// MaxMetaID is how many digits an id of Meta's may have: they have up to 17.
const MaxMetaID = 32

// IsMetaID says whether something has the form of an id that Meta gives to a number, an account, a portfolio or an app: digits.
func IsMetaID(s string) bool { return s != "" && len(s) <= MaxMetaID && onlyDigits(s) }

func onlyDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// SameLine says whether two numbers in E.164 may be one, written before and after a country gave its numbers more digits: Meta
// displays some numbers of Brazil without the ninth digit, and of the Ivory Coast with the eight digits of before 2021. Both end in
// the same eight digits. It is no proof: it is asked of numbers that have one id at Meta.
func SameLine(a, b string) bool {
	const country, kept = len("+55"), 8
	if a == b {
		return true
	}
	least := min(len(a), len(b))
	return len(a) != len(b) && least > country+kept && a[:country] == b[:country] && a[len(a)-kept:] == b[len(b)-kept:]
}

// numbers keeps what E164 found, since the numbering plans take some microseconds and a batch asks for few numbers.
var numbers = numberCache{most: maxNumbersKept}

type numberCache struct {
	most  int // entries
	mu    sync.RWMutex
	known map[string]string // by the number as written
}

func (c *numberCache) e164(display string) (string, bool) {
	c.mu.RLock()
	number, ok := c.known[display]
	c.mu.RUnlock()
	if ok {
		return number, true
	}
	if number, ok = parseNumber(display); !ok {
		return "", false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// Emptying it whole bounds it without bookkeeping on every read. It is only full if someone sends made-up numbers.
	if c.known == nil || len(c.known) >= c.most {
		c.known = map[string]string{}
	}
	c.known[strings.Clone(display)] = number
	return number, true
}

func parseNumber(display string) (string, bool) {
	digits, ok := digitsOf(display)
	if !ok || !isPhone(digits) {
		return "", false
	}
	e164 := "+" + digits
	if number, err := phonenumbers.Parse(e164, ""); err == nil && phonenumbers.IsValidNumber(number) {
		return phonenumbers.Format(number, phonenumbers.E164), true
	}
	return e164, true
}

// digitsOf are the digits of a number that is written with a plus, spaces, hyphens, dots or parentheses, or without. False means
// that anything else is in it.
func digitsOf(written string) (string, bool) {
	if len(written) > maxNumberLength {
		return "", false
	}
	if onlyDigits(written) {
		return written, true
	}
	digits := make([]byte, 0, mostDigits+1)
	for i, r := range written {
		switch {
		case '0' <= r && r <= '9':
			digits = append(digits, byte(r))
		case r == '+' && i == 0:
		case strings.ContainsRune(" -().\u00a0\u2011", r):
		default:
			return "", false
		}
	}
	return string(digits), true
}
