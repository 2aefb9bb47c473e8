package rules_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"sigs.k8s.io/yaml"
)

// docs/rules.md says of every sentence of the documents what it is here, and which test proves it. These tests hold it to the
// policies, the tests and the quotations that are in the repository.

const repository = "../.."

// documented are the policies that docs/rules.md has a table for, with the numbers that comments give to their documents.
var documented = map[string]string{
	"chat-api": "seeds/000", "botmaker": "seeds/001", "taqnyat": "seeds/002", "quality-based": "seeds/003", "netcore": "seeds/004", "meta-2025": "",
}

// section is the part of the page about one policy.
type section struct {
	source string
	rows   []row
	text   string // all of it
}

type row struct{ sentence, here, proof string }

// rulesPage reads the page: the text before the tables of the policies, and those by policy.
func rulesPage(t *testing.T) (string, map[string]section) {
	t.Helper()
	parts := strings.Split(read(t, "docs/rules.md"), "\n## ")
	sections := map[string]section{}
	for _, part := range parts[1:] {
		head, text, _ := strings.Cut(part, "\n")
		policy, source, ok := strings.Cut(head, ": ")
		if !ok {
			continue
		}
		s := section{source: source, text: part}
		for line := range strings.Lines(text) {
			cells := cells(line)
			if len(cells) == 0 || cells[0] == "sentence" || cells[0] == "rule" || strings.HasPrefix(cells[0], "---") {
				continue
			}
			if len(cells) != 3 {
				t.Fatalf("%s: a row has %d cells: %s", policy, len(cells), line)
			}
			s.rows = append(s.rows, row{cells[0], cells[1], cells[2]})
		}
		sections[policy] = s
	}
	if len(sections) != len(documented) {
		t.Fatalf("there are tables of %d policies, not of %d", len(sections), len(documented))
	}
	return parts[0], sections
}

// cells are those of a line of a table, none for another line.
func cells(line string) []string {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "|") {
		return nil
	}
	line = strings.ReplaceAll(line, `\|`, "\x00")
	var cells []string
	for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
		cells = append(cells, strings.ReplaceAll(strings.TrimSpace(cell), "\x00", "|"))
	}
	return cells
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(repository, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

var code = regexp.MustCompile("`([^`]+)`")

func codes(text string) []string {
	var all []string
	for _, match := range code.FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	return all
}

func TestEachRuleOfThePageIsInItsFile(t *testing.T) {
	head, _ := rulesPage(t)
	n := 0
	for line := range strings.Lines(head) {
		cells := cells(line)
		if len(cells) != 3 || cells[0] == "rule" || strings.HasPrefix(cells[0], "---") {
			continue
		}
		n++
		if cells[0] != strconv.Itoa(n) {
			t.Errorf("rule %d goes by %s", n, cells[0])
		}
		if file := strings.Trim(cells[2], "`"); !strings.Contains(read(t, "internal/rules/"+file), "// Rule "+cells[0]+". ") {
			t.Errorf("rule %s is not in %s", cells[0], file)
		}
	}
	if n != 10 {
		t.Errorf("the page has %d rules, not 10", n)
	}
}

// Every value of a policy stands in its table, and every value in the table is the policy's.
func TestThePageHasTheValuesOfThePolicies(t *testing.T) {
	_, sections := rulesPage(t)
	for policy, s := range sections {
		var resource struct{ Spec map[string]any }
		if err := yaml.Unmarshal([]byte(read(t, "config/policies/"+policy+".yaml")), &resource); err != nil {
			t.Fatal(err)
		}
		if source := resource.Spec["source"]; s.source != source {
			t.Errorf("%s: the heading has the source %s, the policy %v", policy, s.source, source)
		}
		delete(resource.Spec, "source")
		values := map[string]string{}
		flatten(values, "", resource.Spec)
		said := map[string]bool{}
		for _, r := range s.rows {
			for _, text := range codes(r.here) {
				field, value, ok := strings.Cut(text, ": ")
				if !ok {
					continue
				}
				if values[field] != value {
					t.Errorf("%s: the page says %s: %s, the policy %q", policy, field, value, values[field])
				}
				said[field] = true
			}
		}
		for field, value := range values {
			if !said[field] {
				t.Errorf("%s: the page lacks %s: %s", policy, field, value)
			}
		}
	}
}

// flatten writes the values of a policy by the path of their field; tiers go by their names.
func flatten(into map[string]string, path string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for name, field := range value {
			at := strings.TrimPrefix(path+"."+name, ".")
			if name != "tiers" {
				flatten(into, at, field)
				continue
			}
			for _, tier := range field.([]any) {
				tier := tier.(map[string]any)
				at := at + "." + tier["name"].(string)
				into[at] = "unlimited"
				if limit, ok := tier["limit"]; ok {
					into[at] = fmt.Sprint(limit)
				}
				if up, ok := tier["upgrade"]; ok {
					flatten(into, at+".upgrade", up)
				}
			}
		}
	case []any:
		var all []string
		for _, v := range value {
			all = append(all, fmt.Sprint(v))
		}
		into[path] = "[" + strings.Join(all, ", ") + "]"
	default:
		into[path] = fmt.Sprint(value)
	}
}

