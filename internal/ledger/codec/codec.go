// Package codec writes and reads rows: a version first, and last a checksum over all before it.
package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// ChecksumSize is that of the checksum at the end of a row, in bytes.
const ChecksumSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Seal appends the checksum of a row.
func Seal(row []byte) []byte {
	return binary.LittleEndian.AppendUint32(row, crc32.Checksum(row, castagnoli))
}

var (
	errShort    = errors.New("it ends too early")
	errChecksum = errors.New("its checksum is wrong")
)

// Reader reads a sealed row. After an error all it reads is zero; what Bytes returns aliases the row.
type Reader struct {
	Version byte
	rest    []byte
	err     error
}

// Open reads a row's version, of which the newest one that is known is given, and checks its checksum.
func Open(row []byte, newest byte) Reader {
	var r Reader
	if len(row) < 1+ChecksumSize {
		r.Fail(errShort)
		return r
	}
	body, sum := row[:len(row)-ChecksumSize], binary.LittleEndian.Uint32(row[len(row)-ChecksumSize:])
	if crc32.Checksum(body, castagnoli) != sum {
		r.Fail(errChecksum)
		return r
	}
	r.rest = body
	if r.Version = r.Byte(); r.Version < 1 || r.Version > newest {
		r.Fail(fmt.Errorf("its version is %d; this program knows %d", r.Version, newest))
	}
	return r
}

// Err is the first error.
func (r *Reader) Err() error { return r.err }

// More reports whether there is anything left to read, and no error.
func (r *Reader) More() bool { return len(r.rest) > 0 }

// Left is how many bytes are left.
func (r *Reader) Left() int { return len(r.rest) }

// Fail makes the reader fail, unless it did.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.rest = nil
}

// End fails unless all was read, and returns the first error.
func (r *Reader) End() error {
	if len(r.rest) > 0 {
		r.Fail(errors.New("it goes on after its end"))
	}
	return r.err
}

// Bytes reads so many bytes.
func (r *Reader) Bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.Fail(errShort)
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// Byte reads a byte.
func (r *Reader) Byte() byte {
	if b := r.Bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

// Uint32 reads four bytes, the lowest first.
func (r *Reader) Uint32() uint32 {
	if b := r.Bytes(4); len(b) == 4 {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// Uint64 reads eight bytes, the lowest first.
func (r *Reader) Uint64() uint64 {
	if b := r.Bytes(8); len(b) == 8 {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// Uvarint reads a number of some bytes.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.Fail(errShort)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// Varint reads a number of some bytes that may be negative.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.Fail(errShort)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// String reads a string, which does not alias the row.
func (r *Reader) String() string { return string(r.Bytes(r.Uvarint())) }

// Count reads how many items follow, each of at least some bytes.
func (r *Reader) Count(least int) int {
	n := r.Uvarint()
	if n > uint64(len(r.rest)/least) {
		r.Fail(errShort)
		return 0
	}
	return int(n)
}

// AppendString appends the length of a string and the string.
func AppendString(row []byte, s string) []byte {
	return append(binary.AppendUvarint(row, uint64(len(s))), s...)
}
