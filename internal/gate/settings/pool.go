package settings

import (
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

var strategies = map[v1alpha1.PoolStrategy]counts.Strategy{v1alpha1.LeastUsed: counts.LeastUsed, v1alpha1.Weighted: counts.Weighted}

// Pool says which numbers send for a pool. Of more than the gate takes, the first do.
func Pool(p *v1alpha1.NumberPool, numbers []*v1alpha1.PhoneNumber) counts.PoolSetting {
	s := counts.PoolSetting{Name: counts.PoolName(p.Namespace, p.Name), Strategy: strategies[p.Spec.Strategy], MinimumQuality: rules.PoolMinimumQuality(p)}
	for _, category := range p.Spec.Categories {
		s.Categories = append(s.Categories, counts.NewCategory(report.CategoryName(category)))
	}
	for _, n := range numbers[:min(len(numbers), counts.MostMembers)] {
		weight, _ := rules.PoolWeight(n)
		s.Members = append(s.Members, counts.PoolMember{Number: n.Spec.PhoneNumber, Weight: weight})
	}
	return s
}
