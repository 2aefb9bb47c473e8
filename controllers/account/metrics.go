package account

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/internal/meta/graph"
)

// Metrics tell of the reads from Meta's Graph API. Accounts appear under Meta's id.
type Metrics struct {
	registry prometheus.Registerer
	calls    *prometheus.CounterVec
	reports  prometheus.Counter
}

// NewMetrics registers them.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		registry: registry,
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_graph_calls_total",
			Help: "Number of calls to Meta's Graph API, by account and result: ok, temporary, ratelimited, token, permission, notfound or permanent.",
		}, []string{"account", "result"}),
		reports: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_graph_reports_total",
			Help: "Number of reports that were read from Meta's Graph API and were not known before.",
		}),
	}
	registry.MustRegister(m.calls, m.reports)
	return m
}

func (m *Metrics) countCall(account string, failed graph.Kind) {
	result := "ok"
	if failed != 0 {
		result = strings.ToLower(failed.String())
	}
	m.calls.WithLabelValues(account, result).Inc()
}

func (m *Metrics) countReports(reports int) { m.reports.Add(float64(reports)) }

// collect collects the figures of the accounts at each scrape.
func (m *Metrics) collect(accounts map[string]*account, clock reconciler.Clock) {
	m.registry.MustRegister(&accountCollector{accounts, clock})
}

type accountCollector struct {
	accounts map[string]*account
	clock    reconciler.Clock
}

var (
	graphUsageDesc = prometheus.NewDesc("numberfleet_graph_usage_percent",
		"How much of the calls that Meta allows to an account within an hour are used, as Meta said last.", []string{"account"}, nil)
	graphAgeDesc = prometheus.NewDesc("numberfleet_graph_oldest_read_age_seconds",
		"Time since all numbers of an account were read, or since the start if they were not yet; absent while another process leads.", []string{"account"}, nil)
)

// Describe implements prometheus.Collector.
func (c *accountCollector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- graphUsageDesc
	descriptions <- graphAgeDesc
}

// Collect implements prometheus.Collector.
func (c *accountCollector) Collect(metrics chan<- prometheus.Metric) {
	for id, a := range c.accounts {
		metrics <- prometheus.MustNewConstMetric(graphUsageDesc, prometheus.GaugeValue, a.limiter.State().Percent, id)
		if read, begun := a.since(); begun {
			metrics <- prometheus.MustNewConstMetric(graphAgeDesc, prometheus.GaugeValue, c.clock.Since(read).Seconds(), id)
		}
	}
}
