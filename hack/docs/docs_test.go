// Package docs_test compares the pages of docs/ with the repository: what they name must exist. Tests are named without their files,
// so that files can move.
package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const repository = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(repository, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// rows are the cells of the tables of a page, without the heads of the tables.
func rows(page string) [][]string {
	var all [][]string
	head := true
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			head = true
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(strings.ReplaceAll(line, `\|`, "\x00"), "|"), "|") {
			cells = append(cells, strings.ReplaceAll(strings.TrimSpace(cell), "\x00", "|"))
		}
		if !head && !strings.HasPrefix(cells[0], "---") {
			all = append(all, cells)
		}
		head = false
	}
	return all
}

var code = regexp.MustCompile("`([^`]+)`")

// codes are the pieces of a text that stand in backquotes.
func codes(text string) []string {
	var all []string
	for _, match := range code.FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	return all
}

// testFunctions are the tests and fuzz targets of the repository by name. Several packages may have one of the same name.
var testFunctions = sync.OnceValues(func() (map[string][]*ast.FuncDecl, error) {
	functions := map[string][]*ast.FuncDecl{}
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declaration := range file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
				functions[f.Name.Name] = append(functions[f.Name.Name], f)
			}
		}
		return nil
	})
	return functions, err
})

// findTest is an error unless the repository has a test of that name. If a case is named, the test must contain that string.
func findTest(name, testCase string) error {
	all, err := testFunctions()
	if err != nil {
		return err
	}
	if len(all[name]) == 0 {
		return fmt.Errorf("there is no test %s", name)
	}
	found := testCase == ""
	for _, function := range all[name] {
		ast.Inspect(function, func(node ast.Node) bool {
			if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				value, err := strconv.Unquote(literal.Value)
				found = found || err == nil && value == testCase
			}
			return !found
		})
	}
	if !found {
		return fmt.Errorf("%s has no case %q", name, testCase)
	}
	return nil
}

func TestEveryThreatNamesATestThatExists(t *testing.T) {
	page := read(t, "docs/security.md")
	_, threats, _ := strings.Cut(page, "\n## Threats\n")
	threats, _, _ = strings.Cut(threats, "\n## ")
	table := rows(threats)
	if len(table) == 0 {
		t.Fatal("docs/security.md has no table of threats")
	}
	for _, row := range table {
		if len(row) != 3 || len(codes(row[2])) == 0 {
			t.Errorf("a row must have a threat, its countermeasure and tests: %v", row)
			continue
		}
		for _, name := range codes(row[2]) {
			if err := findTest(name, ""); err != nil {
				t.Errorf("%s: %v", row[0], err)
			}
		}
	}
}

func TestEveryDependencyHasALicenceAndAReason(t *testing.T) {
	var needed, named []string
	for _, module := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(read(t, "go.mod"), -1) {
		needed = append(needed, module[1]) // indirect ones have a comment behind their version
	}
	for _, row := range rows(read(t, "docs/dependencies.md")) {
		if len(row) != 3 || row[1] == "" || !strings.HasSuffix(row[2], ".") {
			t.Errorf("a row must have a module, a licence and a sentence: %v", row)
			continue
		}
		named = append(named, strings.Trim(row[0], "`"))
	}
	slices.Sort(needed)
	if !slices.Equal(needed, named) {
		t.Errorf("go.mod needs\n%s\ndocs/dependencies.md names\n%s", strings.Join(needed, "\n"), strings.Join(named, "\n"))
	}
}
