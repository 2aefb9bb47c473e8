package notify

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"

	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/secret"
)

const maxCA = 1 << 20 // bytes

// Files are read at each use, so that a rotated secret is taken up without a restart.

// secretIn reads the secret in a file that a field names.
func secretIn(field, file string) (string, error) {
	value, err := secret.Read(file)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", field, file, err)
	}
	return value, nil
}

// url is the address to post to: inline, or from a file.
func url(inline, file string) (string, error) {
	if file == "" {
		return inline, nil
	}
	value, err := secretIn("urlFile", file)
	if err != nil {
		return "", err
	}
	if !config.IsURL(value) {
		return "", fmt.Errorf("urlFile %s: must hold an absolute URL with https:// or http:// and a host, and nothing else", file)
	}
	return value, nil
}

func roots(pem []byte, file string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("caFile %s: holds no certificate in PEM", file)
	}
	return pool, nil
}

func read(field, file string, most int64) ([]byte, error) {
	content, err := func() ([]byte, error) {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		return io.ReadAll(io.LimitReader(f, most+1))
	}()
	if err != nil {
		if e, ok := errors.AsType[*os.PathError](err); ok {
			err = e.Err // without the path, which is said already
		}
		return nil, fmt.Errorf("%s %s: %w", field, file, err)
	}
	if int64(len(content)) > most {
		return nil, fmt.Errorf("%s %s: has more than %d bytes", field, file, most)
	}
	return content, nil
}
