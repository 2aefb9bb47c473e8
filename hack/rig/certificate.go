package rig

import (
	"crypto"
	"errors"
	"os"
	"path/filepath"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// Certificate signs itself. Programs of this machine show it to one another, and trust it.
type Certificate struct{ Folder string }

// NewCertificate makes a certificate of a name.
func NewCertificate(folder, name string) (Certificate, error) {
	c := Certificate{Folder: folder}
	private, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		return c, err
	}
	key, err := keyutil.ParsePrivateKeyPEM(private)
	if err != nil {
		return c, err
	}
	signer, _ := key.(crypto.Signer)
	signed, err := cert.NewSelfSignedCACert(cert.Config{CommonName: name}, signer)
	if err != nil {
		return c, err
	}
	public, err := cert.EncodeCertificates(signed)
	return c, errors.Join(err, os.MkdirAll(folder, 0o700),
		os.WriteFile(c.Key(), private, 0o600), os.WriteFile(c.Public(), public, 0o600), os.WriteFile(c.Authority(), public, 0o600))
}

// Key is the file with the private key.
func (c Certificate) Key() string { return filepath.Join(c.Folder, "tls.key") }

// Public is the file with the certificate.
func (c Certificate) Public() string { return filepath.Join(c.Folder, "tls.crt") }

// Authority is the file with the certificate as one that may sign others.
func (c Certificate) Authority() string { return filepath.Join(c.Folder, "ca.crt") }
