package counts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Every value in the store begins with a version and ends with a checksum over all before it.
const (
	codecVersion = 1
	checksumSize = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func seal(row []byte) []byte {
	return binary.LittleEndian.AppendUint32(row, crc32.Checksum(row, castagnoli))
}

var (
	errShort    = errors.New("it ends too early")
	errChecksum = errors.New("its checksum is wrong")
)

// reader reads a sealed row. After an error all it reads is zero; what it returns aliases the row.
type reader struct {
	version byte
	rest    []byte
	err     error
}

func unseal(row []byte) *reader { return unsealUpTo(row, codecVersion) }

// unsealUpTo is unseal of a row of which there are several versions.
func unsealUpTo(row []byte, newest byte) *reader {
	r := &reader{}
	if len(row) < 1+checksumSize {
		r.fail(errShort)
		return r
	}
	body, sum := row[:len(row)-checksumSize], binary.LittleEndian.Uint32(row[len(row)-checksumSize:])
	if crc32.Checksum(body, castagnoli) != sum {
		r.fail(errChecksum)
		return r
	}
	r.rest = body
	if r.version = r.byte(); r.version < codecVersion || r.version > newest {
		r.fail(fmt.Errorf("its version is %d; this program knows %d", r.version, newest))
	}
	return r
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.rest = nil
}

// end fails unless all was read, and returns the first error.
func (r *reader) end() error {
	if len(r.rest) > 0 {
		r.fail(errors.New("it goes on after its end"))
	}
	return r.err
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.fail(errShort)
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.bytes(4); len(b) == 4 {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.bytes(8); len(b) == 8 {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) string() string { return string(r.bytes(r.uvarint())) }

// count reads how many items follow, each of at least some bytes.
func (r *reader) count(least int) int {
	n := r.uvarint()
	if n > uint64(len(r.rest)/least) {
		r.fail(errShort)
		return 0
	}
	return int(n)
}

func appendString(row []byte, s string) []byte {
	return append(binary.AppendUvarint(row, uint64(len(s))), s...)
}
