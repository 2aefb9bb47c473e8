// Package textfile reads the text files that people write.
package textfile

import (
	"io"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// NewReader reads text as UTF-8 and without the byte-order mark that some editors and shells begin a file with. Text that begins
// with the mark of UTF-16 is read as that. Any other is as it comes.
func NewReader(r io.Reader) io.Reader {
	return transform.NewReader(r, decoder())
}

// Decode is text that is in memory, read in the same way.
func Decode(text []byte) []byte {
	decoded, _, err := transform.Bytes(decoder(), text)
	if err != nil {
		return text // nothing that a decoder could not read is marked, so this does not happen
	}
	return decoded
}

func decoder() transform.Transformer { return unicode.BOMOverride(transform.Nop) }
