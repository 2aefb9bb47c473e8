package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// client posts over some connections at once, each in a closed loop: a connection's next request follows its last answer. It
// is one thread and epoll, since whatever the client uses of the machine the server lacks.
type client struct {
	epoll       int
	connections []connection
}

type connection struct {
	fd       int
	request  []byte // what is left of it
	sent     time.Time
	response [1024]byte
	read     int // of the response
}

// dial opens connections to a server.
func dial(address string, connections int) (*client, error) {
	to, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return nil, err
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	c := &client{epoll: epoll, connections: make([]connection, connections)}
	for i := range c.connections {
		if c.connections[i].fd, err = c.connect(to, i); err != nil {
			c.connections = c.connections[:i]
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

func (c *client) connect(to *net.TCPAddr, i int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("socket: %w", err)
	}
	// Edge-triggered: told once of each change, of which every event is followed to its end.
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLET, Fd: int32(i)}
	if err := errors.Join(
		unix.Connect(fd, &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}),
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
		unix.SetNonblock(fd, true),
		unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, fd, &event),
	); err != nil {
		return 0, errors.Join(fmt.Errorf("connect to the server: %w", err), unix.Close(fd))
	}
	return fd, nil
}

func (c *client) close() error {
	var failed error
	for i := range c.connections {
		failed = errors.Join(failed, unix.Close(c.connections[i].fd))
	}
	return errors.Join(failed, unix.Close(c.epoll))
}

// sent is what a client did.
type sent struct {
	posts    int
	took     time.Duration
	cpu      time.Duration // of the client
	p50, p99 time.Duration // from the first byte of a request to its answer
}

// post sends posts for some time, or until there are no more unless it may begin again with the first. Any answer but 200 is
// an error.
func (c *client) post(ctx context.Context, p *posts, again bool, during time.Duration) (sent, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	latencies := make([]time.Duration, 0, 1<<16)
	next, open := 0, 0
	cpu, start := threadCPU(), time.Now()
	end := start.Add(during)
	// begin sends the next request, if there is to be one.
	begin := func(to *connection, now time.Time) error {
		if next == p.n && again {
			next = 0
		}
		if next == p.n || !now.Before(end) {
			return nil
		}
		to.request, to.read, to.sent = p.request(next), 0, now
		next++
		open++
		return to.write()
	}
	for i := range c.connections {
		if err := begin(&c.connections[i], start); err != nil {
			return sent{}, err
		}
	}
	now := start
	events := make([]unix.EpollEvent, len(c.connections))
	for open > 0 {
		n, err := unix.EpollWait(c.epoll, events, 10_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err := errors.Join(err, ctx.Err()); err != nil {
			return sent{}, err
		}
		if n == 0 {
			return sent{}, errors.New("the server has not answered for 10 s")
		}
		for _, event := range events[:n] {
			to := &c.connections[event.Fd]
			answered, err := to.follow()
			if err != nil {
				return sent{}, err
			}
			if answered {
				open--
				now = time.Now()
				latencies = append(latencies, now.Sub(to.sent))
				if err := begin(to, now); err != nil {
					return sent{}, err
				}
			}
		}
	}
	done := sent{posts: len(latencies), took: now.Sub(start), cpu: threadCPU() - cpu}
	if len(latencies) > 0 {
		slices.Sort(latencies)
		done.p50, done.p99 = latencies[len(latencies)/2], latencies[len(latencies)*99/100]
	}
	return done, nil
}

// follow goes on as far as it can, and says whether an answer is complete.
func (c *connection) follow() (bool, error) {
	if len(c.request) > 0 {
		if err := c.write(); err != nil || len(c.request) > 0 {
			return false, err
		}
	}
	for {
		n, err := unix.Read(c.fd, c.response[c.read:])
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
		c.read += n
		answer := c.response[:c.read]
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
			return false, fmt.Errorf("the server answered %q", answer)
		}
		if bytes.HasSuffix(answer, []byte("\r\n\r\n")) {
			if !bytes.Contains(answer, []byte("\r\nContent-Length: 0\r\n")) {
				return false, fmt.Errorf("the server answered with a body: %q", answer)
			}
			return true, nil
		}
	}
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

// threadCPU is what this thread has run, user and system together.
func threadCPU() time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
