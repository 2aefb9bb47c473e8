// Package usage answers how much numbers and portfolios have used, whoever counts: the ledger or a Prometheus.
package usage

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

// Counts are the counts of this very instant: the ledger's, or what a Prometheus said last. They satisfy standing.Counts.
type Counts struct {
	Ledger  *ledger.Ledger
	Samples *Prometheus
}

// Number implements standing.Counts.
func (c Counts) Number(n *v1alpha1.PhoneNumber, policy *rules.Policy, now time.Time) standing.Used {
	counted := rules.Exact{Counted: c.Ledger.Usage(n.Spec.PhoneNumber)}
	if !c.Samples.Counts(n) {
		used := standing.Used{Usage: counted, UniqueUsers7d: new(c.Ledger.Count(n.Spec.PhoneNumber, v1alpha1.MeasureUniqueUsers, now.Add(-statuses.Week), now)),
			Reserved: c.Ledger.Reserved(n.Spec.PhoneNumber, now), OwnReserved: c.Ledger.NumberReserved(n.Spec.PhoneNumber, now), Budgets: c.Ledger.Budgets(n.Spec.PhoneNumber, now)}
		if policy != nil {
			used.Now = new(rules.Used(policy, counted, now))
		}
		return used
	}
	if policy == nil {
		return standing.Used{}
	}
	usage := c.Samples.Usage(n, policy, counted)
	var status v1alpha1.UsageStatus
	c.Samples.SetUsage(&status, n, policy)
	return standing.Used{Usage: usage, Now: status.Used, UniqueUsers7d: status.UniqueUsers7d}
}

// Portfolio implements standing.Counts. Nothing is known of a portfolio until it is known which its numbers are, after a start,
// and what they used: no figure is better than one that shows room.
func (c Counts) Portfolio(name string, members []*v1alpha1.PhoneNumber, policy *rules.Policy, now time.Time) standing.Used {
	key, shared := counts.PortfolioKey(name), c.Samples.Members(members)
	if !c.Ledger.Known(key) && (len(shared.FromLedger) > 0 || len(shared.FromPrometheus) == 0) {
		return standing.Used{}
	}
	usage := shared.Usage(rules.Exact{Counted: c.Ledger.Usage(key)}, policy)
	status := v1alpha1.UsageStatus{Used: new(rules.Used(policy, usage, now))}
	shared.SetUsage(&status, policy)
	return standing.Used{Usage: usage, Now: status.Used, Reserved: c.Ledger.Reserved(key, now), Budgets: c.Ledger.Budgets(key, now)}
}
