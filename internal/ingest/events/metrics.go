package events

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/server"
)

// metrics are what the event API counts. No label can take a value that someone outside chooses.
type metrics struct {
	requests  *prometheus.CounterVec
	duration  prometheus.Histogram
	events    *prometheus.CounterVec
	repeated  prometheus.Counter
	expired   prometheus.Counter
	unstored  prometheus.Counter
	unclaimed prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	register := promauto.With(registerer)
	m := &metrics{
		requests: register.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_events_requests_total",
			Help: "Total number of requests to the event API, by the HTTP status code of the answer.",
		}, []string{"code"}),
		duration: register.NewHistogram(prometheus.HistogramOpts{
			Name:    "numberfleet_events_request_duration_seconds",
			Help:    "Time from a request's headers to its answer, in seconds. A caller that may not waits at least 0.25.",
			Buckets: server.RequestBuckets,
		}),
		events: register.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_events_received_total",
			Help: "Total number of events that were accepted, by type. Repeated ones count again.",
		}, []string{"type"}),
		repeated: register.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_events_repeated_records_total",
			Help: "Total number of records out of events that changed nothing because they were known already.",
		}),
		expired: register.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_events_expired_records_total",
			Help: "Total number of records out of events that were dropped because they came too late to count.",
		}),
		unstored: register.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_events_unstored_requests_total",
			Help: "Total number of requests whose events the ledger could not keep. Their senders are asked to send them again.",
		}),
		unclaimed: register.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_events_unclaimed_records_total",
			Help: "Total number of records out of events about numbers that no PhoneNumber names. They are kept.",
		}),
	}
	// What never came is zero, not absent: a rate of it can be alerted on from the start.
	for _, known := range cloudevents.Types() {
		m.events.WithLabelValues(string(known))
	}
	return m
}

// accepted counts the events of a request that are stored.
func (m *metrics) accepted(events []cloudevents.Event, appended counts.Outcome, unclaimed int) {
	for i := range events {
		m.events.WithLabelValues(string(events[i].Type)).Inc()
	}
	m.repeated.Add(float64(appended.Repeated))
	m.expired.Add(float64(appended.Expired))
	m.unclaimed.Add(float64(unclaimed))
}
