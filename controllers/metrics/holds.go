package metrics

import (
	"time"

	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/standing"
)

// Holds collects how the reservations of all limits stand: of portfolios, and of numbers that have their limit themselves.
type Holds struct {
	Resources func() (*standing.Resources, error)
	Ledger    *ledger.Ledger
	Clock     reconciler.Clock
}

var (
	holdLabels = []string{"kind", "namespace", "name"}

	heldFamily = &family{"numberfleet_gate_held",
		"Number of reservations that hold a place of a messaging limit.", gauge, holdLabels}
	unknownFamily = &family{"numberfleet_gate_held_unknown",
		"Number of reservations that hold a place of a messaging limit although their time to send is over, since nobody said what became of them.", gauge, holdLabels}
	oldestFamily = &family{"numberfleet_gate_oldest_hold_seconds",
		"Age of the oldest reservation that holds a place of a messaging limit; 0 where there is none.", gauge, holdLabels}
)

// collect implements Collector.
func (h *Holds) collect(told *page) error {
	resources, err := h.Resources()
	if err != nil {
		return err
	}
	now := h.Clock.Now()
	if told.withNumbers {
		for n := range resources.AllNumbers() {
			if n.Status.Portfolio == "" {
				h.put(told, n.Spec.PhoneNumber, now, lookup.PhoneNumber, n.Namespace, n.Name)
			}
		}
	}
	for p := range resources.AllPortfolios() {
		h.put(told, counts.PortfolioKey(p.Name), now, lookup.BusinessPortfolio, "", p.Name)
	}
	return nil
}

// put tells of the limit that a subject has.
func (h *Holds) put(told *page, subject string, now time.Time, labels ...string) {
	holds := h.Ledger.Holds(subject, now)
	age := time.Duration(0)
	if !holds.Oldest.IsZero() {
		age = max(0, now.Sub(holds.Oldest))
	}
	of := labelText(holdLabels, labels)
	told.putAs(heldFamily, float64(holds.Open), of)
	told.putAs(unknownFamily, float64(holds.Unknown), of)
	told.putAs(oldestFamily, age.Seconds(), of)
}
