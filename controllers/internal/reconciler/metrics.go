package reconciler

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"numberfleet.dev/numberfleet/controllers/internal/throttle"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Metrics of the controller. Numbers appear under the namespace and name of their resource only.
type Metrics struct {
	transitions *prometheus.CounterVec
	writes      *prometheus.CounterVec
	lateness    prometheus.Histogram
}

// NewMetrics registers the controller's metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		transitions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_transitions_total",
			Help: "Number of transitions of phone numbers, by reason.",
		}, []string{"reason"}),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_status_writes_total",
			Help: "Number of status writes, by result and by what they are for: a decision, or counts alone.",
		}, []string{"result", "for"}),
		lateness: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "numberfleet_deadline_lateness_seconds",
			Help:    "Time from a deadline of the rules to the reconcile that met it, by the operator's clock.",
			Buckets: []float64{0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 3600},
		}),
	}
	registry.MustRegister(m.transitions, m.writes, m.lateness)
	return m
}

func (m *Metrics) countTransition(t rules.Transition) {
	m.transitions.WithLabelValues(string(t.Reason)).Inc()
}

func (m *Metrics) observeLateness(late time.Duration) { m.lateness.Observe(late.Seconds()) }

func (m *Metrics) countWrite(d throttle.Difference, err error) {
	result := "written"
	switch {
	case apierrors.IsConflict(err):
		result = "conflict"
	case err != nil:
		result = "failed"
	}
	what := "counts"
	if d.Decided {
		what = "decision"
	}
	m.writes.WithLabelValues(result, what).Inc()
}
