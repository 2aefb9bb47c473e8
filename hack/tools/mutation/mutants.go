package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// verdict is what became of a mutant.
type verdict int

const (
	untested verdict = iota
	failed           // a test failed, or the program crashed
	endless          // the tests did not end in time
	survived
	unbuilt // it does not compile
)

func (v verdict) String() string {
	return [...]string{"untested", "killed", "killed (time)", "LIVED", "not viable"}[v]
}

// mutant is one change of the code.
type mutant struct {
	id       int
	path     string // of the file, in the repository
	line     int
	function string
	text     string // what is changed, with the change in brackets
	edits    []edit // of the file that make the mutant alone
	guarded  []edit // that make it one of many in a binary; none if it cannot be
	verdict  verdict
}

func (m *mutant) key() string { return m.path + ":" + m.function + ": " + m.text }

func (m *mutant) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", m.path, m.line, m.function, m.text)
}

// account is a row for the document's table.
func (m *mutant) account() string {
	return fmt.Sprintf("| `%s:%s` | `%s` | | (line %d)", m.path, m.function, strings.ReplaceAll(m.text, "|", `\|`), m.line)
}

// edit replaces bytes of a file.
type edit struct {
	from, to int
	text     string
	closes   bool
	order    int // of edits at one offset that close, or that do not
}

// sortEdits puts edits in order. What ends at an offset closes before anything else opens there; of what opens, the outermost
// comes first, and of what closes, last.
func sortEdits(edits []edit) {
	slices.SortStableFunc(edits, func(a, b edit) int {
		closes := 0
		if a.closes != b.closes {
			closes = 1
			if a.closes {
				closes = -1
			}
		}
		return cmp.Or(cmp.Compare(a.from, b.from), closes, cmp.Compare(a.order, b.order))
	})
}

// replaced is what each kind of gremlins' mutants makes of a token.
var replaced = map[string]map[token.Token]token.Token{
	"ARITHMETIC_BASE":       {token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL, token.REM: token.MUL},
	"INVERT_NEGATIVES":      {token.SUB: token.ADD},
	"CONDITIONALS_BOUNDARY": {token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR},
	"CONDITIONALS_NEGATION": {token.EQL: token.NEQ, token.NEQ: token.EQL, token.LSS: token.GEQ, token.GEQ: token.LSS, token.GTR: token.LEQ, token.LEQ: token.GTR},
	"INCREMENT_DECREMENT":   {token.INC: token.DEC, token.DEC: token.INC},
	"INVERT_LOGICAL":        {token.LAND: token.LOR, token.LOR: token.LAND},
	"INVERT_LOOPCTRL":       {token.BREAK: token.CONTINUE, token.CONTINUE: token.BREAK},
	"INVERT_BITWISE":        {token.AND: token.OR, token.OR: token.AND, token.XOR: token.AND, token.AND_NOT: token.AND, token.SHL: token.SHR, token.SHR: token.SHL},
	"INVERT_ASSIGNMENTS":    {token.ADD_ASSIGN: token.SUB_ASSIGN, token.SUB_ASSIGN: token.ADD_ASSIGN, token.MUL_ASSIGN: token.QUO_ASSIGN, token.QUO_ASSIGN: token.MUL_ASSIGN},
	"INVERT_BWASSIGN": {token.AND_ASSIGN: token.OR_ASSIGN, token.OR_ASSIGN: token.AND_ASSIGN, token.XOR_ASSIGN: token.AND_ASSIGN, token.AND_NOT_ASSIGN: token.AND_ASSIGN,
		token.SHL_ASSIGN: token.SHR_ASSIGN, token.SHR_ASSIGN: token.SHL_ASSIGN},
	"REMOVE_SELF_ASSIGNMENTS": {token.ADD_ASSIGN: token.ASSIGN, token.SUB_ASSIGN: token.ASSIGN, token.MUL_ASSIGN: token.ASSIGN, token.QUO_ASSIGN: token.ASSIGN,
		token.REM_ASSIGN: token.ASSIGN, token.AND_ASSIGN: token.ASSIGN, token.OR_ASSIGN: token.ASSIGN, token.XOR_ASSIGN: token.ASSIGN,
		token.AND_NOT_ASSIGN: token.ASSIGN, token.SHL_ASSIGN: token.ASSIGN, token.SHR_ASSIGN: token.ASSIGN},
}

