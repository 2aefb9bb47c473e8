// Package server serves HTTP to callers who may mean harm: it bounds connections, headers, bodies and times, speaks TLS with a
// certificate that is replaced without a restart, and says who calls and what they may do.
package server

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/go-logr/logr"
)

const (
	maxHeader       = 64 << 10 // bytes
	shutdownTimeout = 10 * time.Second
)

// Limits bound what one server does at a time. A zero value stands for that of DefaultLimits.
type Limits struct {
	Connections int
	ReadHeader  time.Duration
	Read        time.Duration // of a request
	Write       time.Duration // from the headers on: reading, working and answering
	Idle        time.Duration // of a connection between two requests
}

// DefaultLimits let a body of 3 MiB come in at 100 kB/s. With a header of maxHeader on each, the connections take some 70 MB.
var DefaultLimits = Limits{Connections: 1024, ReadHeader: 10 * time.Second, Read: 30 * time.Second, Write: time.Minute, Idle: 2 * time.Minute}

// Server serves a handler over HTTP/1.1: one connection then carries one request, so that its limits are those of requests.
type Server struct {
	Name     string // of what is served, such as "the event API"
	Listener Listener
	Handler  http.Handler
	Limits   Limits
	Log      logr.Logger
	// Stopping is called when the server stops, and is to end the requests that would not end by themselves. Optional.
	Stopping func()
}

// Start serves until ctx is done, then lets requests under way finish.
func (s *Server) Start(ctx context.Context) error {
	listener, err := s.Listener.Listen(logr.NewContext(ctx, s.Log))
	if err != nil {
		return fmt.Errorf("%s %w", s.Name, err)
	}
	if listener == nil { // ctx is done
		return nil
	}
	return s.Serve(ctx, listener)
}

// Serve is Start on a listener, which it closes.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	s.Log.Info("Serving", "what", s.Name, "address", listener.Addr().String(), "tls", s.Listener.CertDir != "")
	server := &http.Server{
		Handler:           s.Handler,
		ReadHeaderTimeout: cmp.Or(s.Limits.ReadHeader, DefaultLimits.ReadHeader),
		ReadTimeout:       cmp.Or(s.Limits.Read, DefaultLimits.Read),
		WriteTimeout:      cmp.Or(s.Limits.Write, DefaultLimits.Write),
		IdleTimeout:       cmp.Or(s.Limits.Idle, DefaultLimits.Idle),
		MaxHeaderBytes:    maxHeader,
		ConnState:         newConnections(cmp.Or(s.Limits.Connections, DefaultLimits.Connections)).changed,
		// Failed TLS handshakes and the like: anyone can cause them, so they are no news.
		ErrorLog: slog.NewLogLogger(logr.ToSlogHandler(s.Log), slog.LevelDebug),
	}
	if s.Stopping != nil {
		server.RegisterOnShutdown(s.Stopping)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("%s stopped: %w", s.Name, err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		_ = server.Close()
		return fmt.Errorf("%s did not finish in %s: %w", s.Name, shutdownTimeout, err)
	}
	return nil
}
