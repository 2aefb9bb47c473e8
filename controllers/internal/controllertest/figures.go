package controllertest

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/usage"
	"numberfleet.dev/numberfleet/controllers/metrics"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/standing"
)

// Standing is where the resources of the bench stand. The cache may follow what was written.
func (b *Bench) Standing() *standing.Source {
	return &standing.Source{Resources: b.resources, Counts: usage.Counts{Ledger: b.Ledger, Samples: b.Samples}, Compiled: b.Policies.Compiled, Clock: b.FakeClock}
}

// Figures are the metrics of where all stands, with all that was written through the client.
func (b *Bench) Figures() prometheus.Gatherer {
	b.T.Helper()
	for _, list := range []client.ObjectList{&v1alpha1.PhoneNumberList{}, &v1alpha1.BusinessPortfolioList{}, &v1alpha1.NumberPoolList{}} {
		b.Must(b.Client.List(b.Ctx, list)) // waits for the cache
	}
	return Gatherer(&metrics.Standing{Source: b.Standing(), Templates: b.Client, Ledger: b.Ledger})
}

// Gatherer gathers what is told of resources at a scrape.
func Gatherer(collectors ...metrics.Collector) prometheus.Gatherer {
	var told metrics.Exposition
	told.Add(collectors...)
	// Gatherers check that no series is there twice, and sort.
	return prometheus.Gatherers{prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		answer := httptest.NewRecorder()
		scrape := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/metrics", http.NoBody)
		told.Before(promhttp.HandlerFor(prometheus.NewRegistry(), promhttp.HandlerOpts{})).ServeHTTP(answer, scrape)
		if answer.Code != http.StatusOK {
			return nil, errors.New(answer.Body.String())
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(answer.Body)
		for _, family := range families {
			for _, m := range family.GetMetric() {
				slices.SortFunc(m.Label, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetName(), b.GetName()) })
			}
		}
		return slices.Collect(maps.Values(families)), err
	})}
}

// Gauges are the values of the fleet's metrics about the resource of that name, without "numberfleet_"; those with a further label, if one
// is given.
func (b *Bench) Gauges(name string, label ...string) map[string]float64 {
	b.T.Helper()
	families, err := b.Figures().Gather()
	b.Must(err)
	values := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			has := map[string]string{}
			for _, l := range metric.GetLabel() {
				has[l.GetName()] = l.GetValue()
			}
			elsewhere := has["namespace"] != "" && has["namespace"] != b.Namespace
			if has["name"] == name && !elsewhere && (len(label) == 0 || has[label[0]] == label[1]) {
				values[family.GetName()[len("numberfleet_"):]] = metric.GetGauge().GetValue()
			}
		}
	}
	return values
}

// Gauged holds that the metrics of a number say so as well.
func (b *Bench) Gauged(name string, remain int64) {
	b.T.Helper()
	sendable := 0.0
	if remain > 0 {
		sendable = 1
	}
	var got map[string]float64
	if !rig.Eventually(b.Ctx, func() bool { // the cache follows
		got = b.Gauges(name)
		return got["phone_number_remaining"] == float64(remain) && got["phone_number_sendable"] == sendable
	}) {
		b.T.Errorf("the metrics say %v, want %d", got, remain)
	}
}