// find asks gremlins for the mutants of a package.
func find(ctx context.Context, gremlins, tree, dir string) ([]*mutant, error) {
	// It runs the tests for their coverage, which is not needed: in a tree without them there is nothing to build and run.
	bare := tree + "-bare"
	if err := copyTree(ctx, bare); err != nil {
		return nil, err
	}
	testFiles, err := filepath.Glob(filepath.Join(bare, dir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	for _, file := range testFiles {
		if err := os.Remove(file); err != nil {
			return nil, err
		}
	}
	list := filepath.Join(tree, "..", "gremlins.json")
	args := []string{"unleash", "--silent", "--dry-run", "--output", list}
	for kind := range replaced {
		args = append(args, "--"+strings.ToLower(strings.ReplaceAll(kind, "_", "-")))
	}
	cmd := exec.CommandContext(ctx, gremlins, append(args, dir)...)
	cmd.Dir = bare
	cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Dir(tree))
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("gremlins: %w: %s", err, out)
	}
	content, err := os.ReadFile(list)
	if err != nil {
		return nil, err
	}
	var found struct {
		Files []struct {
			Name      string `json:"file_name"`
			Mutations []struct {
				Type         string
				Line, Column int
			}
		}
	}
	if err := json.Unmarshal(content, &found); err != nil {
		return nil, err
	}
	kinds := map[string][]string{} // by position
	for _, f := range found.Files {
		for _, m := range f.Mutations {
			at := fmt.Sprintf("%s:%d:%d", filepath.Base(f.Name), m.Line, m.Column)
			kinds[at] = append(kinds[at], m.Type)
		}
	}

	loaded, err := packages.Load(&packages.Config{Context: ctx, Dir: tree,
		Mode: packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedFiles | packages.NeedImports | packages.NeedDeps | packages.NeedName | packages.NeedExportFile}, "./"+dir)
	if err != nil {
		return nil, err
	}
	if len(loaded) != 1 || len(loaded[0].Errors) > 0 {
		return nil, fmt.Errorf("load %s: %v", dir, loaded[0].Errors)
	}
	pkg := loaded[0]
	var all []*mutant
	for i, file := range pkg.Syntax {
		src, err := os.ReadFile(pkg.GoFiles[i])
		if err != nil {
			return nil, err
		}
		s := source{fset: pkg.Fset, info: pkg.TypesInfo, path: dir + "/" + filepath.Base(pkg.GoFiles[i]), src: src}
		function := ""
		ast.Inspect(file, func(n ast.Node) bool {
			if d, ok := n.(ast.Decl); ok {
				function = declared(d, function)
			}
			for _, stmt := range statements(n) {
				if m := s.without(stmt, len(all)); m != nil {
					m.function, m.line = function, pkg.Fset.Position(stmt.Pos()).Line
					all = append(all, m)
				}
			}
			at, ok := tokenOf(n)
			if !ok {
				return true
			}
			position := pkg.Fset.Position(at.pos)
			where := fmt.Sprintf("%s:%d:%d", filepath.Base(position.Filename), position.Line, position.Column)
			some := s.mutants(n, at, kinds[where], len(all))
			for _, m := range some {
				m.function, m.line = function, position.Line
			}
			all = append(all, some...)
			delete(kinds, where)
			return true
		})
	}
	for where := range kinds {
		return nil, fmt.Errorf("gremlins has a mutant at %s, where nothing is found to change", where)
	}
	return all, nil
}

// declared is the name of a function with its receiver, or of what else is declared.
func declared(d ast.Decl, before string) string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			return d.Name.Name
		}
		t := d.Recv.List[0].Type
		if star, ok := t.(*ast.StarExpr); ok {
			t = star.X
		}
		return types.ExprString(t) + "." + d.Name.Name
	case *ast.GenDecl:
		if before == "" {
			return d.Tok.String()
		}
	}
	return before
}

