package main

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const sample = `package p

func f(a, b int, s []int) int {
	n := a<<1 + b*2
	n++
	if a < b && b != 3 || s == nil {
		n -= -a
		f(n, a, nil)
	}
	for i := 0; i <= n; i++ {
		s[i] = n
	}
	return n % 2
}
`

// What is compiled in for the mutants of a sample: the code stays as it is while none is on, and it compiles.
func TestGuards(t *testing.T) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", sample, 0)
	if err != nil {
		t.Fatal(err)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	if _, err := new(types.Config).Check("p", fset, []*ast.File{file}, info); err != nil {
		t.Fatal(err)
	}
	s := source{fset: fset, info: info, path: "p.go", src: []byte(sample)}
	var kinds []string
	for kind := range replaced {
		kinds = append(kinds, kind)
	}
	var all []*mutant
	ast.Inspect(file, func(n ast.Node) bool {
		for _, stmt := range statements(n) {
			if m := s.without(stmt, len(all)); m != nil {
				all = append(all, m)
			}
		}
		if at, ok := tokenOf(n); ok {
			all = append(all, s.mutants(n, at, kinds, len(all))...)
		}
		return true
	})
	root := t.TempDir()
	path := filepath.Join(root, "p.go")
	if err := os.WriteFile(path, []byte(sample), 0o600); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for i, m := range all {
		if m.id != i+1 || len(m.guarded) == 0 {
			t.Errorf("mutant %d is %d, %s, with %d edits", i+1, m.id, m.text, len(m.guarded))
		}
		texts = append(texts, m.text)
	}
	for _, want := range []string{
		"[without] n++", "[without] n -= -a", "[without] f(n, a, nil)", "[without] s[i] = n", "a<<1 [+ → -] b*2", "b [* → /] 2", "a [<< → >>] 1", "n [++ → --]",
		"a < b && b != 3 [|| → &&] s == nil", "a < b [&& → ||] b != 3", "a [< → <=] b", "a [< → >=] b", "b [!= → ==] 3", "n [-= → +=] -a", "n [-= → =] -a", "[- → +] a",
		"i [<= → <] n", "i [<= → >] n", "n [% → *] 2",
	} {
		if !slices.Contains(texts, want) {
			t.Errorf("there is no %q among\n%s", want, strings.Join(texts, "\n"))
		}
	}

	r := &runner{tree: root}
	restore, err := r.guard(all)
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range []string{"p.go", "zz_mutants.go"} {
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		content = []byte(strings.Replace(string(content), "package .", "package p", 1))
		file, err := parser.ParseFile(fset, name, content, 0)
		if err != nil {
			t.Fatalf("%v:\n%s", err, content)
		}
		files = append(files, file)
	}
	if _, err := (&types.Config{Importer: importer.ForCompiler(fset, "source", nil)}).Check("p", fset, files, nil); err != nil {
		t.Error(err)
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != sample {
		t.Errorf("it is not brought back: %v\n%s", err, content)
	}
	for _, m := range all {
		if len(m.edits) > 0 && string(apply([]byte(sample), m.edits)) == sample {
			t.Errorf("%s changes nothing", m.text)
		}
	}
}

// Changes by hand and accounts are read as they are written, and a change without its place is refused.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	changes, err := readChanges(write("good", "# it breaks\na/b.go\n- one\n\ttwo\n+ three\n\n# it is gone\na/b.go\n- four\n+\n"))
	want := []change{{"a/b.go", "it breaks", "one\n\ttwo", "three"}, {"a/b.go", "it is gone", "four", ""}}
	if err != nil || len(changes) != 2 || changes[0] != want[0] || changes[1] != want[1] {
		t.Errorf("%+v, %v", changes, err)
	}
	if _, err := readChanges(write("bad", "# it breaks\n- one\n+ two\n")); err == nil || !strings.Contains(err.Error(), "bad:3: ") {
		t.Errorf("the error is %v", err)
	}
	accounted, err := readAccounts(write("doc.md", "text\n| where | what | why |\n|---|---|---|\n| `a.go:f` | `x [\\|\\| → &&] y` | the same |\n"))
	if err != nil || len(accounted) != 1 || accounted["a.go:f: x [|| → &&] y"] != "the same" {
		t.Errorf("%v, %v", accounted, err)
	}
	lived, err := livedIn(write("output", "LIVED         a.go:7: f: x [|| → &&] y   1.2s\nkilled        a.go:8: f: z  TestF 10ms\n"))
	if err != nil || len(lived) != 1 || !lived["a.go:f: x [|| → &&] y"] {
		t.Errorf("%v, %v", lived, err)
	}
}

// Each change by hand has its one place in the code as it is now.
func TestTheChangesByHandHaveTheirPlace(t *testing.T) {
	changes, err := readChanges("mutants.txt")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for dir := range tests {
		some, err := changesIn(changes, filepath.Join("..", "..", ".."), dir)
		if err != nil {
			t.Error(err)
		}
		found += len(some)
	}
	if !t.Failed() && found != len(changes) {
		t.Errorf("%d of %d changes are in a package that is changed", found, len(changes))
	}
}
