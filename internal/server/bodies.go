package server

import (
	"container/list"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	firstBuffer  = 32 << 10  // bytes
	maxKeptBytes = 512 << 10 // of a buffer that is used again
)

// Bodies reads the bodies of requests, with a bound on how much of them is in memory at one time. Where that is too little, the
// sender of a body that has sent nothing for longest is cut off: those who send slowly, or never end, hold back nobody.
type Bodies struct {
	longest int                 // bytes of one body
	memory  *semaphore.Weighted // bytes of all
	pool    sync.Pool           // of *body

	mu      sync.Mutex
	waiting *list.List // of *body: those beyond firstBuffer whose sender is waited for, silent longest first
}

// body is that of one request.
type body struct {
	bytes   []byte
	held    int64         // bytes of Bodies.memory
	cut     func() error  // makes the read under way fail
	waiting *list.Element // of Bodies.waiting; nil while nothing is waited for, and once it was cut off
}

// NewBodies bounds one body, and all bodies in memory, to so many bytes.
func NewBodies(longest int, all int64) *Bodies {
	b := &Bodies{longest: longest, memory: semaphore.NewWeighted(all), waiting: list.New()}
	b.pool.New = func() any { return &body{bytes: make([]byte, 0, firstBuffer)} }
	return b
}

// Check says what is wrong with a body before it is read: it is encoded, such as by gzip, or longer than is read. It returns nil or an
// *Error.
func (b *Bodies) Check(req *http.Request) error {
	if slices.ContainsFunc(req.Header["Content-Encoding"], func(e string) bool { return e != "" && e != "identity" }) {
		return &Error{http.StatusUnsupportedMediaType, "the body must not be encoded"}
	}
	if req.ContentLength > int64(b.longest) {
		return tooLong(b.longest)
	}
	return nil
}

// Read reads a request's body and hands it on; its bytes are valid until take returns. The error is that of take, or an *Error where the
// body could not be read.
func (b *Bodies) Read(w http.ResponseWriter, req *http.Request, take func(body []byte) error) error {
	body := b.pool.Get().(*body)
	body.bytes = body.bytes[:0]
	body.cut = func() error { return http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) }
	defer b.release(body)
	if err := b.fill(body, http.MaxBytesReader(w, req.Body, int64(b.longest))); err != nil {
		return err
	}
	return take(body.bytes)
}

func (b *Bodies) release(body *body) {
	b.memory.Release(body.held)
	body.held, body.cut = 0, nil
	if cap(body.bytes) <= maxKeptBytes {
		b.pool.Put(body)
	}
}

func (b *Bodies) fill(body *body, source io.Reader) error {
	if !b.hold(body, cap(body.bytes)) {
		return ErrUnavailable
	}
	for {
		// The buffer grows as the body comes, so that a promised length alone takes no memory.
		if len(body.bytes) == cap(body.bytes) {
			size := min(2*cap(body.bytes), b.longest+1)
			if !b.hold(body, size-cap(body.bytes)) {
				return ErrUnavailable
			}
			body.bytes = append(make([]byte, 0, size), body.bytes...)
		}
		large := len(body.bytes) >= firstBuffer
		if large {
			b.await(body)
		}
		n, err := source.Read(body.bytes[len(body.bytes):cap(body.bytes)])
		if large {
			b.arrived(body)
		}
		body.bytes = body.bytes[:len(body.bytes)+n]
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return &Error{http.StatusRequestTimeout, "the body came too slowly"}
		default:
			if _, long := errors.AsType[*http.MaxBytesError](err); long {
				return tooLong(b.longest)
			}
			return &Error{http.StatusBadRequest, "the body could not be read to its end"}
		}
	}
}

// hold takes more memory for a body, if need be that of others.
func (b *Bodies) hold(body *body, bytes int) bool {
	for !b.memory.TryAcquire(int64(bytes)) {
		if !b.cutOff() {
			return false
		}
	}
	body.held += int64(bytes)
	return true
}

// cutOff ends the body whose sender was silent longest, and gives its memory to others at once: its reader returns. It says whether
// there was one.
func (b *Bodies) cutOff() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	longest := b.waiting.Front()
	if longest == nil {
		return false
	}
	body := b.waiting.Remove(longest).(*body)
	body.waiting = nil
	if body.cut() != nil {
		return false
	}
	b.memory.Release(body.held)
	body.held = 0
	return true
}

// await notes that the sender of a body is waited for. Until arrived, the body may be cut off, and nothing else changes it.
func (b *Bodies) await(body *body) {
	b.mu.Lock()
	defer b.mu.Unlock()
	body.waiting = b.waiting.PushBack(body)
}

// arrived notes that a part of a body came, or that no more will.
func (b *Bodies) arrived(body *body) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if body.waiting != nil {
		b.waiting.Remove(body.waiting)
		body.waiting = nil
	}
}