type place struct {
	tok token.Token
	pos token.Pos
}

func tokenOf(n ast.Node) (place, bool) {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		return place{n.Op, n.OpPos}, true
	case *ast.UnaryExpr:
		return place{n.Op, n.OpPos}, true
	case *ast.AssignStmt:
		return place{n.Tok, n.TokPos}, true
	case *ast.IncDecStmt:
		return place{n.Tok, n.TokPos}, true
	case *ast.BranchStmt:
		return place{n.Tok, n.TokPos}, true
	}
	return place{}, false
}

// source is a file.
type source struct {
	fset *token.FileSet
	info *types.Info
	path string
	src  []byte
}

func (s *source) offset(p token.Pos) int { return s.fset.Position(p).Offset }

// statements are those that a node is a list of.
func statements(n ast.Node) []ast.Stmt {
	switch n := n.(type) {
	case *ast.BlockStmt:
		return n.List
	case *ast.CaseClause:
		return n.Body
	case *ast.CommClause:
		return n.Body
	}
	return nil
}

// without is the mutant without a statement, which gremlins does not make; nil where there is nothing to leave out.
func (s *source) without(stmt ast.Stmt, before int) *mutant {
	switch stmt := stmt.(type) {
	case *ast.ExprStmt:
		call, ok := stmt.X.(*ast.CallExpr)
		if !ok {
			return nil
		}
		if name, ok := call.Fun.(*ast.Ident); ok && name.Name == "panic" {
			return nil
		}
	case *ast.AssignStmt:
		blank := true
		for _, to := range stmt.Lhs {
			name, ok := to.(*ast.Ident)
			blank = blank && ok && name.Name == "_"
		}
		if stmt.Tok == token.DEFINE || blank {
			return nil
		}
	case *ast.IncDecStmt:
	default:
		return nil
	}
	start, stop := s.offset(stmt.Pos()), s.offset(stmt.End())
	id := before + 1
	return &mutant{id: id, path: s.path, text: "[without] " + brief(s.src[start:stop], false), guarded: []edit{
		{from: start, to: start, text: fmt.Sprintf("if !mutantOn(%d) { ", id), order: -2*stop - 1},
		{from: stop, to: stop, text: " }", closes: true, order: -2*start + 1},
	}}
}

// brief is a piece of source on one line, its beginning or its end where that is long.
func brief(src []byte, end bool) string {
	const most = 80
	words := []rune(strings.Join(strings.Fields(string(src)), " "))
	switch {
	case len(words) <= most:
		return string(words)
	case end:
		return "…" + string(words[len(words)-most:])
	default:
		return string(words[:most]) + "…"
	}
}

// mutants are those of the token of a node.
func (s *source) mutants(n ast.Node, at place, kinds []string, before int) []*mutant {
	var all []*mutant
	become := map[token.Token]int{}
	for _, kind := range kinds {
		to, ok := replaced[kind][at.tok]
		if _, again := become[to]; !ok || again {
			continue
		}
		if u, ok := n.(*ast.UnaryExpr); ok && u.Op != token.SUB {
			continue // an address or a complement has no counterpart
		}
		from, end := s.offset(at.pos), s.offset(at.pos)+len(at.tok.String())
		start, stop := s.offset(n.Pos()), s.offset(n.End())
		text := brief(s.src[start:from], true) + " [" + at.tok.String() + " → " + to.String() + "] " + brief(s.src[end:stop], false)
		m := &mutant{id: before + len(all) + 1, path: s.path, text: strings.TrimSpace(text), edits: []edit{{from: from, to: end, text: to.String()}}}
		become[to] = m.id
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil
	}
	// The edits are the same for all mutants of a token, so the first has them.
	if guard := s.guard(n, at, become); guard != nil {
		for _, m := range all {
			m.guarded = guard
		}
	}
	return all
}

