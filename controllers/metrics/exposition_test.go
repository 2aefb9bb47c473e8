package metrics_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/usage"
	"numberfleet.dev/numberfleet/controllers/metrics"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/gate/gatetest"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/receipts"
	"numberfleet.dev/numberfleet/internal/standing"
)

// served are the metrics of some numbers, and of a registry with one counter.
func served(tb testing.TB, numbers int) http.Handler {
	tb.Helper()
	l := ledger.OpenMemory()
	tb.Cleanup(func() { _ = l.Close() })
	var objects []client.Object
	for i := range numbers {
		objects = append(objects, &v1alpha1.PhoneNumber{
			ObjectMeta: metav1.ObjectMeta{Namespace: "fleet", Name: fmt.Sprintf("number-%05d", i)},
			Spec:       v1alpha1.PhoneNumberSpec{PhoneNumber: fmt.Sprintf("+1555%07d", i), Business: v1alpha1.Business{WhatsAppBusinessAccountID: "2001"}},
			Status: v1alpha1.PhoneNumberStatus{
				PolicyStatus: v1alpha1.PolicyStatus{PolicyName: `"odd"\`}, LimitStatus: v1alpha1.LimitStatus{Tier: v1alpha1.TierStatus{Name: "1", Limit: 1000}},
				State: v1alpha1.StateConnected, Quality: v1alpha1.QualityStatus{Rating: v1alpha1.QualityHigh},
			},
		})
	}
	all := standing.NewResources(objects...)
	resources := func() (*standing.Resources, error) { return all, nil }
	received := receipts.New()
	received.Take(clock.RealClock{}.Now(), &counts.Batch{Entries: []counts.Entry{{Number: "+15550000000"}}}, &receipts.Request{
		Failures: []receipts.Failure{{Number: "+15550000000", Code: 131048}},
	})
	exposition := &metrics.Exposition{Log: logr.Discard()}
	exposition.Add(
		&metrics.Standing{
			Source: &standing.Source{
				Resources: resources, Compiled: &standing.Policies{}, Clock: clock.RealClock{},
				Counts: usage.Counts{Ledger: l, Samples: usage.NewPrometheus(config.Prometheus{})},
			},
			Templates: noTemplates{}, Ledger: l,
		},
		&metrics.Received{Resources: resources, Ledger: l, Receipts: received},
		&metrics.Holds{Resources: resources, Ledger: l, Clock: gatetest.Clock{PassiveClock: clock.RealClock{}}},
	)
	registry := prometheus.NewRegistry()
	count := prometheus.NewCounter(prometheus.CounterOpts{Name: "of_the_registry_total", Help: "A counter."})
	registry.MustRegister(count)
	return exposition.Before(promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
}

// noTemplates lists nothing.
type noTemplates struct{ client.Reader }

func (noTemplates) List(context.Context, client.ObjectList, ...client.ListOption) error { return nil }

// scrape is what a Prometheus gets that says what it accepts, with the header of the answer.
func scrape(t *testing.T, handler http.Handler, path string, header http.Header) (answered http.Header, body string) {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	request.Header = header
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		t.Fatalf("it answers %d: %s", answer.Code, answer.Body)
	}
	var from io.Reader = answer.Body
	if answer.Header().Get("Content-Encoding") == "gzip" {
		compressed, err := gzip.NewReader(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		from = compressed
	}
	content, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Header(), string(content)
}

// Whatever a Prometheus accepts, a scrape has the series of resources and those of the registry, in one format, each family once.
func TestAScrapeTellsOfResourcesAndOfTheOperator(t *testing.T) {
	handler := served(t, 3)
	var texts []string
	for _, header := range []http.Header{
		{}, {"Accept-Encoding": {"gzip"}}, {"Accept-Encoding": {"gzip;q=0"}}, {"Accept": {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"}},
	} {
		answered, body := scrape(t, handler, "/metrics", header)
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(body))
		if err != nil {
			t.Fatalf("%v: %v", header, err)
		}
		info := families["numberfleet_phone_number_info"].GetMetric()
		contentType, encoding := answered.Get("Content-Type"), answered.Get("Content-Encoding")
		if compressed := encoding == "gzip"; compressed != (header.Get("Accept-Encoding") == "gzip") || !compressed && encoding != "" {
			t.Errorf("%v: it is encoded as %q", header, encoding)
		}
		if !strings.HasPrefix(contentType, "text/plain") || len(info) != 3 || families["of_the_registry_total"] == nil || families["numberfleet_phone_number_failed_messages_total"] == nil {
			t.Errorf("%v: it is %s with %d families, and %d numbers", header, contentType, len(families), len(info))
		}
		for _, label := range info[0].GetLabel() {
			if label.GetName() == "policy" && label.GetValue() != `"odd"\` {
				t.Errorf("the policy is %s", label.GetValue())
			}
		}
		texts = append(texts, body)
	}
	if len(texts[0]) != len(texts[1]) {
		t.Error("what is compressed is not what is plain")
	}
	answered, body := scrape(t, handler, "/metrics", http.Header{"Accept": {"application/openmetrics-text;version=1.0.0"}})
	contentType := answered.Get("Content-Type")
	if !strings.HasPrefix(contentType, "application/openmetrics-text") || strings.Count(body, "# EOF\n") != 1 || !strings.HasSuffix(body, "# EOF\n") ||
		!strings.Contains(body, "# TYPE numberfleet_phone_number_failed_messages counter\nnumberfleet_phone_number_failed_messages_total{") {
		t.Errorf("as OpenMetrics, %s, it is\n%s", contentType, body)
	}
}

// A scrape that excludes numbers has no series of them, and what portfolios, pools and the operator have.
func TestAScrapeCanExcludeNumbers(t *testing.T) {
	_, body := scrape(t, served(t, 3), "/metrics?exclude=numbers", http.Header{})
	if strings.Contains(body, "number-0000") || !strings.Contains(body, "numberfleet_unclaimed_phone_numbers 0") || !strings.Contains(body, `numberfleet_account_last_received_timestamp_seconds{account="2001"}`) {
		t.Errorf("it is\n%s", body)
	}
}

// Where the resources are not known yet a scrape fails: nothing in it would look like a fleet that is gone.
func TestAScrapeFailsUntilTheResourcesAreKnown(t *testing.T) {
	exposition := &metrics.Exposition{Log: logr.Discard()}
	exposition.Add(&metrics.Standing{Source: &standing.Source{Resources: func() (*standing.Resources, error) { return nil, standing.ErrNotSynced }}})
	answer := httptest.NewRecorder()
	exposition.Before(promhttp.Handler()).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	if answer.Code != http.StatusInternalServerError {
		t.Errorf("it answers %d", answer.Code)
	}
}

// BenchmarkScrape is a scrape of 50,000 numbers, as a Prometheus asks for it.
func BenchmarkScrape(b *testing.B) {
	handler := served(b, 50_000)
	request := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
	request.Header.Set("Accept-Encoding", "gzip")
	for b.Loop() {
		handler.ServeHTTP(httptest.NewRecorder(), request)
	}
}
