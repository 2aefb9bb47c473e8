package ingest

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// The server's bounds. A body of MaxBody comes in within readTimeout at 100 kB/s.
const (
	maxHeader         = 64 << 10 // bytes
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second // from the headers on: reading, storing and answering
	idleTimeout       = 2 * time.Minute
	shutdownTimeout   = 10 * time.Second
)

// Server serves a handler over HTTP, or HTTPS if it has certificates. It is a Runnable of a controller-runtime manager.
type Server struct {
	Address string // host:port; port 0 picks one
	Handler http.Handler
	// CertDir holds tls.crt and tls.key, which are read again when they change. Without it the server speaks HTTP, for
	// setups whose ingress terminates TLS: Meta itself sends over HTTPS only.
	CertDir string
	// LeaderOnly makes a replica listen only while it leads. Otherwise every replica listens, and those that do not lead
	// answer that Meta is to try again; use Receiver.Ready as a readiness check then.
	LeaderOnly bool
	Log        logr.Logger

	listening func(net.Addr) // for tests
	bounds    func(*http.Server)
}

// NeedLeaderElection implements controller-runtime's LeaderElectionRunnable.
func (s *Server) NeedLeaderElection() bool { return s.LeaderOnly }

// Start serves until ctx is done, then lets requests under way finish.
func (s *Server) Start(ctx context.Context) error {
	server := &http.Server{
		Handler:           s.Handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		// Failed TLS handshakes and the like: anyone can cause them, so they are no news.
		ErrorLog: slog.NewLogLogger(logr.ToSlogHandler(s.Log), slog.LevelDebug),
	}
	if s.bounds != nil {
		s.bounds(server)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Address)
	if err != nil {
		return fmt.Errorf("the webhook receiver cannot listen: %w", err)
	}
	if s.CertDir != "" {
		certificates, err := certwatcher.New(filepath.Join(s.CertDir, "tls.crt"), filepath.Join(s.CertDir, "tls.key"))
		if err != nil {
			_ = listener.Close()
			return fmt.Errorf("the webhook receiver's certificate: %w", err)
		}
		go func() {
			if err := certificates.Start(ctx); err != nil {
				s.Log.Error(err, "The webhook receiver's certificate is not watched; a new one needs a restart")
			}
		}()
		// HTTP/1.1 only: one connection then carries one request, so the bounds above are the bounds.
		listener = tls.NewListener(listener, &tls.Config{
			MinVersion: tls.VersionTLS12, GetCertificate: certificates.GetCertificate, NextProtos: []string{"http/1.1"},
		})
	}
	if s.listening != nil {
		s.listening(listener.Addr())
	}
	s.Log.Info("Receiving webhooks", "address", listener.Addr().String(), "tls", s.CertDir != "")

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("the webhook receiver stopped: %w", err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		_ = server.Close()
		return fmt.Errorf("the webhook receiver did not finish in %s: %w", shutdownTimeout, err)
	}
	return nil
}
