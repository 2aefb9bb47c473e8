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
	"path"
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

func TestEveryThreatAndFuzzTargetHasItsTests(t *testing.T) {
	page := read(t, "docs/security.md")
	section := func(heading string) string {
		_, text, _ := strings.Cut(page, "\n## "+heading+"\n")
		text, _, _ = strings.Cut(text, "\n## ")
		return text
	}
	threats := strings.Split(section("Threats"), "\n- ")[1:]
	if len(threats) == 0 {
		t.Fatal("docs/security.md has no threats")
	}
	for _, threat := range threats {
		_, tests, _ := strings.Cut(threat, "*Tests:*")
		if len(codes(tests)) == 0 {
			t.Errorf("a threat has no tests: %s", threat)
		}
		for _, name := range codes(tests) {
			if err := findTest(name, ""); err != nil {
				t.Errorf("%s: %v", threat, err)
			}
		}
	}
	for _, name := range codes(section("Fuzzing")) {
		if err := findTest(name, ""); strings.HasPrefix(name, "Fuzz") && err != nil {
			t.Error(err)
		}
	}
}

// A package that a reader meets in the tree has a row that says what it is.
func TestEveryPackageHasARow(t *testing.T) {
	named := map[string]bool{}
	for _, row := range rows(read(t, "docs/architecture.md")) {
		for _, name := range codes(row[0]) {
			named[path.Base(name)] = true
		}
	}
	for _, folder := range []string{"api", "internal", "controllers"} {
		packages, err := os.ReadDir(filepath.Join(repository, folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packages {
			if p.IsDir() && !named[p.Name()] {
				t.Errorf("docs/architecture.md does not say what %s/%s is", folder, p.Name())
			}
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)]+)\)`)

func TestEveryLinkLeadsToAFileAndAHeading(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(repository, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join(repository, "docs", "*", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range slices.Concat(pages, more, []string{filepath.Join(repository, "README.md")}) {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(content), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := page
			if target != "" {
				path = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s links to %s: %v", page, match[1], err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(t, path), anchor) {
				t.Errorf("%s links to %s, and there is no such heading", page, match[1])
			}
		}
	}
}

// anchors are those that GitHub makes of the headings of a page.
func anchors(t *testing.T, page string) []string {
	t.Helper()
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(string(content), -1) {
		all = append(all, strings.ReplaceAll(regexp.MustCompile(`[^\w -]`).ReplaceAllString(strings.ToLower(heading[1]), ""), " ", "-"))
	}
	return all
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
