package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// The files of a directory of certificates: the keys of a Secret of type kubernetes.io/tls.
const (
	CertificateFile = "tls.crt"
	KeyFile         = "tls.key"
)

const certificateInterval = time.Second // between looks for a certificate that is not there yet

// Listener says where and how to listen.
type Listener struct {
	Address string // host:port; port 0 picks one
	// CertDir holds tls.crt and tls.key, which are waited for, and read again when they change. Without it the listener speaks plain HTTP,
	// for setups whose ingress terminates TLS.
	CertDir string
	// Tokens says that callers bring bearer tokens: without CertDir the listener then takes a loopback address only.
	Tokens bool
	// ClientCAFile has certificates, one of which must have signed that of a caller; it is read again for each connection. Optional.
	ClientCAFile string
	// HTTP2 says that the listener speaks HTTP/2 and not HTTP/1.1.
	HTTP2 bool
}

// Listen listens, over TLS where there are certificates, which are watched until ctx is done. It is nil where ctx is done before the
// certificate is there. An error says what it is that the listener cannot do or lacks.
func (l *Listener) Listen(ctx context.Context) (net.Listener, error) {
	if l.CertDir != "" && !l.certified(ctx) {
		return nil, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.Address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w", err)
	}
	if l.CertDir == "" {
		if l.ClientCAFile != "" {
			_ = listener.Close()
			return nil, errors.New("needs a certificate, to ask callers for theirs")
		}
		if l.Tokens && !loopback(listener.Addr()) {
			_ = listener.Close()
			return nil, errors.New("needs a certificate: bearer tokens do not go over plain HTTP, except on loopback")
		}
		return listener, nil
	}
	certificates, err := certwatcher.New(filepath.Join(l.CertDir, CertificateFile), filepath.Join(l.CertDir, KeyFile))
	if err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("has no certificate that can be read: %w", err)
	}
	go func() {
		if err := certificates.Start(ctx); err != nil {
			logr.FromContextOrDiscard(ctx).Error(err, "A certificate is not watched; a new one needs a restart", "directory", l.CertDir)
		}
	}()
	return tls.NewListener(listener, l.tls(certificates)), nil
}

// tls says how TLS is spoken.
func (l *Listener) tls(certificates *certwatcher.CertWatcher) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: certificates.GetCertificate, NextProtos: []string{"http/1.1"}}
	if l.HTTP2 {
		c.NextProtos = []string{"h2"}
	}
	if l.ClientCAFile == "" {
		return c
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	c.SessionTicketsDisabled = true // a caller whose authority is gone does not come back
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		content, err := os.ReadFile(l.ClientCAFile)
		if err != nil {
			return nil, err
		}
		now := c.Clone()
		now.ClientCAs = x509.NewCertPool()
		now.ClientCAs.AppendCertsFromPEM(content) // with none, nobody is let in
		return now, nil
	}
	return c
}

// certified waits for the certificate, and says whether it is there: false means that ctx is done.
func (l *Listener) certified(ctx context.Context) bool {
	there := func(context.Context) (bool, error) {
		_, noCertificate := os.Stat(filepath.Join(l.CertDir, CertificateFile))
		_, noKey := os.Stat(filepath.Join(l.CertDir, KeyFile))
		return noCertificate == nil && noKey == nil, nil
	}
	if now, _ := there(ctx); now {
		return true
	}
	logr.FromContextOrDiscard(ctx).Info("Waiting for a certificate", "directory", l.CertDir)
	return wait.PollUntilContextCancel(ctx, certificateInterval, false, there) == nil
}

func loopback(address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
