package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// Scripts can tell what cannot be done from a command that was typed wrong, and from an answer that is no.
func TestExitCodes(t *testing.T) {
	t.Setenv("KUBECONFIG", silentCluster(t))
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
		{[]string{"explain", "a", "--kubeconfig", "/nowhere"}, exitUsage},
		{[]string{"explain", "a", "--context", "nowhere"}, exitUsage},
		{[]string{"explain", "a"}, exitError},
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

// silentCluster is a kubeconfig of a cluster that does not answer.
func silentCluster(t *testing.T) string {
	t.Helper()
	return file(t, "kubeconfig", `{clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}], contexts: [{name: a, context: {cluster: a}}], current-context: a}`)
}

// A cluster that cannot be asked ends each command that asks one with 1, and in one line that says what is missing.
func TestAClusterThatDoesNotAnswer(t *testing.T) {
	silent := silentCluster(t)
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	for _, command := range []string{"status", "top --once", "history", "explain a", "can-send a +15550200001", "forecast a", "doctor", "report --file -", "unclaimed", "dashboard"} {
		args := strings.Fields(command)
		if code, stdout, stderr := play(t, "", append(args, "--kubeconfig", silent)...); code != exitError || stdout != "" || !strings.Contains(stderr, "connection refused\n") {
			t.Errorf("of a cluster that does not answer %s ends with %d: %q %q", command, code, stdout, stderr)
		}
		if code, stdout, stderr := play(t, "", args...); code != exitError || stdout != "" || stderr != "Error: no kubeconfig says which cluster is meant: name one with --kubeconfig or $KUBECONFIG\n" {
			t.Errorf("without a kubeconfig %s ends with %d: %q %q", command, code, stdout, stderr)
		}
	}
}

// What is wrong with a flag is said with its name, and before anything is asked.
func TestFlagsThatAreWrong(t *testing.T) {
	kubeconfig := silentCluster(t)
	t.Setenv("KUBECONFIG", kubeconfig)
	for _, test := range []struct{ command, want string }{
		{"status --operator-url ftp://a", "--operator-url: must be like https://numberfleet-events.numberfleet-system.svc"},
		{"top --once --operator-url http://a.example", "--operator-url: must begin with https: a token goes over plain HTTP on loopback only"},
		{"status --operator-ca-file /nowhere", "--operator-ca-file: /nowhere: no such file or directory"},
		{"can-send a +15550200001 --operator-ca-file " + kubeconfig, "--operator-ca-file: " + kubeconfig + ": holds no certificate in PEM"},
		{"dashboard --operator-token-file /nowhere", "--operator-token-file: /nowhere: no such file or directory"},
		{"import --account acme --token-file /nowhere", "--account: an id of Meta's has 1 to 32 digits"},
		{"dashboard --port 99999", `--port: "99999": value out of range`},
		{"explain", "accepts 1 arg(s), received 0: kubectl phonenumbers explain NAME | businessportfolio/NAME | messagetemplate/NAME | numberpool/NAME [flags]"},
		{"can-send hotels", "accepts 2 arg(s), received 1: kubectl phonenumbers can-send NAME | numberpool/NAME USER [flags]"},
	} {
		if code, stdout, stderr := play(t, "", strings.Fields(test.command)...); code != exitUsage || stdout != "" || stderr != "Error: "+test.want+"\n" {
			t.Errorf("%s ends with %d: %q %q", test.command, code, stdout, stderr)
		}
	}
}
