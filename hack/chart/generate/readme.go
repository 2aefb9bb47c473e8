package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
)

//go:embed README.md.txt
var introduction string

// readme is the page of a chart: its introduction, and a row for each value.
func readme(values []value) []byte {
	var out bytes.Buffer
	out.WriteString(introduction)
	out.WriteString("\n| value | what it is | default |\n|---|---|---|\n")
	rows(&out, "", values)
	return out.Bytes()
}

func rows(out *bytes.Buffer, prefix string, values []value) {
	for _, v := range values {
		name := prefix + v.name
		if v.fields == nil || v.description != "" {
			preset := ""
			if v.preset != "" && v.fields == nil {
				preset = "`" + v.preset + "`"
			}
			fmt.Fprintf(out, "| `%s` | %s | %s |\n", name, strings.ReplaceAll(v.text(), "|", `\|`), preset)
		}
		if v.schema["type"] == "array" {
			name += "[]"
		}
		rows(out, name+".", v.fields)
	}
}

// text is the description of a value, with the words that it may be.
func (v value) text() string {
	words, _ := v.schema["enum"].([]any)
	if items, is := v.schema["items"].(map[string]any); is && words == nil {
		words, _ = items["enum"].([]any)
	}
	if words == nil {
		return v.description
	}
	return fmt.Sprintf("%s One of: %s.", v.description, strings.Trim(strings.Join(strings.Fields(fmt.Sprint(words)), ", "), "[]"))
}
