package scaler_test

import (
	"crypto/tls"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/server/servertest"
)

// What a caller can take of the operator is bounded.
func TestCallersAreBounded(t *testing.T) {
	f := newFleet(t)
	f.add("sales", 250, "")
	c := f.client()
	of := ref("phoneNumber", "sales", "targetValue", "50")
	large := ref("phoneNumber", "sales", "targetValue", strings.Repeat("5", 65<<10))
	if _, err := c.IsActive(t.Context(), large); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a large message: %v", err)
	}
	for range 4096 {
		stream, err := c.StreamIsActive(t.Context(), of)
		if err == nil {
			_, err = stream.Recv()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	stream, err := c.StreamIsActive(t.Context(), of)
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one stream too many: %v", err)
	}
	if got, err := c.IsActive(t.Context(), of); err != nil || !got.GetResult() {
		t.Errorf("beside the streams: %v, %v", got, err)
	}
}

// Where there is a certificate, callers come over TLS and no other way; and where certificates of callers are asked for, with one of those.
func TestTheScalerOverTLS(t *testing.T) {
	own, callers, strangers := t.TempDir(), t.TempDir(), t.TempDir()
	for serial, dir := range []string{own, callers, strangers} {
		servertest.Certify(t, dir, int64(serial))
	}
	f := newFleet(t)
	f.add("sales", 250, "")
	over := func(dir string) credentials.TransportCredentials {
		c := &tls.Config{InsecureSkipVerify: true}
		if dir != "" {
			pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
			if err != nil {
				t.Fatal(err)
			}
			c.Certificates = []tls.Certificate{pair}
		}
		return credentials.NewTLS(c)
	}
	open := server.Listener{CertDir: own}
	closed := server.Listener{CertDir: own, ClientCAFile: filepath.Join(callers, "tls.crt")}
	broken := server.Listener{CertDir: own, ClientCAFile: filepath.Join(callers, "gone.crt")}
	for _, test := range []struct {
		name     string
		listener server.Listener
		caller   credentials.TransportCredentials
		code     codes.Code
	}{
		{"over TLS", open, over(""), codes.OK},
		{"without TLS", open, insecure.NewCredentials(), codes.Unavailable},
		{"with a certificate that is asked for", closed, over(callers), codes.OK},
		{"without it", closed, over(""), codes.Unavailable},
		{"with another", closed, over(strangers), codes.Unavailable},
		{"where nobody knows which", broken, over(callers), codes.Unavailable},
	} {
		c, _ := f.serve(test.listener, test.caller)
		if _, err := c.IsActive(t.Context(), ref("phoneNumber", "sales", "targetValue", "50")); status.Code(err) != test.code {
			t.Errorf("%s: %v, want %v", test.name, err, test.code)
		}
	}
}
