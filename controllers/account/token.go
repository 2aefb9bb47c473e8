package account

import (
	"context"
	"crypto/sha256"

	"numberfleet.dev/numberfleet/internal/secret"
)

// secretFile reads a file with an app's secret anew at each use; nil if there is none to read.
func secretFile(path string) func(context.Context) (string, error) {
	if path == "" {
		return nil
	}
	return func(context.Context) (string, error) { return secret.Read(path) }
}

// tokenFile holds an access token. It is read anew at each use, so that one that was renewed is used from then on.
type tokenFile struct {
	path string
	sent [sha256.Size]byte // the digest of what was read last
}

func (t *tokenFile) read(context.Context) (string, error) {
	token, err := secret.Read(t.path)
	t.sent = sha256.Sum256([]byte(token))
	return token, err
}

// renewed says whether the file has another token than was read last.
func (t *tokenFile) renewed() bool {
	token, err := secret.Read(t.path)
	return err == nil && sha256.Sum256([]byte(token)) != t.sent
}
