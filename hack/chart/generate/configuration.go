package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// types are the declarations of Go packages by name, and the strings that constants of a type have.
type types struct {
	structs map[string]*ast.StructType
	named   map[string]ast.Expr
	words   map[string][]any
	texts   map[string]string // of types
}

// readConfiguration reads the fields of the operator's configuration from the Go source of its packages.
func readConfiguration(folders ...string) ([]value, error) {
	all := types{structs: map[string]*ast.StructType{}, named: map[string]ast.Expr{}, words: map[string][]any{}, texts: map[string]string{}}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			return nil, err
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			source, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			all.add(file)
		}
	}
	return all.fields("OperatorConfiguration")
}

func (t *types) add(file *ast.File) {
	for _, declaration := range file.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range general.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				t.texts[spec.Name.Name] = general.Doc.Text()
				if structure, is := spec.Type.(*ast.StructType); is {
					t.structs[spec.Name.Name] = structure
				} else {
					t.named[spec.Name.Name] = spec.Type
				}
			case *ast.ValueSpec:
				if of, is := spec.Type.(*ast.Ident); is && general.Tok == token.CONST {
					for _, constant := range spec.Values {
						if literal, is := constant.(*ast.BasicLit); is && literal.Kind == token.STRING {
							word, _ := strconv.Unquote(literal.Value) // the parser has read it
							t.words[of.Name] = append(t.words[of.Name], word)
						}
					}
				}
			}
		}
	}
}

// fields are those of a struct, as JSON has them.
func (t *types) fields(structure string) ([]value, error) {
	var all []value
	for _, field := range t.structs[structure].Fields.List {
		tag, err := strconv.Unquote(field.Tag.Value)
		if err != nil {
			return nil, err
		}
		name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
		if name == "apiVersion" || name == "kind" { // the chart writes them
			continue
		}
		v := value{name: name, description: t.text(field)}
		if v.description == "" {
			return nil, fmt.Errorf("%s.%s has no comment", structure, v.name)
		}
		if v.schema, v.fields, err = t.schema(v.name, field.Type); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", structure, v.name, err)
		}
		all = append(all, v)
	}
	return all, nil
}

// text is what is said of a field, or else of its type.
func (t *types) text(field *ast.Field) string {
	text, of := field.Doc.Text(), field.Type
	if pointer, is := of.(*ast.StarExpr); is {
		of = pointer.X
	}
	if name, is := of.(*ast.Ident); is && text == "" {
		text = t.texts[name.Name]
	}
	return strings.Join(strings.Fields(text), " ")
}

// schema is that of a field of a Go type, and its fields if it is an object or a list of objects.
func (t *types) schema(name string, of ast.Expr) (map[string]any, []value, error) {
	switch of := of.(type) {
	case *ast.StarExpr: // null takes back what an earlier file of values has
		schema, fields, err := t.schema(name, of.X)
		if err == nil {
			schema["type"] = []any{schema["type"], "null"}
		}
		return schema, fields, err
	case *ast.ArrayType:
		items, fields, err := t.schema(name, of.Elt)
		if fields != nil {
			return map[string]any{"type": "array"}, fields, err
		}
		return map[string]any{"type": "array", "items": items}, nil, err
	case *ast.SelectorExpr:
		return t.schema(name, of.Sel)
	case *ast.Ident:
		switch {
		case t.structs[of.Name] != nil:
			fields, err := t.fields(of.Name)
			return map[string]any{"type": "object"}, fields, err
		case t.words[of.Name] != nil:
			return map[string]any{"type": "string", "enum": t.words[of.Name]}, nil, nil
		case t.named[of.Name] != nil:
			return t.schema(name, t.named[of.Name])
		case of.Name == "string" && strings.HasSuffix(name, "File"):
			return refer("file"), nil, nil
		case of.Name == "string" && name == "credentials":
			return refer("folder"), nil, nil
		}
		if kind := map[string]string{"string": "string", "int": "integer", "bool": "boolean"}[of.Name]; kind != "" {
			return map[string]any{"type": kind}, nil, nil
		}
	}
	return nil, nil, fmt.Errorf("has a type that is not known here: %v", of)
}
