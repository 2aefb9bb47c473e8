package prometheus

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/internal/promquery"
)

// Metrics tell of the queries to Prometheus.
type Metrics struct {
	registry prometheus.Registerer
	queries  *prometheus.CounterVec
}

// NewMetrics registers them.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		registry: registry,
		queries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_prometheus_queries_total",
			Help: "Number of queries to the Prometheus of a namespace, by result: ok, refused, failed, partial or unreachable.",
		}, []string{"namespace", "result"}),
	}
	registry.MustRegister(m.queries)
	return m
}

func (m *Metrics) countQuery(namespace string, failed *promquery.Error) {
	result := "ok"
	if failed != nil {
		result = strings.ToLower(failed.Kind.String())
	}
	m.queries.WithLabelValues(namespace, result).Inc()
}

// collect collects the age of what is known at each scrape.
func (m *Metrics) collect(namespaces map[string]*namespace, clock reconciler.Clock) {
	m.registry.MustRegister(&namespaceCollector{namespaces, clock})
}

type namespaceCollector struct {
	namespaces map[string]*namespace
	clock      reconciler.Clock
}

var sampleAgeDesc = prometheus.NewDesc("numberfleet_prometheus_oldest_read_age_seconds",
	"Time since all queries to the Prometheus of a namespace were answered, or since the start if they were not yet; absent while another process leads.", []string{"namespace"}, nil)

// Describe implements prometheus.Collector.
func (c *namespaceCollector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- sampleAgeDesc
}

// Collect implements prometheus.Collector.
func (c *namespaceCollector) Collect(metrics chan<- prometheus.Metric) {
	for name, n := range c.namespaces {
		if read, begun := n.since(); begun {
			metrics <- prometheus.MustNewConstMetric(sampleAgeDesc, prometheus.GaugeValue, c.clock.Since(read).Seconds(), name)
		}
	}
}
