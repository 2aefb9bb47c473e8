package ingest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/valyala/fastjson"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// serve starts the server and returns its address and what stops it.
func serve(t *testing.T, s *Server) (address string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	listening, done := make(chan net.Addr, 1), make(chan error, 1)
	s.Address = "127.0.0.1:0"
	s.listening = func(a net.Addr) { listening <- a }
	go func() { done <- s.Start(ctx) }()
	stop = func() error { cancel(); return <-done }
	select {
	case a := <-listening:
		return a.String(), stop
	case err := <-done:
		cancel()
		t.Fatal(err)
		return "", nil
	}
}

func TestAServerReceivesAndLetsRequestsFinish(t *testing.T) {
	f := newFixture(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	address, stop := serve(t, &Server{Log: f.log, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-leave
		f.ServeHTTP(w, r)
	})})
	body := delivered(1)
	codes := make(chan int, 1)
	go func() {
		req, _ := http.NewRequest(http.MethodPost, "http://"+address+DefaultPath, bytes.NewReader(body))
		req.Header.Set("X-Hub-Signature-256", metatest.Sign(appSecret, body))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			codes <- 0
			return
		}
		_ = resp.Body.Close()
		codes <- resp.StatusCode
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	time.Sleep(20 * time.Millisecond) // for the shutdown to begin
	close(leave)
	if code := <-codes; code != 200 {
		t.Errorf("got %d", code)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestASlowClientIsCutOff(t *testing.T) {
	f := newFixture(t)
	address, stop := serve(t, &Server{Log: f.log, Handler: f, bounds: func(s *http.Server) {
		s.ReadHeaderTimeout, s.ReadTimeout = 100*time.Millisecond, 200*time.Millisecond
	}})
	defer func() { _ = stop() }()
	signature := metatest.Sign(appSecret, delivered(1))
	for name, test := range map[string]struct{ sent, answer string }{
		"in the headers": {"POST " + DefaultPath + " HTTP/1.1\r\nHost: x\r\n", ""},
		"in the body": {
			"POST " + DefaultPath + " HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: " + signature + "\r\nContent-Length: 100\r\n\r\n{",
			"HTTP/1.1 408 Request Timeout",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			defer time.AfterFunc(10*time.Second, func() { _ = c.Close() }).Stop()
			if _, err := io.WriteString(c, test.sent); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(bufio.NewReader(c)) // until the server hangs up
			if err != nil || !strings.HasPrefix(string(answer), test.answer) {
				t.Errorf("got %q, %v", answer, err)
			}
		})
	}
}

func TestAGreatHeaderIsRefused(t *testing.T) {
	f := newFixture(t)
	address, stop := serve(t, &Server{Log: f.log, Handler: f})
	defer func() { _ = stop() }()
	req, _ := http.NewRequest(http.MethodGet, "http://"+address+DefaultPath, nil)
	req.Header.Set("X-Padding", strings.Repeat("x", maxHeader+8<<10))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %d", resp.StatusCode)
	}
}

func TestACertificateIsReplacedWithoutARestart(t *testing.T) {
	f := newFixture(t)
	dir := t.TempDir()
	certify(t, dir, 1)
	address, stop := serve(t, &Server{Log: f.log, Handler: f, CertDir: dir})
	defer func() { _ = stop() }()
	serial := func() string {
		c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			return err.Error()
		}
		defer func() { _ = c.Close() }()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	if got := serial(); got != "1" {
		t.Fatalf("got certificate %s", got)
	}
	time.Sleep(50 * time.Millisecond) // for the watch to begin
	certify(t, dir, 2)
	eventually(t, "the new certificate is served", func() bool { return serial() == "2" })

	old, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	if err == nil {
		_ = old.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

func TestAServerThatCannotStartSaysWhy(t *testing.T) {
	f := newFixture(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for want, s := range map[string]*Server{
		"cannot listen": {Address: taken.Addr().String(), Handler: f, Log: f.log},
		"certificate":   {Address: "127.0.0.1:0", CertDir: t.TempDir(), Handler: f, Log: f.log},
	} {
		if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want one about %s", err, want)
		}
	}
}

// BenchmarkHTTP sends signed batches over 64 connections on loopback, to the receiver and to the least server that reads,
// verifies and parses the same requests with the same libraries. Neither stores anything; the client shares the cores.
func BenchmarkHTTP(b *testing.B) {
	f := newFixture(b)
	f.log = logr.Discard()
	f.SetBackend(&Backend{Ledger: nothing{}, Hasher: nothing{}, Known: func(string) bool { return true }})
	for _, n := range []int{1, 10, 100, 1000} {
		for name, handler := range map[string]http.Handler{"receiver": f, "bare": bare()} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) { benchmarkHTTP(b, handler, n, delivered(n)) })
		}
	}
}

