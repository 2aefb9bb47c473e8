// Package promtest runs a real Prometheus for tests, and a sender for it to scrape.
package promtest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// A Prometheus is asked so often, with a pause between, whether it is ready: a machine may have other things to do.
const (
	patience = 1200
	pause    = 50 * time.Millisecond
)

// Server is a Prometheus on loopback.
type Server struct {
	URL string

	t       testing.TB
	program string
	folder  string
	address string
	running *exec.Cmd
	log     bytes.Buffer
}

// Options are what a Prometheus scrapes and evaluates.
type Options struct {
	// Targets are the addresses that are scraped.
	Targets []string
	// Token, if there is one, is what to say to the targets, which then serve HTTPS with certificates of their own.
	Token string
	// Labels are those of the targets. Labels of what is scraped stand before them.
	Labels map[string]string
	// Rules is a file of rules; empty for none.
	Rules string
}

// Start runs the program that the environment's PROMETHEUS names, or bin/prometheus of the repository, until the test ends. It
// scrapes the targets and evaluates the rules five times a second.
func Start(t testing.TB, root string, options *Options) *Server {
	t.Helper()
	program, err := filepath.Abs(cmp.Or(os.Getenv("PROMETHEUS"), filepath.Join(root, "bin", "prometheus")))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, program: program, folder: t.TempDir(), address: listener.Addr().String()}
	s.URL = "http://" + s.address
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	scrape := map[string]any{
		"job_name": "test", "honor_labels": true, "static_configs": []any{map[string]any{"targets": options.Targets, "labels": options.Labels}},
	}
	if options.Token != "" {
		scrape["scheme"], scrape["authorization"] = "https", map[string]any{"credentials": options.Token}
		scrape["tls_config"] = map[string]any{"insecure_skip_verify": true}
	}
	config := map[string]any{
		"global":         map[string]any{"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"},
		"scrape_configs": []any{scrape},
	}
	if options.Rules != "" {
		config["rule_files"] = []any{options.Rules}
	}
	content, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.folder, "prometheus.yml"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Resume()
	t.Cleanup(s.Stop)
	return s
}

// Resume starts it, with what it knew when it was stopped.
func (s *Server) Resume() {
	s.t.Helper()
	// Not bound to the test's context, which ends before the clean-up: it is stopped there.
	s.running = exec.CommandContext(context.WithoutCancel(s.t.Context()), s.program, //nolint:gosec // what runs is what the Makefile built
		"--config.file="+filepath.Join(s.folder, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(s.folder, "data"),
		"--web.listen-address="+s.address, "--log.level=warn")
	s.running.Stdout, s.running.Stderr = &s.log, &s.log
	if err := s.running.Start(); err != nil {
		s.running = nil
		s.t.Fatalf("there is no Prometheus: run make test, or make bin/prometheus: %v", err)
	}
	for range patience {
		if s.ready() {
			return
		}
		time.Sleep(pause)
	}
	s.Stop()
	s.t.Fatalf("Prometheus is not ready: %s", s.log.String())
}

func (s *Server) ready() bool {
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.URL+"/-/ready", http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode == http.StatusOK
}

// Stop ends it; what it knows is kept.
func (s *Server) Stop() {
	if s.running == nil {
		return
	}
	if err := s.running.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Error(err)
	}
	if err := s.running.Wait(); err != nil {
		s.t.Errorf("Prometheus ended with %v: %s", err, s.log.String())
	}
	s.running = nil
}

// Sender is a program that sends messages, as far as a Prometheus sees it: its metrics.
type Sender struct {
	URL string

	mu     sync.Mutex
	values map[string]float64 // by series
}

// NewSender runs it until the test ends.
func NewSender(t testing.TB) *Sender {
	t.Helper()
	s := &Sender{values: map[string]float64{}}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Set makes a series like sent_users{number="15550200001"} have a value.
func (s *Sender) Set(series string, value float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[series] = value
}

// Remove takes a series away.
func (s *Sender) Remove(series string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, series)
}

func (s *Sender) serve(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	for series, value := range s.values {
		_, _ = fmt.Fprintf(w, "%s %v\n", series, value)
	}
}
