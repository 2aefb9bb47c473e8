package textfile

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// Text is the same however the editor that wrote it marks its encoding; what has no mark is not touched.
func TestTextIsReadWithoutItsByteOrderMark(t *testing.T) {
	for _, test := range []struct{ name, file, want string }{
		{"no mark", "größe\n", "größe\n"},
		{"no UTF-8 and no mark", "gr\xf6\xdfe", "gr\xf6\xdfe"},
		{"UTF-8", "\ufeffgröße\n", "größe\n"},
		{"a mark further on", "a\ufeffb", "a\ufeffb"},
		{"UTF-16, as PowerShell writes it", "\xff\xfea\x00\xf6\x00\n\x00", "aö\n"},
		{"UTF-16, the other way round", "\xfe\xff\x00a\x00\xf6", "aö"},
		{"a mark alone", "\ufeff", ""},
		{"nothing", "", ""},
	} {
		got, err := io.ReadAll(NewReader(iotest.OneByteReader(strings.NewReader(test.file))))
		if err != nil || string(got) != test.want {
			t.Errorf("%s: got %q, %v, want %q", test.name, got, err, test.want)
		}
		path := filepath.Join(t.TempDir(), "text")
		if err := os.WriteFile(path, []byte(test.file), 0o600); err != nil {
			t.Fatal(err)
		}
		for from := range len(test.want) + 1 {
			if got := readFrom(t, path, from); got != test.want[from:] {
				t.Errorf("%s, from byte %d: got %q, want %q", test.name, from, got, test.want[from:])
			}
		}
		if got := Decode([]byte(test.file)); string(got) != test.want {
			t.Errorf("%s, in memory: got %q, want %q", test.name, got, test.want)
		}
	}
}

// readFrom reads all of a file's text from a byte on.
func readFrom(t *testing.T, path string, from int) string {
	t.Helper()
	text, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = text.Close() }()
	got, err := io.ReadAll(io.NewSectionReader(text, int64(from), 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}
