package move

import (
	"io"
	"net"
	"sync"
	"testing"
)

// link is a way to a server that can be cut.
type link struct {
	net.Listener
	mu   sync.Mutex
	cut  bool
	open []net.Conn
}

// newLink makes a link to an address, until the test ends.
func newLink(t *testing.T, to string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	l := &link{Listener: listener}
	t.Cleanup(func() { _ = l.Close(); l.setCut(true) })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			go l.connect(from, to)
		}
	}()
	return l
}

func (l *link) url() string { return "nats://" + l.Addr().String() }

// connect hands on what comes from one side to the other, until the link is cut.
func (l *link) connect(from net.Conn, address string) {
	to, err := net.Dial("tcp", address)
	if err != nil {
		_ = from.Close()
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, from, to)
	if l.cut {
		l.closeAll()
		return
	}
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].Close()
		}()
	}
}

// setCut cuts the link, or mends it.
func (l *link) setCut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut = cut; cut {
		l.closeAll()
	}
}

func (l *link) closeAll() {
	for _, c := range l.open {
		_ = c.Close()
	}
	l.open = nil
}
