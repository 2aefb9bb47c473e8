package main

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// An operator without a secret of Meta's and without the certificates of its listeners is ready. It says what it lacks, in its log and on the
// numbers of which nothing comes, and takes the secret up when it is there, and the certificate of its metrics.
func TestItIsReadyWithoutSecretsAndSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	o, api := newOperator(t)
	for _, name := range []string{"app-secret", "verify-token"} {
		if err := os.Remove(filepath.Join(o.folder, "webhook", name)); err != nil {
			t.Fatal(err)
		}
	}
	metrics := filepath.Join(o.folder, "metrics")
	o.more = []string{"--events-bind-address=" + freeAddress(t), "--events-cert-path=" + filepath.Join(o.folder, "events"), "--metrics-cert-path=" + metrics}
	o.start()
	o.ready()
	for _, want := range []string{
		`"reason":"SecretMissing","field":"--webhook-credentials/app-secret"`, `"reason":"SecretMissing","field":"--webhook-credentials/verify-token"`,
		`"reason":"CertificateMissing","field":"--events-cert-path/tls.crt"`, `"reason":"CertificateMissing","field":"--metrics-cert-path/tls.crt"`,
	} {
		o.within("the log says "+want, func() bool { return strings.Contains(o.log.String(), want) })
	}
	number := &v1alpha1.PhoneNumber{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "sales"},
		Spec:       v1alpha1.PhoneNumberSpec{PhoneNumber: "+15550100045", PolicyName: "quality-based"},
	}
	if err := api.Create(t.Context(), number); err != nil {
		t.Fatal(err)
	}
	says := func(want string) {
		t.Helper()
		o.within("it says "+want, func() bool {
			if err := api.Get(t.Context(), client.ObjectKeyFromObject(number), number); err != nil {
				t.Fatal(err)
			}
			c := meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionUsageFresh)
			return c != nil && c.Reason == want
		})
	}
	says(v1alpha1.ReasonSecretMissing)
	body := metatest.MessagesPayload(number.Spec.PhoneNumber, []metatest.Status{{ID: "wamid.A", Status: "delivered", Phone: "15557770000", At: time.Now()}}, nil) // the operator under test runs on real time
	if code, err := o.post(t.Context(), body); err != nil || code != http.StatusServiceUnavailable {
		t.Errorf("without its secret a webhook is answered with %d, %v", code, err)
	}
	o.write("webhook/app-secret", appSecret)
	says(v1alpha1.ReasonNothingReceived)
	if code, err := o.post(t.Context(), body); err != nil || code != http.StatusOK {
		t.Errorf("with its secret it is answered with %d, %v", code, err)
	}
	says(v1alpha1.ReasonCounting)

	certificate, err := rig.NewCertificate(metrics, "metrics.example")
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := cert.NewPool(certificate.Public())
	if err != nil {
		t.Fatal(err)
	}
	connection, err := tls.Dial("tcp", o.metrics, &tls.Config{ServerName: "metrics.example", RootCAs: trusted})
	if err != nil {
		t.Fatalf("the metrics do not take up their certificate: %v", err)
	}
	_ = connection.Close()
}
