package main

import (
	"errors"
	"fmt"
	"testing"
)

// Scripts can tell what cannot be done from a command that was typed wrong, and from an answer that is no.
func TestExitCodes(t *testing.T) {
	for _, test := range []struct {
		args []string
		want int
	}{
		{[]string{"--version"}, exitDone},
		{[]string{"forecast", "--policy", "netcore"}, exitDone},
		{[]string{"forecast"}, exitUsage},
		{[]string{"forecast", "--polcy", "netcore"}, exitUsage},
		{[]string{"forecast", "--policy", "netcore", "--tier", "7"}, exitUsage},
		{[]string{"forecast", "--policy", "netcore", "-o", "xml"}, exitUsage},
		{[]string{"forecast", "--policy", "netcore", "--used", "many"}, exitUsage},
		{[]string{"nothing"}, exitUsage},
		{[]string{"explain"}, exitUsage},
		{[]string{"explain", "pod/a"}, exitUsage},
		{[]string{"explain", "a", "--kubeconfig", "/nowhere"}, exitError},
	} {
		if code, stdout, stderr := play(t, "", test.args...); code != test.want || (code == exitDone) == (stdout == "") || (code == exitDone) != (stderr == "") {
			t.Errorf("%q ends with %d, not %d: %q %q", test.args, code, test.want, stdout, stderr)
		}
	}
	if code := exitCode(fmt.Errorf("a command: %w", errNo), true); code != exitNo {
		t.Errorf("an answer that is no ends with %d", code)
	}
	if code := exitCode(errors.New("refused"), true); code != exitError {
		t.Errorf("an error ends with %d", code)
	}
}
