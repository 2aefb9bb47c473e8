package events

import (
	"github.com/prometheus/client_golang/prometheus"

	"numberfleet.dev/numberfleet/internal/cloudevents"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// metrics are what the event API counts. No label can take a value that someone outside chooses.
type metrics struct {
	requests  *prometheus.CounterVec
	duration  prometheus.Histogram
	events    *prometheus.CounterVec
	repeated  prometheus.Counter
	expired   prometheus.Counter
	unclaimed prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_events_requests_total",
			Help: "Total number of requests to the event API, by the HTTP status code of the answer.",
		}, []string{"code"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "numberfleet_events_request_duration_seconds",
			Help:    "Time from a request's headers to its answer, in seconds. A caller that may not waits at least 0.25.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30},
		}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_events_received_total",
			Help: "Total number of events that were accepted, by type. Repeated ones count again.",
		}, []string{"type"}),
		repeated: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_events_repeated_records_total",
			Help: "Total number of records out of events that changed nothing because they were known already.",
		}),
		expired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_events_expired_records_total",
			Help: "Total number of records out of events that were dropped because they came too late to count.",
		}),
		unclaimed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "numberfleet_events_unclaimed_records_total",
			Help: "Total number of records out of events about numbers that no PhoneNumber names. They are kept.",
		}),
	}
	for _, collector := range []prometheus.Collector{m.requests, m.duration, m.events, m.repeated, m.expired, m.unclaimed} {
		if err := registerer.Register(collector); err != nil {
			return nil, err
		}
	}
	// What never came is zero, not absent: a rate of it can be alerted on from the start.
	for _, known := range cloudevents.Types() {
		m.events.WithLabelValues(string(known))
	}
	return m, nil
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
