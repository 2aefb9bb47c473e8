package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Holds collects how the reservations of all limits stand: of portfolios, and of numbers that have their limit themselves.
type Holds struct {
	Resources client.Reader
	Ledger    *ledger.Ledger
	Clock     reconciler.Clock
}

var (
	holdLabels = []string{"kind", "namespace", "name"}

	heldDesc = prometheus.NewDesc("numberfleet_gate_held",
		"Number of reservations that hold a place of a messaging limit.", holdLabels, nil)
	unknownDesc = prometheus.NewDesc("numberfleet_gate_held_unknown",
		"Number of reservations that hold a place of a messaging limit although their time to send is over, since nobody said what became of them.", holdLabels, nil)
	oldestDesc = prometheus.NewDesc("numberfleet_gate_oldest_hold_seconds",
		"Age of the oldest reservation that holds a place of a messaging limit; 0 where there is none.", holdLabels, nil)
)

// Describe implements prometheus.Collector.
func (h *Holds) Describe(descriptions chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{heldDesc, unknownDesc, oldestDesc} {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector.
func (h *Holds) Collect(metrics chan<- prometheus.Metric) {
	// The cache answers at once; the bound is for a cache that never came up.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var numbers v1alpha1.PhoneNumberList
	var portfolios v1alpha1.BusinessPortfolioList
	for _, list := range []client.ObjectList{&numbers, &portfolios} {
		if err := h.Resources.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			metrics <- prometheus.NewInvalidMetric(heldDesc, err)
			return
		}
	}
	now := h.Clock.Now()
	for i := range numbers.Items {
		if n := &numbers.Items[i]; n.Status.Portfolio == "" {
			h.collect(metrics, n.Spec.PhoneNumber, now, lookup.PhoneNumber, n.Namespace, n.Name)
		}
	}
	for i := range portfolios.Items {
		p := &portfolios.Items[i]
		h.collect(metrics, counts.PortfolioKey(p.Name), now, lookup.BusinessPortfolio, "", p.Name)
	}
}

// collect adds the figures of the limit that a subject has.
func (h *Holds) collect(metrics chan<- prometheus.Metric, subject string, now time.Time, labels ...string) {
	holds := h.Ledger.Holds(subject, now)
	age := time.Duration(0)
	if !holds.Oldest.IsZero() {
		age = max(0, now.Sub(holds.Oldest))
	}
	for _, figure := range []struct {
		desc  *prometheus.Desc
		value float64
	}{{heldDesc, float64(holds.Open)}, {unknownDesc, float64(holds.Unknown)}, {oldestDesc, age.Seconds()}} {
		metrics <- prometheus.MustNewConstMetric(figure.desc, prometheus.GaugeValue, figure.value, labels...)
	}
}
