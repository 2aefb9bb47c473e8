package ingest

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// maxConnections is how many connections a server keeps open at one time. With a header of maxHeader on each they take some
// 70 MB.
const maxConnections = 1024

// connections bound the connections of a server. Where there is one too many, the one goes that has got nowhere for the
// longest time: a client that sends its request slowly holds back no other, however many such clients there are.
type connections struct {
	most int

	mu    sync.Mutex
	order *list.List // of net.Conn, the one that has waited longest first
	place map[net.Conn]*list.Element
}

func newConnections(most int) *connections {
	return &connections{most: most, order: list.New(), place: map[net.Conn]*list.Element{}}
}

// changed is told by the server of each step of a connection: that it is new, begins a request, has its answer, or is gone.
func (c *connections) changed(connection net.Conn, state http.ConnState) {
	if longest := c.step(connection, state); longest != nil {
		// Without a farewell over TLS, for which a client that reads nothing would let us wait.
		if encrypted, ok := longest.(*tls.Conn); ok {
			longest = encrypted.NetConn()
		}
		_ = longest.Close()
	}
}

// step notes a step of a connection, and returns the one to close; nil if there is none.
func (c *connections) step(connection net.Conn, state http.ConnState) net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, known := c.place[connection]
	switch state {
	case http.StateClosed, http.StateHijacked:
		if known {
			c.order.Remove(at)
			delete(c.place, connection)
		}
		return nil
	case http.StateNew, http.StateActive, http.StateIdle:
	}
	if known {
		c.order.MoveToBack(at)
		return nil
	}
	// A connection that made room for another stays gone, though its last steps are still told.
	if state != http.StateNew {
		return nil
	}
	c.place[connection] = c.order.PushBack(connection)
	if c.order.Len() <= c.most {
		return nil
	}
	longest := c.order.Remove(c.order.Front()).(net.Conn)
	delete(c.place, longest)
	return longest
}
