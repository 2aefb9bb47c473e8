package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path"
	"strings"
)

// change is a mutant written by hand: a line of a file that becomes another.
type change struct {
	path, what, from, to string
}

// readChanges reads changes: a line with "# " and what it breaks, the file, after "- " what is there, which may go on in the
// lines that follow, and after "+ " what it becomes; empty lines between.
func readChanges(file string) ([]change, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var all []change
	var c change
	n := 0
	for lines := bufio.NewScanner(bytes.NewReader(content)); lines.Scan(); {
		n++
		line := lines.Text()
		switch {
		case line == "":
		case strings.HasPrefix(line, "# "):
			c = change{what: line[2:]}
		case strings.HasPrefix(line, "- "):
			c.from = line[2:]
		case strings.HasPrefix(line, "+"):
			c.to = strings.TrimPrefix(line[1:], " ")
			if c.what == "" || c.path == "" || c.from == "" {
				return nil, fmt.Errorf("%s:%d: a change without what it breaks, its file or its line", file, n)
			}
			all = append(all, c)
		case c.from != "":
			c.from += "\n" + line
		default:
			c.path = line
		}
	}
	return all, nil
}

// changesIn are the mutants of the changes in a folder. The place must be there once.
func changesIn(changes []change, tree, dir string) ([]*mutant, error) {
	var all []*mutant
	for _, c := range changes {
		if path.Dir(c.path) != dir {
			continue
		}
		src, err := os.ReadFile(path.Join(tree, c.path))
		if err != nil {
			return nil, err
		}
		if n := bytes.Count(src, []byte(c.from)); n != 1 {
			return nil, fmt.Errorf("%s has %d places with %q, which is to be changed: name one", c.path, n, c.from)
		}
		at := bytes.Index(src, []byte(c.from))
		line := 1 + bytes.Count(src[:at], []byte("\n"))
		all = append(all, &mutant{path: c.path, line: line, function: "by hand", text: c.what, edits: []edit{{from: at, to: at + len(c.from), text: c.to}}})
	}
	return all, nil
}
