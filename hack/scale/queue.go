package main

import (
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// queue is how many messages wait to be sent. It answers KEDA's metrics-api trigger in place of a broker.
type queue struct {
	url    string
	queued atomic.Int64
}

func serveQueue() (*queue, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	q := &queue{url: "http://" + listener.Addr().String()}
	server := &http.Server{Handler: q, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // until the program ends
	return q, nil
}

func (q *queue) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"queued": %d}`, q.queued.Load()) // KEDA asks again
}
