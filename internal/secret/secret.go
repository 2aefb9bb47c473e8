// Package secret reads the secrets that the operator is given in files. Nothing of a secret is in its errors and words.
package secret

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode"

	"numberfleet.dev/numberfleet/internal/textfile"
)

// MaxSize is how long a file may be, in bytes: tokens of Kubernetes and of clouds have some thousand.
const MaxSize = 64 << 10

// ErrEmpty says that a file is there and holds nothing but white space.
var ErrEmpty = errors.New("is empty")

// Read is the content of a file without the white space and the byte-order marks around it, which editors, shells and forms put there.
// An error does not name the file, which whoever asks knows.
func Read(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", withoutPath(err)
	}
	defer func() { _ = f.Close() }() // only read
	content, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return "", withoutPath(err)
	}
	return Parse(content)
}

// Parse is the secret that a file of this content holds, as Read reads it.
func Parse(content []byte) (string, error) {
	if len(content) > MaxSize {
		return "", fmt.Errorf("has more than %d bytes", MaxSize)
	}
	secret := strings.TrimFunc(string(textfile.Decode(content)), isPadding)
	if secret == "" {
		return "", ErrEmpty
	}
	return secret, nil
}

// withoutPath is an error without the path that it begins with.
func withoutPath(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

// isPadding says whether a character at the beginning or the end of a file is not the secret's. One of no width is copied unseen.
func isPadding(r rune) bool {
	switch r {
	case '\ufeff', '\u200b', '\u2060', 0:
		return true
	}
	return unicode.IsSpace(r)
}

// placeholder is what stands in samples where a secret belongs.
var placeholder = regexp.MustCompile(`(?i)^(<.*>|\$\{?[a-z_]+\}?|\{\{.*\}\}|x{3,}|\*+|\.{3,}|(todo|fixme|change[-_ ]?me|replace[-_ ]?me|placeholder|dummy|example|secret|token|password|null|none|undefined|nil)|(your|my|replace|insert|enter)[-_ ].*)$`)

// Doubt is what speaks against it that a text is the secret that was meant; empty if nothing does. It is used all the same.
func Doubt(secret string) string {
	inner := func(r rune) bool { return isPadding(r) || unicode.IsControl(r) }
	switch first, last := secret[0], secret[len(secret)-1]; {
	case len(secret) > 1 && first == last && (first == '"' || first == '\'' || first == '`'):
		return "has quotes around it"
	case placeholder.MatchString(secret):
		return "looks like a placeholder"
	case strings.ContainsFunc(secret, inner):
		return "has white space or control characters within"
	case strings.ContainsFunc(secret, func(r rune) bool { return r > unicode.MaxASCII }):
		return "has characters beyond ASCII"
	default:
		return ""
	}
}
