package load

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// connection is one of a client. It has one request under way, or none.
type connection struct {
	fd      int
	request []byte // what is left of it
	sent    time.Time
	read    []byte // of the answer
}

// follow goes on as far as it can, and says whether an answer is complete.
func (c *connection) follow() (bool, error) {
	if len(c.request) > 0 {
		if err := c.write(); err != nil || len(c.request) > 0 {
			return false, err
		}
	}
	for {
		c.read = slices.Grow(c.read, 1024)
		n, err := unix.Read(c.fd, c.read[len(c.read):cap(c.read)])
		switch {
		case errors.Is(err, unix.EAGAIN):
			return false, nil
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return false, fmt.Errorf("read an answer: %w", err)
		case n <= 0:
			return false, errors.New("the server hung up")
		}
		c.read = c.read[:len(c.read)+n]
		if done, err := complete(c.read); done || err != nil {
			return done, err
		}
	}
}

// complete says whether an answer has come to its end. Any but a success is an error.
func complete(answer []byte) (bool, error) {
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 20")) {
		return false, fmt.Errorf("the server answered %q", answer)
	}
	head, body, found := bytes.Cut(answer, []byte("\r\n\r\n"))
	if !found {
		return false, nil
	}
	_, length, found := bytes.Cut(head, []byte("\r\nContent-Length: "))
	if !found {
		return bytes.HasSuffix(body, []byte("0\r\n\r\n")), nil // chunked
	}
	length, _, _ = bytes.Cut(length, []byte("\r\n"))
	n, err := strconv.Atoi(string(length))
	if err != nil {
		return false, fmt.Errorf("the server answered %q", answer)
	}
	return len(body) >= n, nil
}

func (c *connection) write() error {
	for len(c.request) > 0 {
		n, err := unix.Write(c.fd, c.request)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("send a request: %w", err)
		}
		c.request = c.request[n:]
	}
	return nil
}
