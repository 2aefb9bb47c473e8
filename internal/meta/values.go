package meta

import (
	"math"
	"unsafe"

	"github.com/valyala/fastjson"
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
