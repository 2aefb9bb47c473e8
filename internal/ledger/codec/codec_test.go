package codec

import (
	"bytes"
	"errors"
	"testing"
)

// What cannot be read is zero, and an error; after it nothing more is read, and the first error stays.
func TestNothingIsReadAfterAnError(t *testing.T) {
	sixteen := bytes.Repeat([]byte{1}, 16)
	for name, read := range map[string]func(*Reader) bool{
		"bytes":   func(r *Reader) bool { return r.Bytes(1) == nil },
		"byte":    func(r *Reader) bool { return r.Byte() == 0 },
		"uint32":  func(r *Reader) bool { return r.Uint32() == 0 },
		"uint64":  func(r *Reader) bool { return r.Uint64() == 0 },
		"uvarint": func(r *Reader) bool { return r.Uvarint() == 0 },
		"varint":  func(r *Reader) bool { return r.Varint() == 0 },
		"string":  func(r *Reader) bool { return r.String() == "" },
		"count":   func(r *Reader) bool { return r.Count(1) == 0 },
	} {
		if r := (&Reader{}); !read(r) || !errors.Is(r.End(), errShort) {
			t.Errorf("%s of nothing gives %v", name, r.Err())
		}
		r := &Reader{rest: bytes.Clone(sixteen)}
		r.Fail(errChecksum)
		if !read(r) || !errors.Is(r.End(), errChecksum) {
			t.Errorf("%s after an error gives %v", name, r.Err())
		}
	}
	endless := bytes.Repeat([]byte{255}, 11)
	if r := (&Reader{rest: endless}); r.Uvarint() != 0 || !errors.Is(r.End(), errShort) {
		t.Errorf("a number that does not end gives %v", r.Err())
	}
	if r := (&Reader{rest: endless}); r.Varint() != 0 || !errors.Is(r.End(), errShort) {
		t.Errorf("a difference that does not end gives %v", r.Err())
	}
	for most, want := range map[byte]int{2: 2, 3: 0} { // items of 5 bytes in 14
		r := &Reader{rest: append([]byte{most}, sixteen[:14]...)}
		if got := r.Count(5); got != want || (r.Err() == nil) != (want > 0) {
			t.Errorf("of %d items %d follow, %v", most, got, r.Err())
		}
	}
}
