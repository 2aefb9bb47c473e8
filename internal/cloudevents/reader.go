package cloudevents

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

const maxLine = 1 << 20 // bytes

// Reader reads events, one per line. Empty lines are passed over. It is for one goroutine.
type Reader struct {
	lines   *bufio.Reader
	long    []byte // a line that is longer than the buffer of lines
	longest int    // that a line may be, in bytes
	line    int
	parser  *Parser
}

// NewReader makes a reader of events.
func NewReader(r io.Reader) *Reader {
	return &Reader{lines: bufio.NewReaderSize(r, 1<<16), longest: maxLine, parser: NewParser()}
}

// Next is the next event; io.EOF after the last. Of a line that is no event the error is an *Error; of a failed read it is
// what the read returned. After an error there is no going on.
func (r *Reader) Next() (Event, error) {
	for {
		line, err := r.readLine()
		if err != nil {
			return Event{}, err
		}
		if len(bytes.TrimSpace(line)) > 0 {
			return r.parser.parse(line, Event{Line: r.line}, "is not JSON: each line must be one CloudEvent, a JSON object")
		}
	}
}

// readLine is the next line, without its end. It is valid until the next call.
func (r *Reader) readLine() ([]byte, error) {
	r.long = r.long[:0]
	for {
		piece, err := r.lines.ReadSlice('\n')
		if len(r.long)+len(piece) > r.longest {
			return nil, &Error{Line: r.line + 1, Problem: fmt.Sprintf("is too long: a line may have %d bytes", r.longest)}
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			r.long = append(r.long, piece...)
			continue
		case errors.Is(err, io.EOF):
			if len(r.long)+len(piece) == 0 {
				return nil, io.EOF
			}
		case err != nil:
			return nil, fmt.Errorf("read after line %d: %w", r.line, err)
		}
		r.line++
		if len(r.long) > 0 {
			r.long = append(r.long, piece...)
			piece = r.long
		}
		return bytes.TrimSuffix(piece, []byte("\n")), nil
	}
}