// Webhooks of new messages to a million users, on disk before they are answered: the whole way. Run it with a -benchtime of
// 2000x at most, so that none comes twice.
func BenchmarkHTTPDurable(b *testing.B) {
	const n, webhooks = 100, 2000
	bodies := make([][]byte, webhooks)
	for i := range bodies {
		statuses := make([]metatest.Status, n)
		for j := range statuses {
			id := i*n + j
			statuses[j] = metatest.Status{ID: fmt.Sprint("wamid.", id), Status: "delivered", Phone: fmt.Sprint(15550000000 + id*7919%1_000_000), At: now.Add(-time.Duration(id%86400) * time.Second)}
		}
		bodies[i] = metatest.MessagesPayload(number, statuses, nil)
	}
	f := newFixture(b)
	f.log = logr.Discard()
	book, err := counts.Open(b.TempDir(), counts.Options{Log: logr.Discard()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = book.Close() }()
	f.SetBackend(&Backend{Ledger: book, Hasher: book.Hasher()})
	benchmarkHTTP(b, f, n, bodies...)
}

func bare() http.Handler {
	parsers := fastjson.ParserPool{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil || metatest.Sign(appSecret, body) != r.Header.Get("X-Hub-Signature-256") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		parser := parsers.Get()
		defer parsers.Put(parser)
		root, err := parser.ParseBytes(body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		sum := 0
		for _, status := range root.GetArray("entry", "0", "changes", "0", "value", "statuses") {
			at, _ := strconv.Atoi(string(status.GetStringBytes("timestamp")))
			sum += at + len(status.GetStringBytes("id")) + len(status.GetStringBytes("recipient_id"))
		}
		if sum == 0 {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
}

// benchmarkHTTP posts the bodies in turn, of n statuses each, over 64 connections.
func benchmarkHTTP(b *testing.B, handler http.Handler, n int, bodies ...[]byte) {
	b.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	requests := make([][]byte, len(bodies))
	for i, body := range bodies {
		requests[i] = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\nX-Hub-Signature-256: %s\r\nContent-Length: %d\r\n\r\n%s",
			DefaultPath, metatest.Sign(appSecret, body), len(body), body)
	}
	var turn atomic.Int64
	b.SetParallelism(64 / runtime.GOMAXPROCS(0))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = c.Close() }()
		answer := make([]byte, 1024)
		for pb.Next() {
			if _, err := c.Write(requests[int(turn.Add(1))%len(requests)]); err != nil {
				b.Error(err)
				return
			}
			// An answer without a body comes in one piece.
			if got, err := c.Read(answer); err != nil || !bytes.HasPrefix(answer[:got], []byte("HTTP/1.1 200 OK")) {
				b.Errorf("%q, %v", answer[:got], err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "statuses/s")
}

// certify writes a certificate of its own with the serial number.
func certify(t *testing.T, dir string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: fmt.Sprint(serial)}, NotAfter: time.Unix(4102444800, 0),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	write(t, dir, "tls.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})))
}
