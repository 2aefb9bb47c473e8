package ingest

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
)

const (
	firstBuffer = 32 << 10  // bytes: more than 100 statuses
	maxKept     = 512 << 10 // bytes of a buffer that is used again: more than 1,000 statuses
)

// bodies reads the bodies of requests, with a bound on how much of them is in memory at one time.
type bodies struct {
	most int64        // bytes
	held atomic.Int64 // bytes
	pool sync.Pool    // of *body
}

// body is one request's. Its bytes are valid until it is done.
type body struct {
	bytes []byte
	held  int64
}

func newBodies(most int64) *bodies {
	b := &bodies{most: most}
	b.pool.New = func() any { return &body{bytes: make([]byte, 0, firstBuffer)} }
	return b
}

// done gives a body's memory back.
func (b *bodies) done(of *body) {
	b.held.Add(-of.held)
	of.held = 0
	if cap(of.bytes) <= maxKept {
		b.pool.Put(of)
	}
}

// read reads the request's body, of MaxBody at most. A code other than zero says why it could not. The body is to be given
// back in any case.
func (b *bodies) read(w http.ResponseWriter, req *http.Request) (*body, answer) {
	of := b.pool.Get().(*body)
	of.bytes = of.bytes[:0]
	return of, b.fill(of, http.MaxBytesReader(w, req.Body, MaxBody))
}

func (b *bodies) fill(of *body, source io.Reader) answer {
	hold := func(bytes int) bool {
		of.held += int64(bytes)
		return b.held.Add(int64(bytes)) <= b.most
	}
	if !hold(cap(of.bytes)) {
		return unavailable
	}
	for {
		// The buffer grows as the body comes, so that a promised length alone takes no memory.
		if len(of.bytes) == cap(of.bytes) {
			size := min(2*cap(of.bytes), MaxBody+1)
			if !hold(size - cap(of.bytes)) {
				return unavailable
			}
			of.bytes = append(make([]byte, 0, size), of.bytes...)
		}
		n, err := source.Read(of.bytes[len(of.bytes):cap(of.bytes)])
		of.bytes = of.bytes[:len(of.bytes)+n]
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return answer{}
		case errors.Is(err, os.ErrDeadlineExceeded):
			return answer{http.StatusRequestTimeout, "the body came too slowly"}
		default:
			if _, long := errors.AsType[*http.MaxBytesError](err); long {
				return tooLong
			}
			return answer{http.StatusBadRequest, "the body could not be read to its end"}
		}
	}
}
