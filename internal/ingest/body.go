package ingest

import (
	"container/list"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	firstBuffer = 32 << 10  // bytes: more than 100 statuses
	maxKept     = 512 << 10 // bytes of a buffer that is used again: more than 1,000 statuses
)

// encoded reports whether a body is said to be encoded, such as by gzip.
func encoded(header http.Header) bool {
	return slices.ContainsFunc(header["Content-Encoding"], func(e string) bool { return e != "" && e != "identity" })
}

// bodies reads the bodies of requests, with a bound on how much of them is in memory at one time. Where that is too little,
// the sender of a great body that has sent nothing for the longest time is cut off, so that those who send slowly, or never
// end, hold back nobody.
type bodies struct {
	most int64        // bytes
	held atomic.Int64 // bytes, without those of who was cut off
	pool sync.Pool    // of *body

	mu      sync.Mutex
	waiting *list.List // of *body: those beyond firstBuffer that are still coming, who was silent longest first
}

// body is one request's. Its bytes are valid until it is done.
type body struct {
	bytes []byte
	held  int64

	cut func() error  // makes the read under way fail
	at  *list.Element // of bodies.waiting; nil while nothing is waited for, and once it was cut off
}

func newBodies(most int64) *bodies {
	b := &bodies{most: most, waiting: list.New()}
	b.pool.New = func() any { return &body{bytes: make([]byte, 0, firstBuffer)} }
	return b
}

// done gives a body's memory back.
func (b *bodies) done(of *body) {
	b.held.Add(-of.held)
	of.held, of.cut = 0, nil
	if cap(of.bytes) <= maxKept {
		b.pool.Put(of)
	}
}

// read reads the request's body, of MaxBody at most. A code other than zero says why it could not. The body is to be given
// back in any case.
func (b *bodies) read(w http.ResponseWriter, req *http.Request) (*body, answer) {
	of := b.pool.Get().(*body)
	of.bytes = of.bytes[:0]
	of.cut = func() error { return http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) }
	return of, b.fill(of, http.MaxBytesReader(w, req.Body, MaxBody))
}

func (b *bodies) fill(of *body, source io.Reader) answer {
	if !b.hold(of, cap(of.bytes)) {
		return unavailable
	}
	for {
		// The buffer grows as the body comes, so that a promised length alone takes no memory.
		if len(of.bytes) == cap(of.bytes) {
			size := min(2*cap(of.bytes), MaxBody+1)
			if !b.hold(of, size-cap(of.bytes)) {
				return unavailable
			}
			of.bytes = append(make([]byte, 0, size), of.bytes...)
		}
		great := len(of.bytes) >= firstBuffer
		if great {
			b.await(of)
		}
		n, err := source.Read(of.bytes[len(of.bytes):cap(of.bytes)])
		if great {
			b.came(of)
		}
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

// hold takes more bytes for a body, and says whether there is room for them.
func (b *bodies) hold(of *body, bytes int) bool {
	of.held += int64(bytes)
	held := b.held.Add(int64(bytes))
	for held > b.most {
		if !b.cutOff() {
			return false
		}
		held = b.held.Load()
	}
	return true
}

// cutOff ends the body whose sender was silent longest, and gives its memory to others at once: its reader returns. It says
// whether there was one.
func (b *bodies) cutOff() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := b.waiting.Front()
	if at == nil {
		return false
	}
	silent := b.waiting.Remove(at).(*body)
	silent.at = nil
	if silent.cut() != nil {
		return false
	}
	b.held.Add(-silent.held)
	silent.held = 0
	return true
}

// await notes that the sender of a body is waited for: it may be cut off now, and nothing else changes the body meanwhile.
func (b *bodies) await(of *body) {
	b.mu.Lock()
	defer b.mu.Unlock()
	of.at = b.waiting.PushBack(of)
}

// came notes that something came, or nothing more will.
func (b *bodies) came(of *body) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if of.at != nil {
		b.waiting.Remove(of.at)
		of.at = nil
	}
}
