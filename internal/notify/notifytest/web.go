package notifytest

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Post is a request that came.
type Post struct {
	Header http.Header
	Path   string
	Body   string
}

// WebServer is an HTTP server on loopback that keeps what is posted to it.
type WebServer struct {
	URL    string
	CAFile string // empty without TLS

	mu       sync.Mutex
	posts    []Post
	attempts int
	answer   func(http.ResponseWriter) bool
}

// NewWebServer starts one that stops with the test.
func NewWebServer(t testing.TB, withTLS bool) *WebServer {
	t.Helper()
	w := &WebServer{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(w.serve))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if withTLS {
		cert, ca := certificate(t)
		w.CAFile = ca
		server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	w.URL = server.URL
	return w
}

func (w *WebServer) serve(response http.ResponseWriter, request *http.Request) {
	body, _ := io.ReadAll(request.Body)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts++
	if w.answer != nil && w.answer(response) {
		return
	}
	w.posts = append(w.posts, Post{Header: request.Header, Path: request.URL.Path, Body: string(body)})
	response.WriteHeader(http.StatusOK)
}

// Answer has each further request answered by the function; where it returns false, as one that is taken.
func (w *WebServer) Answer(answer func(http.ResponseWriter) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

// Busy has the next n requests answered with a code.
func (w *WebServer) Busy(n, code int) {
	w.Answer(func(response http.ResponseWriter) bool {
		if n--; n < 0 {
			return false
		}
		response.WriteHeader(code)
		return true
	})
}

// Posts are those that were taken.
func (w *WebServer) Posts() []Post {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Post(nil), w.posts...)
}

// Attempts is how many came.
func (w *WebServer) Attempts() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.attempts
}
