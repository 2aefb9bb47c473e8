package bundle

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"
)

// masker replaces what is about people or secret. What was the same is the same after it, within one bundle: the key is made for it, and is
// nowhere else.
type masker struct {
	key     [32]byte
	numbers map[string]bool // phone numbers that are known, in digits
	secrets [][]byte        // values that must not occur
}

func newMasker() *masker {
	m := &masker{numbers: map[string]bool{}}
	_, _ = rand.Read(m.key[:]) // it never fails
	return m
}

// How many digits a phone number has: E.164 allows 15, and fewer than 7 are in many figures.
const leastDigits, mostDigits = 7, 15

// know has a phone number masked also where it stands without its plus.
func (m *masker) know(number string) {
	if digits := strings.TrimPrefix(number, "+"); len(digits) >= leastDigits {
		m.numbers[digits] = true
	}
}

// hide has a secret removed wherever it occurs.
func (m *masker) hide(secret []byte) {
	if secret = bytes.TrimSpace(secret); len(secret) >= leastSecret {
		m.secrets = append(m.secrets, slices.Clone(secret))
	}
}

// leastSecret is how long a text is that is taken for a secret wherever it occurs: a shorter one is in many words.
const leastSecret = 6

// What is masked wherever it stands in a text.
var (
	inE164    = regexp.MustCompile(`\+[1-9][0-9]{6,14}\b`)
	userID    = regexp.MustCompile(`\b[A-Z]{2}\.[0-9]{8,}\b`) // a user's id within a business
	messageID = regexp.MustCompile(`\bwamid\.[A-Za-z0-9+/=_-]+`)
	mail      = regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+`)
	token     = regexp.MustCompile(`\bEAA[A-Za-z0-9]{8,}|\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|(?i:bearer) [A-Za-z0-9._~+/=-]{6,}`)
	digits    = regexp.MustCompile(`[0-9]{7,}`)
	withLogin = regexp.MustCompile(`://[^/\s"'@]+@`)
)

// text masks a text.
func (m *masker) text(content []byte) []byte {
	for _, secret := range m.secrets {
		content = bytes.ReplaceAll(content, secret, []byte("(secret)"))
	}
	content = withLogin.ReplaceAll(content, []byte("://(login)@"))
	content = token.ReplaceAll(content, []byte("(token)"))
	content = messageID.ReplaceAllFunc(content, func(id []byte) []byte { return []byte(m.named("message", string(id))) })
	content = userID.ReplaceAllFunc(content, func(id []byte) []byte { return []byte(m.named("user", string(id))) })
	content = mail.ReplaceAllFunc(content, func(address []byte) []byte { return []byte(m.named("address", string(address))) })
	content = inE164.ReplaceAllFunc(content, func(number []byte) []byte { return []byte(m.number(string(number))) })
	return digits.ReplaceAllFunc(content, m.known)
}

// known masks the known phone numbers within digits, the longest first.
func (m *masker) known(in []byte) []byte {
	for n := min(len(in), mostDigits); n >= leastDigits; n-- {
		for i := 0; i+n <= len(in); i++ {
			if m.numbers[string(in[i:i+n])] {
				return slices.Concat(m.known(in[:i]), []byte(m.number(string(in[i:i+n]))), m.known(in[i+n:]))
			}
		}
	}
	return in
}

// number is what stands for a phone number, with its last two digits.
func (m *masker) number(number string) string {
	number = strings.TrimPrefix(number, "+")
	return m.named("number", number) + "-" + number[len(number)-2:]
}

// named is what stands for a text of a kind.
func (m *masker) named(kind, text string) string {
	mac := hmac.New(sha256.New, m.key[:])
	mac.Write([]byte(text)) // it never fails
	return kind + "-" + letters(mac.Sum(nil)[:5])
}

// letters are bytes in letters: digits could be taken for a number.
func letters(of []byte) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r - '0' + 'g'
		}
		return r
	}, hex.EncodeToString(of))
}

// value masks the texts below a value of JSON.
func (m *masker) value(of any) any {
	switch v := of.(type) {
	case string:
		if v == "" {
			return v
		}
		return m.named("text", v)
	case map[string]any:
		for k := range v {
			if !strings.HasSuffix(k, "Time") {
				v[k] = m.value(v[k])
			}
		}
	case []any:
		for i := range v {
			v[i] = m.value(v[i])
		}
	}
	return of
}

// fields masks the fields of these names, wherever they are in an object.
func (m *masker) fields(of any, names ...string) {
	switch v := of.(type) {
	case map[string]any:
		for k := range v {
			if slices.Contains(names, k) {
				v[k] = m.value(v[k])
			} else {
				m.fields(v[k], names...)
			}
		}
	case []any:
		for i := range v {
			m.fields(v[i], names...)
		}
	}
}
