package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// command runs the program with arguments until it ends, or for so long if that is not zero: then it is killed.
func command(t *testing.T, killAfter time.Duration, arguments ...string) (output string, err error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	process := exec.Command(self, arguments...)
	process.Env = append(os.Environ(), asManager+"=1")
	var out, said bytes.Buffer
	process.Stdout, process.Stderr = &out, &said
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	if killAfter > 0 {
		defer time.AfterFunc(killAfter, func() { _ = process.Process.Kill() }).Stop()
	}
	if err := process.Wait(); err != nil {
		return out.String(), errors.New(said.String())
	}
	return out.String(), nil
}

// What is wrong with a command line is said, and the command fails.
func TestAWrongCommandLineIsRefused(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"--no-such-flag":                  "unknown flag: --no-such-flag",
		"leger":                           `unknown command \"leger\"`,
		"ledger move":                     `unknown command \"move\"`,
		"ledger secret twice":             `unknown command \"twice\"`,
		"ledger import --config=/nowhere": `the file \"/nowhere\" of --config is missing`,
	} {
		if said, err := command(t, 0, strings.Fields(line)...); err == nil || said != "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v; want %q", line, said, err, want)
		}
	}
}

// Webhooks come in all the time while an operator with a folder is replaced by three with a log, and these by one with the folder again. All of them
// are killed, and so is what moves the ledger. Nothing acknowledged is lost and nothing is counted twice.
func TestTheLedgerIsMovedWhileWebhooksComeIn(t *testing.T) {
	t.Parallel()
	o, _ := newOperator(t)
	folder := filepath.Join(o.folder, "ledger")
	var receivers atomic.Pointer[[]*operator]
	receivers.Store(&[]*operator{o})
	var next atomic.Int64
	sent := newTraffic(t, "+15550100098", func(ctx context.Context, body []byte) (int, error) {
		all := *receivers.Load()
		return all[int(next.Add(1))%len(all)].post(ctx, body)
	})
	o.start()
	o.ready()
	sent.flows(t, 20)
	o.kill(syscall.SIGKILL)

	manifest, err := command(t, 0, "ledger", "secret", "--data-dir="+folder)
	if err != nil {
		t.Fatal(err)
	}
	var secret corev1.Secret
	if err := yaml.UnmarshalStrict([]byte(manifest), &secret); err != nil || secret.Name != "numberfleet-log" {
		t.Fatalf("the manifest is of %q, %v", secret.Name, err)
	}
	configuration := "--config=" + o.configure(newLog(t), secret.StringData["secret"], "")
	for i := range 5 {
		_, _ = command(t, time.Duration(i+1)*100*time.Millisecond, "ledger", "import", "--data-dir="+folder, configuration)
	}
	if said, err := command(t, 0, "ledger", "import", "--data-dir="+folder, configuration); err != nil {
		t.Fatal(said, err)
	}
	o.ends(`was moved to the log of the instance \"main\": set ledger.engine to Log`)

	replicas := o.replicas(strings.TrimPrefix(configuration, "--config="))
	var all []*operator
	for _, r := range replicas {
		r.start()
		all = append(all, r.operator)
	}
	receivers.Store(&all)
	for _, r := range replicas {
		r.ready()
	}
	sent.flows(t, 20)
	for _, r := range replicas {
		r.kill(syscall.SIGKILL)
	}

	for i := range 3 {
		_, _ = command(t, time.Duration(i+1)*700*time.Millisecond, "ledger", "export", "--data-dir="+folder, configuration)
	}
	if said, err := command(t, 0, "ledger", "export", "--data-dir="+folder, configuration); err != nil {
		t.Fatal(said, err)
	}
	receivers.Store(&[]*operator{o})
	o.start()
	o.ready()
	sent.flows(t, 20)
	sent.stop()
	o.kill(syscall.SIGTERM)
	sent.check(t, folder)
}
