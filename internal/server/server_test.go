package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/server/servertest"
)

// echo answers with the length of a request's body, of a MiB at most.
func echo() http.Handler {
	bodies := server.NewBodies(1<<20, 4<<20)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		err := bodies.Read(w, req, func(body []byte) error {
			_, err := fmt.Fprint(w, len(body))
			return err
		})
		if refusal, refused := errors.AsType[*server.Error](err); refused {
			server.WriteHeader(w, refusal.Code, "text/plain")
		}
	})
}

func TestAServerReceivesAndLetsRequestsFinish(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	handler := echo()
	address, stop := servertest.Serve(t, &server.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-leave
		handler.ServeHTTP(w, r)
	})})
	codes := make(chan int, 1)
	go func() {
		resp, err := http.Post("http://"+address, "text/plain", bytes.NewReader([]byte("body")))
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
	for name, test := range map[string]struct {
		limits       server.Limits
		sent, answer string
	}{
		"in the headers": {server.Limits{ReadHeader: 100 * time.Millisecond}, "POST / HTTP/1.1\r\nHost: x\r\n", ""},
		"in the body":    {server.Limits{Read: 100 * time.Millisecond}, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", "HTTP/1.1 408 Request Timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			address, stop := servertest.Serve(t, &server.Server{Handler: echo(), Limits: test.limits})
			defer func() { _ = stop() }()
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
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
	address, stop := servertest.Serve(t, &server.Server{Handler: echo()})
	defer func() { _ = stop() }()
	req, _ := http.NewRequest(http.MethodGet, "http://"+address, nil)
	req.Header.Set("X-Padding", strings.Repeat("x", 72<<10))
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
	dir := t.TempDir()
	servertest.Certify(t, dir, 1)
	address, stop := servertest.Serve(t, &server.Server{Handler: echo(), Listener: server.Listener{CertDir: dir}})
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
	servertest.Certify(t, dir, 2)
	if !rig.Eventually(t.Context(), func() bool { return serial() == "2" }) {
		t.Error("the new certificate is not served")
	}
}

func TestTLSIsOfToday(t *testing.T) {
	dir := t.TempDir()
	servertest.Certify(t, dir, 1)
	address, stop := servertest.Serve(t, &server.Server{Handler: echo(), Listener: server.Listener{CertDir: dir}})
	defer func() { _ = stop() }()
	for name, config := range map[string]*tls.Config{
		"TLS 1.0": {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10},
		"TLS 1.1": {MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11},
		"RC4":     {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_RC4_128_SHA}},
		"3DES":    {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}},
		"RSA key exchange": {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{
			tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_CBC_SHA,
		}},
		"HTTP/2": {NextProtos: []string{"h2"}},
	} {
		config.InsecureSkipVerify = true
		if c, err := tls.Dial("tcp", address, config); err == nil {
			_ = c.Close()
			t.Errorf("%s is spoken", name)
		}
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
}

func TestAServerThatCannotStartSaysWhy(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	broken := t.TempDir()
	servertest.Write(t, broken, server.CertificateFile, "no certificate")
	servertest.Write(t, broken, server.KeyFile, "no key")
	for want, listener := range map[string]server.Listener{
		"the API cannot listen":                       {Address: taken.Addr().String()},
		"the API has no certificate that can be read": {Address: "127.0.0.1:0", CertDir: broken},
	} {
		s := &server.Server{Name: "the API", Listener: listener, Handler: echo()}
		if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want one about %s", err, want)
		}
	}
}

func TestTokensDoNotGoOverPlainHTTP(t *testing.T) {
	for _, address := range []string{":0", "0.0.0.0:0"} {
		err := (&server.Server{Name: "the API", Listener: server.Listener{Address: address, Tokens: true}, Handler: echo()}).Start(t.Context())
		if err == nil || !strings.Contains(err.Error(), "the API needs a certificate") {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

func TestAServerWaitsForItsCertificate(t *testing.T) {
	listener := server.Listener{Address: "127.0.0.1:0", CertDir: t.TempDir()}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if l, err := listener.Listen(gone); l != nil || err != nil {
		t.Fatalf("it serves without a certificate: %v", err)
	}
	listening := make(chan error, 1)
	go func() {
		l, err := listener.Listen(t.Context())
		if err == nil {
			err = l.Close()
		}
		listening <- err
	}()
	select {
	case err := <-listening:
		t.Fatalf("it serves without a certificate: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	servertest.Certify(t, listener.CertDir, 1)
	if err := <-listening; err != nil {
		t.Error(err)
	}
}
