package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/unclaimed"
)

// check runs `manager check` against an operator, and returns what it says.
func (o *operator) check(arguments ...string) (string, error) {
	o.t.Helper()
	binary, err := os.Executable()
	if err != nil {
		o.t.Fatal(err)
	}
	cmd := exec.CommandContext(o.t.Context(), binary, append([]string{
		"check", "--kubeconfig=" + filepath.Join(o.folder, "kubeconfig"), "--url=http://" + o.webhook + "/webhooks/whatsapp", "--namespace=default",
		"--webhook-credentials=" + filepath.Join(o.folder, "webhook"), "--timeout=" + rig.Patience.String()}, arguments...)...)
	cmd.Env = append(os.Environ(), asManager+"=1")
	said, err := cmd.CombinedOutput()
	return string(said), err
}

// A check sees a webhook from the receiver to the status, more than once, and leaves nothing of it behind. Where a webhook is not taken, it says
// why.
func TestACheckSeesThatAWebhookIsCounted(t *testing.T) {
	t.Parallel()
	o, api := newOperator(t)
	o.more = []string{"--leader-election-namespace=default"}
	o.start()
	o.ready()
	for range 2 {
		if said, err := o.check(); err != nil || !strings.Contains(said, "is counted") {
			t.Fatalf("%v\n%s", err, said)
		}
	}
	o.write("strangers/app-secret", "a secret of nobody")
	for want, argument := range map[string]string{
		"the operator does not know the signature":       "--webhook-credentials=" + filepath.Join(o.folder, "strangers"),
		"no webhooks are received there":                 "--url=http://" + o.webhook + "/webhooks/elsewhere",
		"--webhook-credentials: app-secret no such file": "--webhook-credentials=/nowhere",
		"namespaces \\\"elsewhere\\\" not found":         "--namespace=elsewhere",
	} {
		if said, err := o.check(argument); err == nil || !strings.Contains(said, want) {
			t.Errorf("with %s: %v, without a word of %q\n%s", argument, err, want, said)
		}
	}
	var left v1alpha1.PhoneNumberList
	if err := api.List(t.Context(), &left); err != nil || len(left.Items) > 0 {
		t.Errorf("%d numbers are left, %v", len(left.Items), err)
	}
	told := &corev1.ConfigMap{}
	if err := api.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: unclaimed.ConfigMap}, told); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	if numbers, err := unclaimed.Read(told.Data); err != nil || len(numbers) > 0 {
		t.Errorf("%d numbers are told as unclaimed, %v", len(numbers), err)
	}
	if log := o.log.String(); strings.Contains(log, "+999") {
		t.Error("the log names the number")
	}
}