// guard makes a call of an expression, in which its mutants are too (see guards.go.tmpl); nil where that cannot be.
func (s *source) guard(n ast.Node, at place, become map[token.Token]int) []edit {
	from, end := s.offset(at.pos), s.offset(at.pos)+len(at.tok.String())
	start, stop := s.offset(n.Pos()), s.offset(n.End())
	call := func(open, middle, last string) []edit {
		return []edit{
			{from: start, to: start, text: open, order: -2 * stop},
			{from: from, to: end, text: middle},
			{from: stop, to: stop, text: last, closes: true, order: -2 * start},
		}
	}
	var only int
	for _, only = range become {
	}
	switch n := n.(type) {
	case *ast.BinaryExpr:
		t := s.info.Types[n]
		if t.Value != nil && t.Value.Kind() != constant.Unknown {
			return nil
		}
		switch at.tok {
		case token.LAND:
			return call(fmt.Sprintf("mutantAnd(%d, ", only), ", func() bool { return (", ") })")
		case token.LOR:
			return call(fmt.Sprintf("mutantOr(%d, ", only), ", func() bool { return (", ") })")
		case token.EQL, token.NEQ:
			return call(fmt.Sprintf("mutantNot(%d, ", only), at.tok.String(), ")")
		case token.LSS, token.LEQ, token.GTR, token.GEQ:
			boundary := become[replaced["CONDITIONALS_BOUNDARY"][at.tok]]
			negation := become[replaced["CONDITIONALS_NEGATION"][at.tok]]
			return call(fmt.Sprintf("mutantCompare(%q, %d, %d, ", at.tok, boundary, negation), ", ", ")")
		case token.SHL, token.SHR:
			if s.info.Types[n.X].Value != nil && !types.Identical(t.Type, types.Typ[types.Int]) {
				return nil // its type follows from where it stands
			}
			return call(fmt.Sprintf("mutantShift(%q, %d, ", at.tok, only), ", ", ")")
		}
		if !integer(t.Type) {
			return nil
		}
		return call(fmt.Sprintf("mutantInteger(%q, %q, %d, ", at.tok, one(become), only), ", ", ")")
	case *ast.UnaryExpr:
		if s.info.Types[n].Value != nil || !integer(s.info.TypeOf(n)) {
			return nil
		}
		return []edit{{from: start, to: end, text: fmt.Sprintf("mutantNegative(%d, ", only), order: -2 * stop}, {from: stop, to: stop, text: ")", closes: true, order: -2 * start}}
	case *ast.IncDecStmt:
		if s.isMapIndex(n.X) {
			return nil
		}
		return call(fmt.Sprintf("mutantStep(%q, %d, &(", at.tok, only), ")", ")")
	case *ast.AssignStmt:
		if len(n.Lhs) != 1 || !integer(s.info.TypeOf(n.Lhs[0])) || s.isMapIndex(n.Lhs[0]) || at.tok == token.SHL_ASSIGN || at.tok == token.SHR_ASSIGN {
			return nil
		}
		set := become[token.ASSIGN]
		other, otherID := token.ILLEGAL, 0
		for tok, id := range become {
			if tok != token.ASSIGN {
				other, otherID = tok, id
			}
		}
		return call(fmt.Sprintf("mutantAssign(%q, %q, %d, %d, &(", at.tok, other, set, otherID), "), ", ")")
	}
	return nil
}

func one(become map[token.Token]int) token.Token {
	for tok := range become {
		return tok
	}
	return token.ILLEGAL
}

func integer(t types.Type) bool {
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsInteger != 0
}

func (s *source) isMapIndex(x ast.Expr) bool {
	index, ok := ast.Unparen(x).(*ast.IndexExpr)
	if !ok {
		return false
	}
	_, is := s.info.TypeOf(index.X).Underlying().(*types.Map)
	return is
}

// apply makes the edits of a file.
func apply(src []byte, edits []edit) []byte {
	sortEdits(edits)
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		out.Write(src[at:e.from])
		out.WriteString(e.text)
		at = e.to
	}
	out.Write(src[at:])
	return out.Bytes()
}
