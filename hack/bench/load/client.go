// Package load loads a server that is measured, in a process of its own, with requests over HTTP.
package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Requests are requests as they go over the wire, ready to be sent.
type Requests interface {
	Len() int
	Request(i int) []byte
}

// Shape is how requests are sent.
type Shape struct {
	Connections int
	During      time.Duration
	// Rate is requests a second, of which each is sent when it is due or, where all connections wait for answers, as soon as one is
	// free; its time counts from when it was due. Zero is a closed loop: a connection's next request follows its last answer.
	Rate float64
	// Again begins again with the first request after the last. Else the last ends it.
	Again bool
}

// client sends over some connections at once. It is one thread and epoll, since whatever the client uses of the machine the server lacks.
type client struct {
	epoll       int
	connections []connection
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
	requests int
	took     time.Duration
	cpu      time.Duration // of the client
	p50, p99 time.Duration // from a request to its answer
}

// patience is how long a server may answer nothing.
const patience = 10 * time.Second

// send sends requests. Any answer but a success is an error.
func (c *client) send(ctx context.Context, r Requests, s Shape) (sent, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	latencies := make([]time.Duration, 0, 1<<16)
	idle := make([]*connection, 0, len(c.connections))
	for i := range c.connections {
		idle = append(idle, &c.connections[i])
	}
	next, begun := 0, 0
	cpu, start := threadCPU(), time.Now()
	now, end := start, start.Add(s.During)
	// due is when the next request is to be sent, and whether there is one.
	due := func() (time.Time, bool) {
		if next == r.Len() && s.Again {
			next = 0
		}
		at := now
		if s.Rate > 0 {
			at = start.Add(time.Duration(float64(begun) / s.Rate * float64(time.Second)))
		}
		return at, next < r.Len() && at.Before(end)
	}
	events := make([]unix.EpollEvent, len(c.connections))
	for {
		wait := patience
		for at, more := due(); more && len(idle) > 0; at, more = due() {
			if at.After(now) {
				wait = at.Sub(now)
				break
			}
			to := idle[0] // the one that is idle longest, as if each were another sender's
			idle = idle[1:]
			to.request, to.read, to.sent = r.Request(next), to.read[:0], at
			next++
			begun++
			if err := to.write(); err != nil {
				return sent{}, err
			}
		}
		if len(idle) == len(c.connections) && wait == patience {
			break // nothing is under way, nor to come
		}
		n, err := c.await(events, wait)
		if err := errors.Join(err, ctx.Err()); err != nil {
			return sent{}, err
		}
		if n == 0 && wait == patience {
			return sent{}, fmt.Errorf("the server has not answered for %s", patience)
		}
		for _, event := range events[:n] {
			to := &c.connections[event.Fd]
			answered, err := to.follow()
			if err != nil {
				return sent{}, err
			}
			if answered {
				latencies = append(latencies, time.Since(to.sent))
				idle = append(idle, to)
			}
		}
		now = time.Now()
	}
	done := sent{requests: len(latencies), took: now.Sub(start), cpu: threadCPU() - cpu}
	if len(latencies) > 0 {
		slices.Sort(latencies)
		done.p50, done.p99 = latencies[len(latencies)/2], latencies[len(latencies)*99/100]
	}
	return done, nil
}

// await waits for events. EpollWait counts in milliseconds, which is too coarse to wait until a request is due.
func (c *client) await(events []unix.EpollEvent, wait time.Duration) (n int, err error) {
	if wait < patience {
		limit := unix.NsecToTimespec(wait.Nanoseconds())
		_, err = unix.Ppoll([]unix.PollFd{{Fd: int32(c.epoll), Events: unix.POLLIN}}, &limit, nil)
		wait = 0
	}
	if err == nil {
		n, err = unix.EpollWait(c.epoll, events, int(wait.Milliseconds()))
	}
	if errors.Is(err, unix.EINTR) {
		return c.await(events, wait)
	}
	return n, err
}

// threadCPU is what this thread has run, user and system together.
func threadCPU() time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
