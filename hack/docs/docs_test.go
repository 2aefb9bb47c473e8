// Package docs_test holds pages of docs/ to what is in the repository.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
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

// rows are the cells of the tables of a page, without their heads.
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
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		if !head && !strings.HasPrefix(cells[0], "---") {
			all = append(all, cells)
		}
		head = false
	}
	return all
}

var proof = regexp.MustCompile("`([a-z0-9/_.-]+\\.go):([A-Za-z0-9]+)`")

// Each threat names what stands against it and tests that hold it, and the tests are there.
func TestEveryThreatHasATestThatIsThere(t *testing.T) {
	page := read(t, "docs/security.md")
	_, threats, _ := strings.Cut(page, "\n## Threats\n")
	threats, _, _ = strings.Cut(threats, "\n## ")
	n := 0
	for _, row := range rows(threats) {
		n++
		if len(row) != 3 || !proof.MatchString(row[2]) || strings.Trim(proof.ReplaceAllString(row[2], ""), ", ") != "" {
			t.Errorf("a row does not have a threat, what stands against it, and tests: %v", row)
		}
	}
	if n < 20 {
		t.Errorf("the page has %d threats", n)
	}
	for _, match := range proof.FindAllStringSubmatch(page, -1) {
		if !strings.Contains(read(t, match[1]), "\nfunc "+match[2]+"(") {
			t.Errorf("there is no %s in %s", match[2], match[1])
		}
	}
}

// The page of dependencies and go.mod name the same modules, each with a licence and why it is there.
func TestEveryDependencyIsSaidWhy(t *testing.T) {
	var needed, named []string
	for _, module := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(read(t, "go.mod"), -1) {
		needed = append(needed, module[1]) // those that come along are marked behind their version
	}
	for _, row := range rows(read(t, "docs/dependencies.md")) {
		if len(row) != 3 || row[1] == "" || !strings.HasSuffix(row[2], ".") {
			t.Errorf("a row does not have a module, a licence and a sentence: %v", row)
			continue
		}
		named = append(named, strings.Trim(row[0], "`"))
	}
	slices.Sort(needed)
	if !slices.Equal(needed, named) {
		t.Errorf("go.mod needs\n%s\nthe page names\n%s", strings.Join(needed, "\n"), strings.Join(named, "\n"))
	}
}
