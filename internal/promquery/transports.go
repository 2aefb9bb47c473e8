package promquery

import (
	"bytes"
	"net/http"
	"sync"
)

// transports makes a transport, and makes it anew when the certificates to trust change.
type transports struct {
	mu        sync.Mutex
	pem       []byte
	transport *http.Transport
}

func (t *transports) get(caFile string) (*http.Transport, error) {
	var pem []byte
	if caFile != "" {
		var err error
		if pem, err = read(caFile, maxCA); err != nil {
			return nil, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.transport != nil && bytes.Equal(pem, t.pem) {
		return t.transport, nil
	}
	trust, err := trusting(pem)
	if err != nil {
		return nil, err
	}
	if t.transport != nil {
		t.transport.CloseIdleConnections()
	}
	t.pem, t.transport = pem, http.DefaultTransport.(*http.Transport).Clone()
	t.transport.TLSClientConfig = trust
	return t.transport, nil
}
