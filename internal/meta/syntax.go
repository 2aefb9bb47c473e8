package meta

import (
	"encoding/binary"
	"math/bits"
)

const (
	// maxDepth is how deeply the JSON may be nested. The deepest known webhook has about ten levels.
	maxDepth = 64
	// maxValues is how many JSON values a body may hold: 1,000 updates have some 20,000. It bounds the parser's memory,
	// about 100 bytes a value, since three megabytes of "[0,0,…" would hold 1.5 million.
	maxValues = 1 << 18
)

// checkSyntax returns how many values body holds if it is one JSON text by RFC 8259 within maxDepth and maxValues, else a
// *SyntaxError or a *TooManyError.
//
// fastjson reads more than JSON (NaN, 1-2, bare control characters, unknown escapes) and quotes what it could not read
// in its errors, once per level. After this pass it is given nothing that it would fail on.
func checkSyntax(body []byte) (int, error) {
	s := syntax{b: body}
	if s.value(1) {
		s.space()
		if s.i == len(body) {
			return s.values, nil
		}
	}
	switch {
	case s.values > maxValues:
		return 0, &TooManyError{What: "JSON values", Limit: maxValues}
	case s.tooDeep:
		return 0, &SyntaxError{Offset: s.i, Problem: "is nested too deeply"}
	case s.i >= len(body):
		return 0, &SyntaxError{Offset: len(body), Problem: "ends too early"}
	default:
		return 0, &SyntaxError{Offset: s.i, Problem: "is not valid JSON"}
	}
}

// syntax is one pass over b. Its methods return false with i at what they could not read.
type syntax struct {
	b       []byte
	i       int
	values  int
	tooDeep bool
}

func (s *syntax) value(depth int) bool {
	s.space()
	if s.values++; s.values > maxValues || s.i == len(s.b) {
		return false
	}
	switch c := s.b[s.i]; {
	case c == '"':
		return s.text()
	case c == '{' || c == '[':
		if depth > maxDepth {
			s.tooDeep = true
			return false
		}
		s.i++
		if c == '{' {
			return s.object(depth)
		}
		return s.array(depth)
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

func (s *syntax) object(depth int) bool {
	if s.space(); s.take('}') {
		return true
	}
	for {
		if s.space(); s.i == len(s.b) || s.b[s.i] != '"' || !s.text() {
			return false
		}
		if s.space(); !s.take(':') || !s.value(depth+1) {
			return false
		}
		if s.space(); s.take('}') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

func (s *syntax) array(depth int) bool {
	if s.space(); s.take(']') {
		return true
	}
	for {
		if !s.value(depth + 1) {
			return false
		}
		if s.space(); s.take(']') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

// text reads a string, from its opening quote on. Most bytes of a body lie in strings without escapes: they are looked
// at eight at a time.
func (s *syntax) text() bool {
	b, i := s.b, s.i+1
	for {
		for i+8 <= len(b) {
			if special := specials(binary.LittleEndian.Uint64(b[i:])); special != 0 {
				i += bits.TrailingZeros64(special) / 8
				break
			}
			i += 8
		}
		if s.i = i; i >= len(b) {
			return false
		}
		switch c := b[i]; {
		case c == '"':
			s.i = i + 1
			return true
		case c == '\\':
			n := escape(b[i:])
			if n == 0 {
				return false
			}
			i += n
		case c < ' ':
			return false
		default:
			i++ // one of the last seven bytes
		}
	}
}

// specials has the high bit set in the first byte of w, in memory order, that is a quote, a backslash or a control
// character, and in none before it. Bits above that one mean nothing.
func specials(w uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, slash := w^(ones*'"'), w^(ones*'\\')
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w) & highs
}

// escape is the length of the escape sequence that b begins with, zero if it is none.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if !digit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
				return 0
			}
		}
		return 6
	}
	return 0
}

func (s *syntax) number() bool {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		return s.digits()
	}
	return true
}

// digits reads one digit or more.
func (s *syntax) digits() bool {
	from := s.i
	for s.i < len(s.b) && digit(s.b[s.i]) {
		s.i++
	}
	return s.i > from
}

func (s *syntax) literal(word string) bool {
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		return false
	}
	s.i += len(word)
	return true
}

func (s *syntax) take(c byte) bool {
	if s.i == len(s.b) || s.b[s.i] != c {
		return false
	}
	s.i++
	return true
}

func (s *syntax) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
