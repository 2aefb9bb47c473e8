package server

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// connections bounds the open connections of a server. Where there is one too many, the one that has made no progress for longest is
// closed. So clients that send slowly hold back no other, however many they are: a semaphore as netutil.LimitListener would have all
// others wait for them.
type connections struct {
	most int

	mu    sync.Mutex
	order *list.List // of net.Conn, the one that has waited longest first
	place map[net.Conn]*list.Element
}

func newConnections(most int) *connections {
	return &connections{most: most, order: list.New(), place: map[net.Conn]*list.Element{}}
}

// changed is the http.Server's ConnState: a connection is new, begins a request, has its answer, or is gone.
func (c *connections) changed(connection net.Conn, state http.ConnState) {
	if oldest := c.step(connection, state); oldest != nil {
		// Without a farewell over TLS: a client that reads nothing would let us wait for it.
		if encrypted, ok := oldest.(*tls.Conn); ok {
			oldest = encrypted.NetConn()
		}
		_ = oldest.Close()
	}
}

// step notes progress of a connection, and returns the one to close; nil if there is none.
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
	// A connection that was closed for another stays forgotten, though its last states are still told.
	if state != http.StateNew {
		return nil
	}
	c.place[connection] = c.order.PushBack(connection)
	if c.order.Len() <= c.most {
		return nil
	}
	oldest := c.order.Remove(c.order.Front()).(net.Conn)
	delete(c.place, oldest)
	return oldest
}
