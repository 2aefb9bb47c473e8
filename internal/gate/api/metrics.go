package api

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"numberfleet.dev/numberfleet/internal/server"
)

// metrics are what the API counts.
type metrics struct {
	requests           *prometheus.CounterVec
	duration, streamed prometheus.Histogram
	streams            prometheus.Gauge
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	register := promauto.With(registerer)
	return &metrics{
		requests: register.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_gate_requests_total",
			Help: "Total number of requests to the gate's API, by the HTTP status code of the answer.",
		}, []string{"code"}),
		duration: register.NewHistogram(prometheus.HistogramOpts{
			Name:    "numberfleet_gate_request_duration_seconds",
			Help:    "Time from a request's headers to its answer, in seconds. A caller that may not waits at least 0.25. Streams are left out.",
			Buckets: server.RequestBuckets,
		}),
		streamed: register.NewHistogram(prometheus.HistogramOpts{
			Name:    "numberfleet_gate_stream_duration_seconds",
			Help:    "How long a stream of what may be sent was open, in seconds.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 9),
		}),
		streams: register.NewGauge(prometheus.GaugeOpts{
			Name: "numberfleet_gate_streams",
			Help: "Number of streams of what may be sent that are open.",
		}),
	}
}
