package main

import (
	"bytes"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// Two tenants and their apps on one operator: each app writes about its own account's numbers and no others.
func TestAppsOfSeveralTenants(t *testing.T) {
	t.Parallel()
	o, api := newOperator(t)
	const own, others, secret = "+15550100051", "+15550100052", "the shop's secret"
	o.write("shop/app-secret", secret)
	o.write("shop/verify-token", verifyToken)
	o.write("config.yaml", fmt.Sprintf(`apiVersion: config.numberfleet.dev/v1alpha1
kind: OperatorConfiguration
webhooks:
  apps:
  - name: shop
    credentials: %s
    accounts: [%q]
  - name: unborn
    credentials: %s
`, filepath.Join(o.folder, "shop"), metatest.Account, filepath.Join(o.folder, "unborn")))
	o.more = []string{"--config=" + filepath.Join(o.folder, "config.yaml")}
	o.start()
	o.ready()
	for name, spec := range map[string]v1alpha1.PhoneNumberSpec{
		"own":    {PhoneNumber: own, Business: v1alpha1.Business{WhatsAppBusinessAccountID: metatest.Account}},
		"others": {PhoneNumber: others, Business: v1alpha1.Business{WhatsAppBusinessAccountID: "9002"}},
	} {
		spec.PolicyName = "quality-based"
		if err := api.Create(t.Context(), &v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: spec}); err != nil {
			t.Fatal(err)
		}
	}
	post := func(path, key, number string) int {
		body := metatest.MessagesPayload(number, []metatest.Status{{ID: "wamid.A", Status: "delivered", Phone: "15557770000", At: time.Now()}}, nil) // the operator under test runs on real time
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+o.webhook+"/webhooks/whatsapp"+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Hub-Signature-256", metatest.Sign(key, body))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
	o.within("it is refused about another tenant's number", func() bool { return post("/shop", secret, others) == http.StatusForbidden })
	for _, test := range []struct {
		path, key, number string
		code              int
	}{
		{"/shop", secret, own, 200}, {"/shop", appSecret, own, 401}, {"", secret, own, 401}, {"", appSecret, others, 200},
		{"/unborn", secret, own, 503}, {"/nobody", secret, own, 404},
	} {
		if got := post(test.path, test.key, test.number); got != test.code {
			t.Errorf("%q, signed with %q, is answered %d, want %d", test.path, test.key, got, test.code)
		}
	}
	o.kill(syscall.SIGKILL)
	if log := o.log.String(); !strings.Contains(log, `"field":"webhooks.apps[1].credentials/app-secret"`) || strings.Contains(log, secret) || strings.Contains(log, "1555010005") {
		t.Error("the log does not tell which app has no secret, or tells a secret or a number")
	}
}
