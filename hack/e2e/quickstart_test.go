//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The commands of docs/quickstart.md, as they stand there, lead from a cluster to a number whose messages the guard refuses beyond its limit.
func TestTheQuickStart(t *testing.T) {
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	t.Cleanup(stop)
	page, err := os.ReadFile(filepath.Join(repository, "docs", "quickstart.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, afterTheCluster, _ := strings.Cut(string(page), "\n## 2. ")
	said := newCluster(ctx, t, "dev").follow(ctx, t, commands(afterTheCluster))
	for _, promise := range []string{
		"phonenumber.whatsapp.numberfleet.dev/front-desk condition met",
		"HTTP/1.1 200 OK",                                     // a webhook is counted
		`"state":"Held","why":"Reserved"`,                     // a sender may send
		`"remaining":248`,                                     // so the webhook was counted, and the place is held
		`"status":429,"reason":"LimitReached"`,                // and may not
		`"error":{"message":"(#130429) The limit is reached"`, // in Meta's words, by the guard
		`"error":{`, // of Meta, or of the guard where Meta is not reached
		"front-desk  front-desk  Connected",
		`release "numberfleet" uninstalled`,
	} {
		_, rest, found := strings.Cut(said, promise)
		if !found {
			t.Fatalf("after what was promised before, it does not say %s:\n%s", promise, said)
		}
		said = rest
	}
}

// commands are those of a page: all of a block of sh, and what follows a prompt in one of a console.
func commands(page string) string {
	var script strings.Builder
	language := ""
	for line := range strings.Lines(page) {
		fence, isFence := strings.CutPrefix(line, "```")
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case isFence:
			language = strings.TrimSpace(fence)
		case language == "sh":
			script.WriteString(line)
		case language == "console" && isCommand:
			script.WriteString(command)
		}
	}
	return script.String()
}

// patientCurl gives a port the time to be forwarded, as who types does.
const patientCurl = `curl() { until command curl "$@"; do [[ $? == 7 ]] || return; sleep 0.5; done; }
`

// follow runs commands in one shell, in a folder with the configuration of this repository, and returns what they write.
func (c *cluster) follow(ctx context.Context, t *testing.T, script string) string {
	t.Helper()
	folder := t.TempDir()
	configuration, err := filepath.Abs(filepath.Join(repository, "config"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(configuration, filepath.Join(folder, "config")); err != nil {
		t.Fatal(err)
	}
	shell := exec.CommandContext(ctx, "bash", "-o", "errexit", "-o", "pipefail", "-c", patientCurl+script)
	shell.Dir, shell.Env = folder, c.environment()
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}
