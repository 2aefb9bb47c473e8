package main

import (
	"errors"
	"os"
	"regexp"
	"strings"
)

// row is a row of a table: a place, a mutation, a reason.
var row = regexp.MustCompile("^\\| `([^`]+)` \\| `([^`]+)` \\| (.*) \\|$")

// readAccounts reads which mutants may live, and why, from the tables of a document.
func readAccounts(file string) (map[string]string, error) {
	accounted := map[string]string{}
	content, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return accounted, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(content)) {
		if m := row.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			accounted[m[1]+": "+strings.ReplaceAll(m[2], `\|`, "|")] = strings.TrimSpace(m[3])
		}
	}
	return accounted, nil
}