// Every row has proofs, and each of them is there: the line in the timeline, or the test, with its case, in the file.
func TestEveryProofOfThePageIsThere(t *testing.T) {
	_, sections := rulesPage(t)
	for policy, s := range sections {
		if len(s.rows) < 10 {
			t.Errorf("%s: the table has %d rows", policy, len(s.rows))
		}
		for _, r := range s.rows {
			proofs := codes(r.proof)
			if len(proofs) == 0 || strings.TrimSpace(code.ReplaceAllString(r.proof, "")) != "" {
				t.Errorf("%s: %q is proved by %q: there must be timelines and tests, each in code, and nothing else", policy, r.sentence, r.proof)
			}
			for _, proof := range proofs {
				file, what, ok := strings.Cut(proof, ": ")
				var err error
				switch {
				case !ok:
					err = fmt.Errorf("it must be FILE: TEST, FILE: TEST: CASE or TIMELINE: LINE")
				case strings.HasSuffix(file, ".txt"):
					err = inTimeline(t, file, what)
				default:
					test, name, _ := strings.Cut(what, ": ")
					err = inTest(filepath.Join(repository, file), test, name)
				}
				if err != nil {
					t.Errorf("%s: the proof %q of %q: %v", policy, proof, r.sentence, err)
				}
			}
		}
	}
}

func inTimeline(t *testing.T, file, line string) error {
	t.Helper()
	folder := "internal/rules/testdata/timelines"
	if _, err := os.Stat(filepath.Join(repository, folder, file)); err != nil {
		folder = "internal/simulate/testdata/timelines"
	}
	for text := range strings.Lines(read(t, filepath.Join(folder, file))) {
		text, _, _ = strings.Cut(text, "#")
		if strings.Join(strings.Fields(text), " ") == line {
			return nil
		}
	}
	return fmt.Errorf("the timeline has no such line")
}

// inTest says whether the file has the test, and the test a string with the name of the case.
func inTest(file, test, name string) error {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, declaration := range parsed.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || function.Recv != nil || function.Name.Name != test || !strings.HasPrefix(test, "Test") {
			continue
		}
		found := name == ""
		ast.Inspect(function, func(node ast.Node) bool {
			if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				value, err := strconv.Unquote(literal.Value)
				found = found || err == nil && value == name
			}
			return !found
		})
		if !found {
			return fmt.Errorf("%s has no case of that name", test)
		}
		return nil
	}
	return fmt.Errorf("the file has no such test")
}

// plain is a text in lower case without anything but letters, digits and single spaces.
func plain(text string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '%':
			return unicode.ToLower(r)
		case strings.ContainsRune(`'’"“”`, r):
			return -1
		}
		return ' '
	}, text)), " ")
}

// What the policies, the timelines and the rules quote of a document, the page quotes as well.
func TestThePageHasEveryQuotation(t *testing.T) {
	_, sections := rulesPage(t)
	page := map[string]string{}
	for policy, s := range sections {
		var sentences []string
		for _, r := range s.rows {
			sentences = append(sentences, r.sentence)
		}
		page[policy] = plain(strings.Join(sentences, " ")) + " | " + plain(s.text)
	}
	found := map[string]int{}
	check := func(where, policy, comment string) {
		for _, quoted := range quotations(comment) {
			found[policy]++
			if !strings.Contains(page[policy], quoted) {
				t.Errorf("%s quotes %q, which docs/rules.md does not have under %s", where, quoted, policy)
			}
		}
	}
	for policy, seed := range documented {
		check("the policy", policy, comments(read(t, "config/policies/"+policy+".yaml"), "#"))
		if seed == "" {
			continue
		}
		for _, file := range slices.Concat(glob(t, "*.go"), glob(t, "testdata/timelines/*.txt"), glob(t, "../simulate/testdata/timelines/*.txt")) {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			content := read(t, filepath.Join("internal/rules", file))
			if strings.HasSuffix(file, ".txt") {
				if strings.HasPrefix(content, "# "+seed) {
					check(file, policy, comments(content, "#"))
				}
				continue
			}
			for _, said := range strings.Split(comments(content, "//"), "seeds/")[1:] {
				if of, quoted, _ := strings.Cut(said, ":"); "seeds/"+of == seed {
					check(file, policy, quoted)
				}
			}
		}
		if found[policy] < 15 {
			t.Errorf("%s: only %d quotations were found", policy, found[policy])
		}
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	return files
}

// comments is what stands after the mark in all lines. Lines that have none end a comment.
func comments(content, mark string) string {
	var all strings.Builder
	for line := range strings.Lines(content) {
		before, comment, ok := strings.Cut(line, mark)
		switch {
		case !ok:
			all.WriteString("\n")
		case strings.TrimSpace(before) != "":
			all.WriteString("\n" + strings.TrimSpace(comment) + "\n")
		default:
			all.WriteString(" " + strings.TrimSpace(comment))
		}
	}
	return all.String()
}

var quotation = regexp.MustCompile(`"([^"]+)"`)

// quotations are the pieces of what is quoted, in plain letters; "..." stands for what was left out.
func quotations(comment string) []string {
	var all []string
	for paragraph := range strings.SplitSeq(comment, "\n") {
		for _, match := range quotation.FindAllStringSubmatch(paragraph, -1) {
			for piece := range strings.SplitSeq(match[1], "...") {
				if piece = plain(piece); piece != "" {
					all = append(all, piece)
				}
			}
		}
	}
	return all
}
