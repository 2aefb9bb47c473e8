package main

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/tracing/tracingtest"
)

// openMetrics are the metrics as a Prometheus reads them that takes OpenMetrics.
func (o *operator) openMetrics(api client.Client) string {
	o.t.Helper()
	token := newScraperToken(o.t, api)
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // a certificate of the operator's own
	var body []byte
	o.within("the metrics are told to whom may read them", func() bool { // the API server may hear of the right later than it is asked for it
		request, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, "https://"+o.metrics+"/metrics", http.NoBody)
		if err != nil {
			o.t.Fatal(err)
		}
		request.Header = http.Header{"Authorization": {"Bearer " + token}, "Accept": {"application/openmetrics-text; version=1.0.0"}}
		response, err := insecure.Do(request)
		if err != nil {
			return false
		}
		defer func() { _ = response.Body.Close() }()
		body, err = io.ReadAll(response.Body)
		return err == nil && response.StatusCode == http.StatusOK
	})
	return string(body)
}

// A trace follows a webhook into the ledger, and one a decision into the status. The histogram of webhooks names a trace. Each decision is one line
// of the log with the documented keys. No number, user or message is in a trace.
func TestTracesAndDecisionsOfOneOperator(t *testing.T) {
	t.Parallel()
	o, api := newOperator(t)
	receiver := tracingtest.New(t)
	o.environment = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + receiver.URL}
	o.start()
	o.ready()
	number := &v1alpha1.PhoneNumber{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "sales"},
		Spec:       v1alpha1.PhoneNumberSpec{PhoneNumber: "+15550100046", PolicyName: "quality-based"},
	}
	if err := api.Create(t.Context(), number); err != nil {
		t.Fatal(err)
	}
	o.deliver(number.Spec.PhoneNumber, 0, 500)
	raisedBy500(t, api, number)

	metrics := o.openMetrics(api)
	o.kill(syscall.SIGTERM)
	webhooks, appends, decisions, writes := receiver.Named("webhook"), receiver.Named("append"), receiver.Named("decide"), receiver.Named("write status")
	if len(webhooks) == 0 || len(decisions) == 0 {
		t.Fatalf("%d spans of webhooks and %d of decisions came", len(webhooks), len(decisions))
	}
	partOf := func(parts, wholes []tracingtest.Span) bool {
		for _, part := range parts {
			for _, whole := range wholes {
				if part.Parent == whole.ID && part.TraceID == whole.TraceID {
					return true
				}
			}
		}
		return false
	}
	if !partOf(appends, webhooks) {
		t.Errorf("no append of %v is part of a webhook of %v", appends, webhooks)
	}
	if !partOf(writes, decisions) {
		t.Errorf("no write of %v is part of a decision of %v", writes, decisions)
	}
	if !strings.Contains(metrics, `# {trace_id="`+webhooks[len(webhooks)-1].TraceID+`"}`) {
		t.Error("the metrics name no trace of a webhook")
	}
	for what, secret := range map[string]string{"the phone number": "15550100046", "a user": "1557777", "a message id": "wamid"} {
		if strings.Contains(string(receiver.Raw()), secret) {
			t.Errorf("the traces have %s", what)
		}
	}
	for line := range strings.Lines(o.log.String()) {
		if strings.Contains(line, `"msg":"decision"`) {
			for _, want := range []string{
				`"kind":"PhoneNumber"`, `"namespace":"default"`, `"name":"sales"`, `"reason":"TierUpgraded"`, `"rule":2`, `"from":"1"`, `"to":"2"`, `"at":"`, `"why":"the limit rises from 1000 to 10000`, `"traceID":"`,
			} {
				if !strings.Contains(line, want) {
					t.Errorf("the line of the decision lacks %s: %s", want, line)
				}
			}
			return
		}
	}
	t.Error("the log has no line of a decision")
}
