package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/util/cert"

	"numberfleet.dev/numberfleet/hack/rig"
)

// proxy stands between the operator and the API server, and disturbs requests when asked to.
type proxy struct {
	address string
	server  *http.Server
	late    atomic.Bool // the API server took longer than lateAfter to answer a request for a lease, while nothing disturbed it

	mu          sync.Mutex
	disturbance disturbance
	random      *rand.Rand
	made        map[string]int // disturbed requests by kind
}

// disturbance is what happens to requests. Shares are from 0 to 1.
type disturbance struct {
	paused    bool    // requests wait
	throttled float64 // are answered with 429
	conflict  float64 // status writes are answered with 409, as if another had written
	failed    float64 // are answered with 5xx, and never arrive
	lost      float64 // are done, and answered with 5xx or not at all
}

// lateAfter is less than a replica waits for an answer about its lease, 2 s. Where the machine is so busy, a leader may lose its lease, and end.
const lateAfter = 1500 * time.Millisecond

func startProxy(to *rig.ControlPlane) (*proxy, error) {
	target, err := url.Parse(to.URL())
	if err != nil {
		return nil, err
	}
	certificate, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{address: "https://" + listener.Addr().String(), random: rand.New(rand.NewPCG(1, 1)), made: map[string]int{}} // #nosec G404 -- trouble, not secrets
	quiet := log.New(io.Discard, "", 0)                                                                                      // broken connections are what it is for
	pass := &httputil.ReverseProxy{
		ErrorLog:      quiet,
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}, // #nosec G402 -- our own server on loopback
		FlushInterval: -1,
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	p.server = &http.Server{
		ErrorLog:          quiet,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(pass, w, r) }),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}},
		ReadHeaderTimeout: time.Minute,
	}
	go func() { _ = p.server.ServeTLS(listener, "", "") }()
	return p, nil
}

// make disturbs requests from now on; the zero value ends that.
func (p *proxy) make(t disturbance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.disturbance = t
}

// next says what happens to a request.
func (p *proxy) next(statusWrite bool) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	dice, what := p.random.Float64(), ""
	for _, of := range []struct {
		what  string
		share float64
	}{{"throttled", p.disturbance.throttled}, {"failed", p.disturbance.failed}, {"lost", p.disturbance.lost}} {
		if dice -= of.share; dice < 0 && what == "" {
			what = of.what
		}
	}
	if statusWrite && p.random.Float64() < p.disturbance.conflict {
		what = "conflict"
	}
	if p.disturbance.paused {
		what = "paused"
	}
	if what != "" {
		p.made[what]++
	}
	return what
}

func (p *proxy) serve(pass http.Handler, w http.ResponseWriter, r *http.Request) {
	watch := r.URL.Query().Get("watch") != ""
	switch what := p.next(r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/status")); what {
	case "":
		if strings.Contains(r.URL.Path, "/leases/") {
			late := time.AfterFunc(lateAfter, func() { p.late.Store(true) }) // before who asked gives up, and ends
			defer late.Stop()
		}
		pass.ServeHTTP(w, r)
	case "paused":
		for p.isPaused() {
			select {
			case <-r.Context().Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
		pass.ServeHTTP(w, r)
	case "throttled":
		w.Header().Set("Retry-After", "1")
		fail(w, http.StatusTooManyRequests, "TooManyRequests")
	case "conflict":
		fail(w, http.StatusConflict, "Conflict")
	case "failed":
		code := []int{500, 502, 503, 504}[p.pick(4)]
		fail(w, code, map[int]string{500: "InternalError", 502: "", 503: "ServiceUnavailable", 504: "Timeout"}[code])
	case "lost":
		if watch {
			fail(w, http.StatusInternalServerError, "InternalError")
			return
		}
		pass.ServeHTTP(&nowhere{header: http.Header{}}, r)
		if p.pick(2) == 0 {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		fail(w, http.StatusInternalServerError, "InternalError")
	}
}

func (p *proxy) pick(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.random.IntN(n)
}

func (p *proxy) isPaused() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.disturbance.paused
}

func fail(w http.ResponseWriter, code int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"message":"torture","code":%d}`, reason, code)
}

// nowhere is where the answer of the API server goes when it is lost.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n *nowhere) WriteHeader(int)             {}
