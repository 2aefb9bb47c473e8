package main

import (
	"strings"
	"testing"
)

func TestAValueHasTheTypeOfItsDefaultAndWhatItsCommentSays(t *testing.T) {
	values, err := readValues([]byte(`
# What goes by itself.
# @schema {pattern: "^a*$"}
text: a
server:
  # How many.
  number: 3
config: # has a comment here, which is no text
  # Not read.
  more: 1
`), []value{{name: "field"}})
	if err != nil {
		t.Fatal(err)
	}
	text, server, config := values[0], values[1], values[2]
	if text.description != "What goes by itself." || text.preset != `"a"` || text.schema["type"] != "string" || text.schema["pattern"] != "^a*$" {
		t.Errorf("the text is %+v", text)
	}
	if number := server.fields[0]; number.description != "How many." || number.schema["type"] != "integer" || server.whole()["type"] != "object" {
		t.Errorf("the server is %+v", server)
	}
	if len(config.fields) != 1 || config.fields[0].name != "field" {
		t.Errorf("the configuration has %+v", config.fields)
	}
}

func TestWhatIsNotSaidIsRefused(t *testing.T) {
	for content, problem := range map[string]string{
		"server: {number: 3}":                     ".server.number has no comment",
		"# What it is.\nnothing:":                 "does not tell its type",
		"# What it is.\n# @schema [1]\nnumber: 3": ".number: its schema",
	} {
		if _, err := readValues([]byte(content), nil); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%q is answered with %v, and not with %q", content, err, problem)
		}
	}
}
