package webhook

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/valyala/fastjson"

	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/journal/pebble"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// BenchmarkHTTP sends signed batches over 64 connections on loopback, to the receiver and to the least server that reads,
// verifies and parses the same requests with the same libraries. Neither stores anything; the client shares the cores.
func BenchmarkHTTP(b *testing.B) {
	f := newFixture(b)
	f.log = logr.Discard()
	f.SetBackend(&ingest.Backend{Ledger: nothing{}, Hasher: nothing{}, Known: func(string) bool { return true }})
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
	store, err := pebble.Open(b.TempDir(), pebble.Options{})
	if err != nil {
		b.Fatal(err)
	}
	l, err := ledger.Open(store, ledger.Options{Secret: store.Secret()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	f.SetBackend(&ingest.Backend{Ledger: l, Hasher: l.Hasher()})
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
