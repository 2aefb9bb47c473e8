package gate

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// metrics are what the gate counts. No label can take a value that someone outside chooses.
type metrics struct {
	decisions *prometheus.CounterVec
	shadow    *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	register := promauto.With(registerer)
	return &metrics{
		decisions: register.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_gate_decisions_total",
			Help: "Total number of reservations that were asked for, by what became of them and why.",
		}, []string{"state", "why"}),
		shadow: register.NewCounterVec(prometheus.CounterOpts{
			Name: "numberfleet_gate_shadow_refusals_total",
			Help: "Total number of reservations that were granted only because the limit is not enforced, by why they would have been refused.",
		}, []string{"why"}),
	}
}

// reserved counts the answers to a call.
func (m *metrics) reserved(answers []Answer) {
	for i := range answers {
		d := &answers[i].Decision
		if p := answers[i].Problem; p != nil {
			m.decisions.WithLabelValues(string(counts.Refused), string(p.Reason)).Inc()
			continue
		}
		m.decisions.WithLabelValues(string(d.State), d.Why).Inc()
		if d.Shadow {
			m.shadow.WithLabelValues(d.Why).Inc()
		}
	}
}
