package controllers

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

// liveCounts are the counts of this very instant: the ledger's, or what a Prometheus said last. They satisfy standing.Counts.
type liveCounts struct {
	ledger  *ledger.Ledger
	samples *Samples
}

// Number implements standing.Counts.
func (c liveCounts) Number(n *v1alpha1.PhoneNumber, policy *rules.Policy, now time.Time) standing.Used {
	counted := c.ledger.Usage(n.Spec.PhoneNumber)
	if !c.samples.counts(n) {
		used := standing.Used{Usage: counted, UniqueUsers7d: new(c.ledger.Count(n.Spec.PhoneNumber, v1alpha1.MeasureUniqueUsers, now.Add(-week), now))}
		if policy != nil {
			used.Now = new(rules.Used(policy, counted, now))
		}
		return used
	}
	if policy == nil {
		return standing.Used{}
	}
	usage, _ := c.samples.usage(n, policy, counted)
	var status v1alpha1.UsageStatus
	c.samples.counted(&status, n, policy)
	return standing.Used{Usage: usage, Now: status.Used, UniqueUsers7d: status.UniqueUsers7d}
}

// Portfolio implements standing.Counts. Nothing is known of a portfolio until it is known which its numbers are, after a start,
// and what they used: no figure is better than one that shows room.
func (c liveCounts) Portfolio(name string, members []*v1alpha1.PhoneNumber, policy *rules.Policy, now time.Time) standing.Used {
	group, share := counts.GroupSubject(name), c.samples.sharing(members)
	if !c.ledger.Known(group) && (len(share.counted) > 0 || len(share.read) == 0) {
		return standing.Used{}
	}
	usage, _ := share.usage(c.ledger.Usage(group), policy)
	status := v1alpha1.UsageStatus{Used: new(rules.Used(policy, usage, now))}
	share.mark(&status, policy)
	return standing.Used{Usage: usage, Now: status.Used}
}
