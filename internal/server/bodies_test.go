package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

const memory = 1 << 20

// spare says whether nothing is held of the memory for bodies.
func spare(b *Bodies) bool {
	if !b.memory.TryAcquire(memory) {
		return false
	}
	b.memory.Release(memory)
	return true
}

// Whatever becomes of a body, its memory is there for others afterwards.
func TestTheMemoryOfABodyIsGivenBack(t *testing.T) {
	b := NewBodies(256<<10, memory)
	for _, test := range []struct {
		name string
		body io.Reader
		code int
	}{
		{"small", strings.NewReader("{}"), 0},
		{"as long as may be", bytes.NewReader(make([]byte, 256<<10)), 0},
		{"too long", bytes.NewReader(make([]byte, 256<<10+1)), http.StatusRequestEntityTooLarge},
		{"cut off", io.MultiReader(bytes.NewReader(make([]byte, 100<<10)), failing{io.ErrUnexpectedEOF}), http.StatusBadRequest},
		{"too slow", io.MultiReader(bytes.NewReader(make([]byte, 100<<10)), failing{fmt.Errorf("read: %w", os.ErrDeadlineExceeded)}), http.StatusRequestTimeout},
	} {
		err := b.Read(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", io.NopCloser(test.body)), func([]byte) error {
			if spare(b) {
				t.Errorf("%s: nothing is held of it while it is read", test.name)
			}
			return nil
		})
		code := 0
		if refusal, ok := errors.AsType[*Error](err); ok {
			code = refusal.Code
		}
		if code != test.code || !spare(b) {
			t.Errorf("%s: got %v, and all memory is given back: %v", test.name, err, spare(b))
		}
	}
	func() {
		defer func() { _ = recover() }()
		_ = b.Read(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}")), func([]byte) error { panic("a handler fails") })
	}()
	if !spare(b) {
		t.Error("after a panic, memory is still held")
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Bodies that never end take the memory that is there for bodies, but not from others: the one that was silent longest is cut off.
func TestTheSilentBodyMakesRoom(t *testing.T) {
	b := NewBodies(memory, memory)
	var silent sync.WaitGroup
	for range 8 {
		read, write := io.Pipe()
		cut := cutter{httptest.NewRecorder(), func() { _ = write.CloseWithError(os.ErrDeadlineExceeded) }}
		started := make(chan struct{})
		silent.Go(func() {
			err := b.Read(cut, httptest.NewRequest(http.MethodPost, "/", read), func([]byte) error { return nil })
			if refusal, ok := errors.AsType[*Error](err); !ok || refusal.Code != http.StatusRequestTimeout {
				t.Errorf("a silent body got %v", err)
			}
		})
		go func() { _, _ = write.Write(make([]byte, 200<<10)); close(started) }()
		<-started
	}
	length := 0
	err := b.Read(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(make([]byte, 500<<10))), func(body []byte) error {
		length = len(body)
		return nil
	})
	if err != nil || length != 500<<10 {
		t.Errorf("of a body %d bytes are read: %v", length, err)
	}
	gone := make(chan struct{})
	go func() { silent.Wait(); close(gone) }()
	for waiting := true; waiting; {
		select {
		case <-gone:
			waiting = false
		default:
			b.cutOff()
		}
	}
	if !spare(b) {
		t.Error("memory is still held")
	}
}

// cutter is a ResponseWriter whose connection can be cut off.
type cutter struct {
	http.ResponseWriter
	cut func()
}

func (c cutter) SetReadDeadline(time.Time) error { c.cut(); return nil }
