package meta

import (
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"
)

const (
	maxNumberLength = 40      // of a display phone number as Meta writes it, in bytes
	maxNumbersKept  = 1 << 14 // entries in the cache of E164: more numbers than one operator runs
)

// E164 is the number in E.164 with the leading plus, read from the ways Meta writes it: "15550001111",
// "+1 555-000-1111", "+1 (555) 000-1111". It begins with the country code, with or without a plus.
//
// A number that no numbering plan knows is kept as its digits if E.164 allows them (7 to 15, the first not zero): test
// numbers are like that. False means that it is no phone number. The string is the caller's to keep.
func E164(display string) (string, bool) { return numbers.e164(display) }

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
	if len(display) > maxNumberLength {
		return "", false
	}
	e164 := make([]byte, 1, 16)
	e164[0] = '+'
	for i, r := range display {
		switch {
		case '0' <= r && r <= '9':
			e164 = append(e164, byte(r))
		case r == '+' && i == 0:
		case strings.ContainsRune(" -().\u00a0\u2011", r):
		default:
			return "", false
		}
	}
	if n := len(e164) - 1; n < 7 || n > 15 || e164[1] == '0' {
		return "", false
	}
	if number, err := phonenumbers.Parse(string(e164), ""); err == nil && phonenumbers.IsValidNumber(number) {
		return phonenumbers.Format(number, phonenumbers.E164), true
	}
	return string(e164), true
}
