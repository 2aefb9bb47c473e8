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
	"strconv"
	"strings"
	"testing"
	"unicode"

	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// documents are the policies that have a page below docs/rules, with the number that comments give to the document.
var documents = map[string]string{
	"chat-api": "seeds/000", "botmaker": "seeds/001", "taqnyat": "seeds/002", "quality-based": "seeds/003", "netcore": "seeds/004", "meta-2025": "",
}

func policyPage(t *testing.T, policy string) string {
	t.Helper()
	return read(t, "docs/rules/"+policy+".md")
}

func TestThereAreTenRules(t *testing.T) {
	headings := regexp.MustCompile(`(?m)^## (\d+)\. `).FindAllStringSubmatch(read(t, "docs/rules.md"), -1)
	for i, heading := range headings {
		if heading[1] != strconv.Itoa(i+1) {
			t.Errorf("rule %d has the number %s", i+1, heading[1])
		}
	}
	if len(headings) != int(v1alpha1.RuleUnlimited) {
		t.Errorf("docs/rules.md has %d rules, the API has %d", len(headings), v1alpha1.RuleUnlimited)
	}
}

func TestThePageOfAPolicyHasItsValues(t *testing.T) {
	for policy := range documents {
		var resource struct{ Spec map[string]any }
		if err := yaml.Unmarshal([]byte(read(t, "config/policies/"+policy+".yaml")), &resource); err != nil {
			t.Fatal(err)
		}
		page := policyPage(t, policy)
		if heading := fmt.Sprintf("# %s: %v\n", policy, resource.Spec["source"]); !strings.HasPrefix(page, heading) {
			t.Errorf("the page of %s does not begin with %q", policy, heading)
		}
		delete(resource.Spec, "source")
		values := map[string]string{}
		flatten(values, "", resource.Spec)
		listed := map[string]bool{}
		for _, row := range rows(page) {
			for _, text := range codes(row[1]) {
				field, value, ok := strings.Cut(text, ": ")
				if !ok {
					continue
				}
				if values[field] != value {
					t.Errorf("%s: the page has %s: %s, the policy %q", policy, field, value, values[field])
				}
				listed[field] = true
			}
		}
		for field, value := range values {
			if !listed[field] {
				t.Errorf("%s: the page lacks %s: %s", policy, field, value)
			}
		}
	}
}

// flatten collects the values of a policy by the paths of their fields. A tier is a path element by its name.
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

func TestEveryProofExists(t *testing.T) {
	scenarios := scenarios(t)
	for policy := range documents {
		for _, row := range rows(policyPage(t, policy)) {
			if len(row) != 3 {
				t.Errorf("%s: a row must have a sentence, what it is here, and proofs: %v", policy, row)
				continue
			}
			proofs := codes(row[2])
			if len(proofs) == 0 || strings.TrimSpace(code.ReplaceAllString(row[2], "")) != "" {
				t.Errorf("%s: %q has the proof %q: it must be scenarios and tests in backquotes", policy, row[0], row[2])
			}
			for _, proof := range proofs {
				name, what, _ := strings.Cut(proof, ": ")
				var err error
				if strings.HasSuffix(name, ".txt") {
					err = findLine(scenarios[name], what)
				} else {
					err = findTest(name, what)
				}
				if err != nil {
					t.Errorf("%s: the proof %q of %q: %v", policy, proof, row[0], err)
				}
			}
		}
	}
}

// scenarios are what numbers live through in tests, by the names of their files.
func scenarios(t *testing.T) map[string]string {
	t.Helper()
	contents := map[string]string{}
	for _, folder := range []string{"internal/rules/testdata", "internal/simulate/testdata"} {
		err := filepath.WalkDir(filepath.Join(repository, folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".txt" {
				return err
			}
			content, err := os.ReadFile(path)
			contents[filepath.Base(path)] += string(content)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return contents
}

func findLine(scenario, line string) error {
	for text := range strings.Lines(scenario) {
		text, _, _ = strings.Cut(text, "#")
		if strings.Join(strings.Fields(text), " ") == line {
			return nil
		}
	}
	return fmt.Errorf("no scenario has the line %q", line)
}

func TestThePageOfAPolicyHasEveryQuotation(t *testing.T) {
	scenarios := scenarios(t)
	quoted := ruleSentences(t)
	for policy, document := range documents {
		// A quotation may go over several sentences, each of which has a row.
		page, found := policyPage(t, policy), 0
		var sentences []string
		for _, row := range rows(page) {
			sentences = append(sentences, row[0])
		}
		page = plain(strings.Join(sentences, " ")) + " | " + plain(page)
		check := func(where, comment string) {
			for _, quoted := range quotations(comment) {
				found++
				if !strings.Contains(page, quoted) {
					t.Errorf("%s quotes %q, which docs/rules/%s.md lacks", where, quoted, policy)
				}
			}
		}
		check("the policy", comments(read(t, "config/policies/"+policy+".yaml")))
		if document != "" {
			check("a rule", strings.Join(quoted[document], "\n"))
		}
		for name, content := range scenarios {
			if document != "" && strings.HasPrefix(content, "# "+document) {
				check(name, comments(content))
			}
		}
		if document != "" && found == 0 {
			t.Errorf("neither the policy %s nor its scenarios quote the document", policy)
		}
	}
}

// ruleSentences are the string literals in the rules that quote a document, by the document.
func ruleSentences(t *testing.T) map[string][]string {
	t.Helper()
	packages, err := filepath.Glob(filepath.Join(repository, "internal", "rules", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	sentences := map[string][]string{}
	for _, path := range packages {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING {
				value, err := strconv.Unquote(literal.Value)
				if document, sentence, found := strings.Cut(value, ": "); err == nil && found && strings.HasPrefix(document, "seeds/") {
					sentences[document] = append(sentences[document], sentence)
				}
			}
			return true
		})
	}
	if len(sentences) == 0 {
		t.Fatal("no rule quotes a document")
	}
	return sentences
}

// plain is a text in lower case, reduced to letters, digits and single spaces.
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

// comments are the comments of a YAML file or a scenario, one paragraph a line.
func comments(content string) string {
	var all strings.Builder
	for line := range strings.Lines(content) {
		before, comment, ok := strings.Cut(line, "#")
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

// quotations are what a comment quotes, in plain letters. "..." separates pieces.
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
