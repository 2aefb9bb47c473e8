package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"

	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/secret"
)

const readInterval = time.Second // kubelet takes up to about a minute to replace the files

// Credentials are an app's secrets, read from a directory and read again when they change there. Where a file is
// missing or empty the receiver accepts nothing that needs it.
type Credentials struct {
	dir string
	log logr.Logger

	current atomic.Pointer[secrets]
	mu      sync.Mutex // held while reading
	changed func()     // is called when the app secret comes or goes; nil for nobody
}

// NewCredentials reads the directory. That something is missing is no error: it may come.
func NewCredentials(dir string, log logr.Logger) *Credentials {
	c := &Credentials{dir: dir, log: log}
	c.current.Store(&secrets{})
	c.read()
	return c
}

// Watch reads the files again once a second, until ctx is done.
func (c *Credentials) Watch(ctx context.Context) {
	wait.UntilWithContext(ctx, func(context.Context) { c.read() }, readInterval)
}

// read reads all files. One that is missing or unreadable counts as empty: secret.Watcher tells of it. Files of before and after a change may be
// mixed until they are read again.
func (c *Credentials) read() {
	c.mu.Lock()
	defer c.mu.Unlock()
	file := func(name string) string {
		content, err := secret.Read(filepath.Join(c.dir, name))
		if err != nil {
			return ""
		}
		return content
	}
	read, before := secretFiles{app: file(config.AppSecretKey), previous: file(config.PreviousAppSecretKey), token: file(config.VerifyTokenKey)}, c.get()
	if read == before.files {
		return
	}
	c.current.Store(newSecrets(read))
	c.log.Info("Webhook credentials were read", "directory", c.dir, "secrets", len(c.get().keys))
	if before.ready() != c.get().ready() && c.changed != nil {
		c.changed()
	}
}

func (c *Credentials) get() *secrets { return c.current.Load() }

// subscribe has changed called, without waiting for anything, whenever the app secret comes or goes.
func (c *Credentials) subscribe(changed func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed = changed
}

// secretFiles are what the files hold, empty where there is none.
type secretFiles struct{ app, previous, token string }

// secrets are one state of the credentials. The zero value accepts nothing.
type secrets struct {
	files secretFiles
	keys  []*key // of the app, one of which must have signed a body
}

func newSecrets(files secretFiles) *secrets {
	s := &secrets{files: files}
	// The previous secret alone is none: it is there to be taken out of use.
	if files.app != "" {
		s.keys = append(s.keys, newKey(files.app))
		if files.previous != "" {
			s.keys = append(s.keys, newKey(files.previous))
		}
	}
	return s
}

// ready reports whether there is a secret that a body can be signed with.
func (s *secrets) ready() bool { return len(s.keys) > 0 }

// verifyToken reports whether token is the verify token. The time it takes tells nothing about it, not even its length.
func (s *secrets) verifyToken(token string) bool {
	want, got := sha256.Sum256([]byte(s.files.token)), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && s.files.token != ""
}

// verifyBody reports whether one of the keys gives the body that signature.
func (s *secrets) verifyBody(body []byte, signature *signature) bool {
	return slices.ContainsFunc(s.keys, func(k *key) bool { return k.verify(body, signature) })
}

type signature [sha256.Size]byte

// signatureOf reads the one header X-Hub-Signature-256.
func signatureOf(header http.Header) (signature, bool) {
	values := header["X-Hub-Signature-256"]
	if len(values) != 1 {
		return signature{}, false
	}
	return parseSignature(values[0])
}

// parseSignature reads the value of that header.
func parseSignature(header string) (signature, bool) {
	var s signature
	digits, ok := strings.CutPrefix(header, "sha256=")
	if !ok || len(digits) != hex.EncodedLen(len(s)) {
		return s, false
	}
	_, err := hex.Decode(s[:], []byte(digits))
	return s, err == nil
}

// key makes signatures with one secret. It uses an HMAC again, which hashes the secret once only.
type key struct{ macs sync.Pool } // of hash.Hash

func newKey(secret string) *key {
	return &key{macs: sync.Pool{New: func() any { return hmac.New(sha256.New, []byte(secret)) }}}
}

func (k *key) verify(body []byte, want *signature) bool {
	mac := k.macs.Get().(hash.Hash)
	defer k.macs.Put(mac)
	mac.Reset()
	mac.Write(body)
	var sum signature
	return hmac.Equal(mac.Sum(sum[:0]), want[:])
}
