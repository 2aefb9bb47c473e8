package meta

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/valyala/fastjson"

	"numberfleet.dev/numberfleet/internal/identity"
)

const (
	maxWordLength   = 64  // bytes
	maxPhraseLength = 256 // characters
)

// What is allowed, in words.
var (
	aWord   = fmt.Sprintf("a word of at most %d characters", maxWordLength)
	anID    = fmt.Sprintf("an id of at most %d digits", identity.MaxMetaID)
	aNumber = "a phone number with its country code, of 7 to 15 digits"
)

// must says what is allowed instead of v, and what kind of thing v is, but never v itself.
func must(allowed string, v *fastjson.Value) string {
	is := "is absent"
	if v != nil {
		switch v.Type() {
		case fastjson.TypeNull:
			is = "is null"
		case fastjson.TypeObject:
			is = "is an object"
		case fastjson.TypeArray:
			is = "is an array"
		case fastjson.TypeString:
			is = "is another string"
			if len(v.GetStringBytes()) == 0 {
				is = "is an empty string"
			}
		case fastjson.TypeNumber:
			is = "is another number"
		default:
			is = "is a boolean"
		}
	}
	return "must be " + allowed + ", but " + is
}

func array(v *fastjson.Value, path string) ([]*fastjson.Value, error) {
	if v == nil || v.Type() != fastjson.TypeArray {
		return nil, &FieldError{path, must("an array", v)}
	}
	return v.GetArray(), nil
}

// absent reports whether v says nothing: Meta leaves a field out, writes null, or an empty string.
func absent(v *fastjson.Value) bool {
	if v == nil || v.Type() == fastjson.TypeNull {
		return true
	}
	return v.Type() == fastjson.TypeString && len(v.GetStringBytes()) == 0
}

// text is the string that v holds, empty if v is absent. False means that v is something else. The string aliases the
// parser's memory: a copy of every id would cost more than reading it.
func text(v *fastjson.Value) (string, bool) {
	if v == nil || v.Type() == fastjson.TypeNull {
		return "", true
	}
	if v.Type() != fastjson.TypeString {
		return "", false
	}
	b := v.GetStringBytes()
	return unsafe.String(unsafe.SliceData(b), len(b)), true //nolint:gosec // the bytes live until Updates.Release, as said there
}

// word is the word that v holds, for the caller to keep; empty if v is absent. False means that it is no word, or too long.
func word(v *fastjson.Value) (string, bool) {
	s, ok := text(v)
	if !ok || len(s) > maxWordLength || !printable(s) {
		return "", false
	}
	return strings.Clone(s), true
}

// printable reports whether s is printable ASCII without spaces.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// phrase is the text that v holds, for the caller to keep, cut where it is too long; empty if v is absent. False means that
// v is something else.
func phrase(v *fastjson.Value) (string, bool) {
	s, ok := text(v)
	if !ok {
		return "", false
	}
	// Cut before it is copied, which a text of megabytes need not be, and whole characters again after.
	return strings.Clone(cut(strings.ToValidUTF8(s[:min(len(s), maxPhraseLength*utf8.UTFMax)], "\uFFFD"))), true
}

// cut is s as far as it is no longer than a phrase.
func cut(s string) string {
	characters := 0
	for i := range s {
		if characters++; characters > maxPhraseLength {
			return s[:i]
		}
	}
	return s
}

// identifier is one of Meta's ids, written as a string of digits or as a whole number, for the caller to keep.
func identifier(v *fastjson.Value) (string, bool) {
	if v != nil && v.Type() == fastjson.TypeNumber {
		n, err := v.Int64()
		return strconv.FormatInt(n, 10), err == nil && n >= 0
	}
	s, ok := text(v)
	if !ok || !identity.IsMetaID(s) {
		return "", false
	}
	return strings.Clone(s), true
}

// integer is the whole number that v holds, in digits or as a string of digits. Others and those beyond int64 are none.
func integer(v *fastjson.Value) (int64, bool) {
	if v == nil {
		return 0, false
	}
	switch v.Type() {
	case fastjson.TypeNumber:
		n, err := v.Int64()
		return n, err == nil
	case fastjson.TypeString:
		b := v.GetStringBytes()
		if len(b) == 0 {
			return 0, false
		}
		var n int64
		for _, c := range b {
			if !digit(c) || n > (math.MaxInt64-9)/10 {
				return 0, false
			}
			n = n*10 + int64(c-'0')
		}
		return n, true
	default:
		return 0, false
	}
}
