package webhookfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// read is each body, after the line that it begins in, and the error if there is one.
func read(content string) (bodies []string, err error) {
	r := NewReader(strings.NewReader(content), "kept")
	for {
		body, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return bodies, nil
		case err != nil:
			return bodies, err
		}
		bodies = append(bodies, fmt.Sprintf("%d %s", body.Line, body.JSON))
	}
}

// However webhooks are kept, their bodies are read to the byte.
func TestBodiesAreReadHoweverTheyAreKept(t *testing.T) {
	for _, test := range []struct {
		name, content string
		want          []string
	}{
		{"one a line", `{"a":1}` + "\n" + `{"b":"}{\"\\"}` + "\n", []string{`1 {"a":1}`, `2 {"b":"}{\"\\"}`}},
		{"one over several lines", "{\n \"a\": [\n  {}\n ]\n}\n", []string{"1 {\n \"a\": [\n  {}\n ]\n}"}},
		{"one after the other over several lines", "\n{\n}\n\n{\n}", []string{"2 {\n}", "5 {\n}"}},
		{"empty lines, and line ends of Windows", "\r\n{}\r\n\r\n{}\r\n", []string{"2 {}", "4 {}"}},
		{"in an array", "[\n {},\n {}\n]\n", []string{"2 {}", "3 {}"}},
		{"in several arrays", "[{}][] [ ]\n[{}]", []string{"1 {}", "2 {}"}},
		{"with a byte-order mark", "\ufeff{}", []string{"1 {}"}},
		{"none", " \n", nil},
	} {
		got, err := read(test.content)
		if err != nil || strings.Join(got, ";") != strings.Join(test.want, ";") {
			t.Errorf("%s: got %q, %v, want %q", test.name, got, err, test.want)
		}
	}
}

// What is no webhook is an error that names the line, and never quotes it.
func TestWhatIsNoWebhookIsRefused(t *testing.T) {
	const none = "is no webhook: it must be a JSON object, one after the other or in an array"
	for _, test := range []struct{ name, content, want string }{
		{"text", "{}\nhello", "kept line 2: " + none},
		{"a number", "17", "kept line 1: " + none},
		{"an array in an array", "[[{}]]", "kept line 1: " + none},
		{"no comma", "[{}\n{}]", "kept line 2: " + none},
		{"a comma too many", "[{},\n]", "kept line 2: " + none},
		{"a comma without an array", "{},{}", "kept line 1: " + none},
		{"half an array", "[{}\n", "kept line 2: ends within an array"},
		{"half a body", "{}\n{\"a\":\n[", "kept line 2: is no webhook: the JSON object that begins here does not end"},
		{"a line that is cut off", "{}\n{\"a\":\"b\n{}", "kept line 2: is no webhook: a string ends with the line"},
		{"a body that is too long", "{}\n{\"a\":\"" + strings.Repeat("x", MaxBody), "kept line 2: is too long: a webhook may have 3145728 bytes"},
	} {
		if got, err := read(test.content); err == nil || err.Error() != test.want {
			t.Errorf("%s: got %d bodies, %v, want %s", test.name, len(got), err, test.want)
		}
	}
}

// A directory is its files in order of their names, as far as they look like webhooks; what is hidden is not read.
func TestADirectoryIsReadInOrderOfNames(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"2.jsonl": `{"b":1}` + "\n" + `{"c":1}`, "1/10.json": `{"a":1}`, "3.TXT": `{"d":1}`, "4.ndjson": `{"e":1}`,
		"5.md": "no", ".6.json": "no", ".git/7.json": "no",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for body, err := range Bodies(files, nil) {
		if err != nil {
			t.Fatal(err)
		}
		got += fmt.Sprintln(strings.TrimPrefix(body.Where(), dir), string(body.JSON))
	}
	const want = `/1/10.json line 1 {"a":1}
/2.jsonl line 1 {"b":1}
/2.jsonl line 2 {"c":1}
/3.TXT line 1 {"d":1}
/4.ndjson line 1 {"e":1}
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := Files(t.TempDir()); err == nil || !strings.HasSuffix(err.Error(), "has no files that end in .json, .jsonl, .ndjson, .txt") {
		t.Errorf("of an empty directory: %v", err)
	}
}

// Whatever a file holds, a sequence of JSON objects is read as encoding/json reads it, and all else ends in an error.
func FuzzReader(f *testing.F) {
	for _, content := range []string{"{}\n{}", `{"a":"\\\""}[{},{}]`, "[{}", "[{},]", "\ufeff{\n}", "{]", "\xff\xfe{\x00}\x00"} {
		f.Add([]byte(content))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		var want [][]byte
		valid := true
		for decoder := json.NewDecoder(bytes.NewReader(content)); ; {
			var body json.RawMessage
			if err := decoder.Decode(&body); errors.Is(err, io.EOF) {
				break
			} else if err != nil || body[0] != '{' {
				valid = false
				break
			}
			want = append(want, bytes.Clone(body))
		}
		r := NewReader(bytes.NewReader(content), "kept")
		lines := 0
		for i := 0; ; i++ {
			body, err := r.Next()
			if errors.Is(err, io.EOF) {
				if valid && i != len(want) {
					t.Fatalf("%d bodies, want %d", i, len(want))
				}
				return
			}
			if err != nil {
				if valid {
					t.Fatal(err)
				}
				return
			}
			if body.Line < lines || body.JSON[0] != '{' || valid && !bytes.Equal(body.JSON, want[i]) {
				t.Fatalf("line %d after %d: %q", body.Line, lines, body.JSON)
			}
			lines = body.Line
		}
	})
}
