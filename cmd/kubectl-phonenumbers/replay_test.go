package main

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ingest/webhook"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// The command posts kept webhooks to the operator's own receiver over TLS, trusting only what --ca-file says, tells how far it is, and
// when it is run again posts nothing again.
func TestReplay(t *testing.T) {
	const number = "+15550100001"
	secret := file(t, config.AppSecretKey, "s3cr3t-of-the-app\n")
	receiver, err := webhook.NewReceiver(webhook.Options{
		Apps: []webhook.App{{Credentials: webhook.NewCredentials(filepath.Dir(secret), logr.Discard())}}, Clock: clock.RealClock{}, Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	l := ledger.OpenMemory()
	receiver.SetBackend(&ingest.Backend{Ledger: l, Hasher: l.Hasher()})
	server := httptest.NewTLSServer(receiver)
	defer server.Close()
	trusted := file(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))

	now := time.Now()
	var bodies []string
	for user, ago := range []time.Duration{time.Hour, 2 * time.Hour, 38 * 24 * time.Hour} {
		bodies = append(bodies, string(metatest.MessagesPayload(number, []metatest.Status{
			{ID: fmt.Sprint("wamid.", user), Status: "delivered", Phone: fmt.Sprint(15550199001 + user), At: now.Add(-ago)},
		}, nil)))
	}
	kept := file(t, "kept.jsonl", strings.Join(bodies, "\n"))
	args := []string{"replay", "--webhooks", kept, "--to", server.URL + webhook.DefaultPath, "--app-secret-file", secret, "--ca-file", trusted}
	for i, want := range []string{
		"2 webhooks posted; 0 were before, 1 are older than 37 days and left out, 0 were refused.\n",
		"0 webhooks posted; 2 were before, 1 are older than 37 days and left out, 0 were refused.\n",
	} {
		if code, stdout, stderr := play(t, "", args...); code != 0 || stdout != want || stderr != "1 of 2 webhooks\n2 of 2 webhooks\n" {
			t.Errorf("run %d: code %d\n%s%s", i+1, code, stdout, stderr)
		}
	}
	if got := l.Count(number, v1alpha1.MeasureUniqueUsers, now.Add(-24*time.Hour), now); got != 2 {
		t.Errorf("%d users are counted, want 2", got)
	}

	wrong := file(t, "wrong", "another-secret")
	code, _, stderr := play(t, "", "replay", "--webhooks", kept, "--to", server.URL+webhook.DefaultPath, "--app-secret-file", wrong, "--ca-file", trusted,
		"--posted-file", filepath.Join(t.TempDir(), "posted"))
	if code != 1 || !strings.Contains(stderr, "the operator does not know the signature") || strings.Contains(stderr, "another-secret") {
		t.Errorf("another secret: code %d, %s", code, stderr)
	}
}

// What the command cannot begin with is one line on the standard error that names the flag.
func TestReplayRefuses(t *testing.T) {
	kept, secret, empty := file(t, "kept.jsonl", "{}"), file(t, "secret", "s3cr3t"), file(t, "empty", "\ufeff\n")
	with := "replay --webhooks " + kept + " --to https://hooks.example.com --app-secret-file " + secret
	for _, test := range []struct{ args, want string }{
		{"replay", `required flag(s) "app-secret-file", "to", "webhooks" not set`},
		{with + " --to hooks.example.com", "--to: must be the URL at which the operator receives webhooks"},
		{with + " --webhooks -", "--webhooks: must be a file or a directory"},
		{with + " --webhooks /nowhere", "--webhooks: open /nowhere: no such file or directory"},
		{with, "--webhooks: " + kept + ` line 1: object must be "whatsapp_business_account", but is absent`},
		{with + " --rate 0", "--rate: must be more than 0, and 1000000 at most"},
		{with + " --rate NaN", "--rate: must be more than 0, and 1000000 at most"},
		{with + " --app-secret-file /nowhere", "--app-secret-file: /nowhere: no such file or directory"},
		{with + " --app-secret-file " + empty, "--app-secret-file: " + empty + ": is empty"},
		{with + " --ca-file /nowhere", "--ca-file: /nowhere: no such file or directory"},
		{with + " --ca-file " + kept, "--ca-file: " + kept + ": holds no certificate in PEM"},
	} {
		code, stdout, stderr := play(t, "", strings.Fields(test.args)...)
		if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "Error: "+test.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: code %d, %q %q, want %q", test.args, code, stdout, stderr, test.want)
		}
	}
}
