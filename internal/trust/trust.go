// Package trust makes TLS trust the certificates in a file, by what the file holds at each use: one that was replaced is taken up
// without a restart.
package trust

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
)

// maxSize bounds a file with certificates, in bytes.
const maxSize = 1 << 20

// Config trusts the certificates in a file, in PEM; the system's where it has no name. An error does not name the file, which whoever
// asks knows.
func Config(caFile string) (*tls.Config, error) {
	pem, err := read(caFile)
	if err != nil {
		return nil, err
	}
	return config(pem)
}

// Transports makes a transport that trusts the certificates in a file, and makes it anew when they change.
type Transports struct {
	CAFile string // as of Config

	mu        sync.Mutex
	pem       []byte
	transport *http.Transport
}

// Get is the transport for what the file holds now. Its errors are those of Config.
func (t *Transports) Get() (*http.Transport, error) {
	pem, err := read(t.CAFile)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.transport != nil && bytes.Equal(pem, t.pem) {
		return t.transport, nil
	}
	trusting, err := config(pem)
	if err != nil {
		return nil, err
	}
	if t.transport != nil {
		t.transport.CloseIdleConnections()
	}
	t.pem, t.transport = pem, http.DefaultTransport.(*http.Transport).Clone()
	t.transport.TLSClientConfig = trusting
	return t.transport, nil
}

// read is the content of a file; nil where it has no name.
func read(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	content, err := os.ReadFile(file)
	if e, is := errors.AsType[*os.PathError](err); is {
		return nil, e.Err
	}
	if len(content) > maxSize {
		return nil, fmt.Errorf("has more than %d bytes", maxSize)
	}
	return content, err
}

func config(pem []byte) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if pem != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("holds no certificate in PEM")
		}
	}
	return config, nil
}
