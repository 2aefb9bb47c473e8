// Package textfile reads the text files that people write.
package textfile

import (
	"bytes"
	"io"
	"os"

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

// Text is the text of a file, as NewReader reads it, of which any part can be read.
type Text struct {
	io.ReaderAt
	file *os.File
}

// Open opens a file. The text of one in UTF-16 is held in memory.
func Open(name string) (*Text, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	var mark [3]byte
	n, err := file.ReadAt(mark[:], 0)
	if err != nil && err != io.EOF { //nolint:errorlint // ReadAt returns it bare
		_ = file.Close() // only read
		return nil, err
	}
	switch marked := mark[:n]; {
	case bytes.HasPrefix(marked, []byte("\xef\xbb\xbf")):
		return &Text{io.NewSectionReader(file, 3, 1<<62), file}, nil
	case bytes.HasPrefix(marked, []byte("\xff\xfe")), bytes.HasPrefix(marked, []byte("\xfe\xff")):
		text, err := io.ReadAll(NewReader(file))
		if err != nil {
			_ = file.Close() // only read
			return nil, err
		}
		return &Text{bytes.NewReader(text), file}, nil
	default:
		return &Text{file, file}, nil
	}
}

// Close closes the file.
func (t *Text) Close() error { return t.file.Close() }

func decoder() transform.Transformer { return unicode.BOMOverride(transform.Nop) }
