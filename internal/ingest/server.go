package ingest

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// The server's bounds, besides maxConnections. A body of MaxBody comes in within readTimeout at 100 kB/s.
const (
	maxHeader         = 64 << 10 // bytes
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 30 * time.Second
	writeTimeout      = 60 * time.Second // from the headers on: reading, storing and answering
	idleTimeout       = 2 * time.Minute
	shutdownTimeout   = 10 * time.Second

	certificateInterval = time.Second // between looks for a certificate that is not there yet
)

// Server serves a handler over HTTP, or HTTPS if it has certificates. It is a Runnable of a controller-runtime manager.
type Server struct {
	Address string // host:port; port 0 picks one
	Handler http.Handler
	// CertDir holds tls.crt and tls.key, which are read again when they change. Without it the server speaks HTTP, for
	// setups whose ingress terminates TLS: Meta itself sends over HTTPS only.
	CertDir string
	// Tokens says that requests bring bearer tokens: over HTTP the server then listens on loopback only. Where CertDir has no
	// certificate yet, it waits for one.
	Tokens bool
	// LeaderOnly makes a replica listen only while it leads. Otherwise every replica listens, and those that do not lead
	// answer that Meta is to try again; use Receiver.Ready as a readiness check then.
	LeaderOnly bool
	// Name of what is served, such as "the event API"; "the webhook receiver" if empty.
	Name string
	Log  logr.Logger

	listening func(net.Addr) // for tests
	bounds    func(*http.Server)
	most      int // connections
}

// NeedLeaderElection implements controller-runtime's LeaderElectionRunnable.
func (s *Server) NeedLeaderElection() bool { return s.LeaderOnly }

// Start serves until ctx is done, then lets requests under way finish.
func (s *Server) Start(ctx context.Context) error {
	name := cmp.Or(s.Name, "the webhook receiver")
	if s.Tokens && s.CertDir != "" && !s.certified(ctx, name) {
		return nil
	}
	server := &http.Server{
		Handler:           s.Handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnState:         newConnections(cmp.Or(s.most, maxConnections)).changed,
		// Failed TLS handshakes and the like: anyone can cause them, so they are no news.
		ErrorLog: slog.NewLogLogger(logr.ToSlogHandler(s.Log), slog.LevelDebug),
	}
	if s.bounds != nil {
		s.bounds(server)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Address)
	if err != nil {
		return fmt.Errorf("%s cannot listen: %w", name, err)
	}
	if s.Tokens && s.CertDir == "" && !loopback(listener.Addr()) {
		_ = listener.Close()
		return fmt.Errorf("%s needs a certificate: bearer tokens do not go over plain HTTP, except on loopback", name)
	}
	if s.CertDir != "" {
		certificates, err := certwatcher.New(filepath.Join(s.CertDir, "tls.crt"), filepath.Join(s.CertDir, "tls.key"))
		if err != nil {
			_ = listener.Close()
			return fmt.Errorf("the certificate of %s: %w", name, err)
		}
		go func() {
			if err := certificates.Start(ctx); err != nil {
				s.Log.Error(err, "A certificate is not watched; a new one needs a restart", "of", name)
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
	s.Log.Info("Serving", "what", name, "address", listener.Addr().String(), "tls", s.CertDir != "")

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("%s stopped: %w", name, err)
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		_ = server.Close()
		return fmt.Errorf("%s did not finish in %s: %w", name, shutdownTimeout, err)
	}
	return nil
}

// certified waits for the certificate, and says whether it is there: false means that ctx is done.
func (s *Server) certified(ctx context.Context, name string) bool {
	missing := func() bool {
		for _, file := range []string{"tls.crt", "tls.key"} {
			if _, err := os.Stat(filepath.Join(s.CertDir, file)); err != nil {
				return true
			}
		}
		return false
	}
	if !missing() {
		return true
	}
	s.Log.Info("Waiting for a certificate", "of", name, "directory", s.CertDir)
	ticker := time.NewTicker(certificateInterval)
	defer ticker.Stop()
	for missing() {
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
	return true
}

func loopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
