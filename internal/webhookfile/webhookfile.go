// Package webhookfile reads webhooks that someone kept: their bodies as they came, in files.
//
// A file holds one JSON object after the other, on a line each or over several lines, or in an array. So one body in a file, one
// a line, and what tools print of many are read alike.
package webhookfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"numberfleet.dev/numberfleet/internal/textfile"
)

// MaxBody is how long a body may be, in bytes: Meta sends up to 3 MB.
const MaxBody = 3 << 20

// Body is one webhook.
type Body struct {
	File   string // as it was named; - for the standard input
	Line   int    // in which it begins, from 1
	Offset int64  // at which it begins in the text of the file, as textfile reads it
	JSON   []byte // valid until the next one is read
}

// Where is the place of a body: its file and line.
func (b Body) Where() string { return where(b.File, b.Line) }

func where(file string, line int) string { return fmt.Sprintf("%s line %d", file, line) }

// Extensions of the files that are read of a directory.
var Extensions = []string{".json", ".jsonl", ".ndjson", ".txt"}

// Files are the files of a name: itself, or those below it in order of their names, if it is a directory. Hidden ones, and those of
// other extensions, are not among them.
func Files(name string) ([]string, error) {
	info, err := os.Stat(name)
	if name == "-" || err != nil || !info.IsDir() {
		return []string{name}, nil //nolint:nilerr // that it cannot be read is said where it is
	}
	var files []string
	err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != name && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case !entry.IsDir() && slices.Contains(Extensions, strings.ToLower(filepath.Ext(path))):
			files = append(files, path)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s has no files that end in %s", name, strings.Join(Extensions, ", "))
	}
	return files, err
}

// Bodies are the webhooks of some files, in their order; - is stdin. After an error, which names the file and mostly the line, there
// are no more.
func Bodies(files []string, stdin io.Reader) iter.Seq2[Body, error] {
	return func(yield func(Body, error) bool) {
		for _, name := range files {
			if !bodiesOf(name, stdin, yield) {
				return
			}
		}
	}
}

// bodiesOf is false where there is no going on.
func bodiesOf(name string, stdin io.Reader, yield func(Body, error) bool) bool {
	from := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			yield(Body{}, err)
			return false
		}
		defer func() { _ = file.Close() }() // only read
		from = file
	}
	r := NewReader(from, name)
	for {
		body, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return true
		case !yield(body, err) || err != nil:
			return false
		}
	}
}

// Reader reads the webhooks of one file. It is for one goroutine.
type Reader struct {
	from    *bufio.Reader
	file    string
	line    int
	offset  int64 // how much was read
	array   bool  // whether the bodies are items of one
	started bool  // whether that has a body
	comma   bool  // whether one stood behind it
	body    []byte
}

// NewReader makes a reader of what goes by that name.
func NewReader(from io.Reader, file string) *Reader {
	return &Reader{from: bufio.NewReaderSize(textfile.NewReader(from), 1<<16), file: file, line: 1}
}

// Next is the next body; io.EOF after the last. Only where it ends is known then, not that it is JSON.
func (r *Reader) Next() (Body, error) {
	begins, err := r.begin()
	if err != nil {
		return Body{}, err
	}
	if err := r.object(begins); err != nil {
		return Body{}, err
	}
	r.started, r.comma = true, false
	return Body{File: r.file, Line: begins, Offset: r.offset - int64(len(r.body)), JSON: r.body}, nil
}

// begin finds the brace that a body begins with, and the line that it is in.
func (r *Reader) begin() (line int, err error) {
	for {
		c, err := r.readByte()
		switch {
		case errors.Is(err, io.EOF) && r.array:
			return 0, r.wrong(r.line, "ends within an array")
		case errors.Is(err, io.EOF):
			return 0, io.EOF
		case err != nil:
			return 0, r.failed(err)
		case c == '\n':
			r.line++
		case c == ' ' || c == '\t' || c == '\r':
		case c == '{' && (!r.array || !r.started || r.comma):
			return r.line, nil
		case c == '[' && !r.array:
			r.array, r.started, r.comma = true, false, false
		case c == ']' && r.array && !r.comma:
			r.array = false
		case c == ',' && r.array && r.started && !r.comma:
			r.comma = true
		default:
			return 0, r.wrong(r.line, "is no webhook: it must be a JSON object, one after the other or in an array")
		}
	}
}

// object reads on to the brace that ends a body.
func (r *Reader) object(begins int) error {
	r.body = append(r.body[:0], '{')
	depth, quoted, escaped := 1, false, false
	for depth > 0 {
		c, err := r.readByte()
		switch {
		case errors.Is(err, io.EOF):
			return r.wrong(begins, "is no webhook: the JSON object that begins here does not end")
		case err != nil:
			return r.failed(err)
		case len(r.body) == MaxBody:
			return r.wrong(begins, fmt.Sprintf("is too long: a webhook may have %d bytes", MaxBody))
		case c == '\n' && quoted:
			return r.wrong(r.line, "is no webhook: a string ends with the line")
		case c == '\n':
			r.line++
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = c == '\\', c != '"'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		r.body = append(r.body, c)
	}
	return nil
}

func (r *Reader) readByte() (byte, error) {
	c, err := r.from.ReadByte()
	if err == nil {
		r.offset++
	}
	return c, err
}

func (r *Reader) wrong(line int, problem string) error {
	return fmt.Errorf("%s: %s", where(r.file, line), problem)
}

func (r *Reader) failed(err error) error { return fmt.Errorf("%s: %w", where(r.file, r.line), err) }
