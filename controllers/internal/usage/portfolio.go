package usage

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/promusage"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Members are the numbers that share a limit, by where their counts come from.
type Members struct {
	FromLedger     []string // phone numbers
	FromPrometheus []*v1alpha1.PhoneNumber

	samples *Prometheus
}

// Members tells numbers that share a limit apart by where their counts come from.
func (s *Prometheus) Members(numbers []*v1alpha1.PhoneNumber) Members {
	all := Members{samples: s}
	for _, n := range numbers {
		if s.Counts(n) {
			all.FromPrometheus = append(all.FromPrometheus, n)
		} else {
			all.FromLedger = append(all.FromLedger, n.Spec.PhoneNumber)
		}
	}
	slices.Sort(all.FromLedger)
	return all
}

// Usage is how the counts of all answer the rules, where the ledger counts its own together.
func (m Members) Usage(together rules.Usage, policy *rules.Policy) rules.Usage {
	if len(m.FromPrometheus) == 0 {
		return together
	}
	all := promusage.Together{Counted: together}
	for _, n := range m.FromPrometheus {
		all.Members = append(all.Members, m.samples.Usage(n, policy, together))
	}
	return all
}

// SetUsage says in a portfolio's status where its counts come from. Those that nobody knows are left out.
func (m Members) SetUsage(usage *v1alpha1.UsageStatus, policy *rules.Policy) {
	usage.Source = v1alpha1.CountedHere
	if len(m.FromPrometheus) == 0 {
		return
	}
	usage.Source = v1alpha1.CountedByPrometheus
	if len(m.FromLedger) > 0 {
		usage.Source = v1alpha1.CountedMixed
	}
	// Users that numbers have in common would count twice.
	usage.UniqueUsers7d, usage.Messages7d, usage.SampledTime = nil, nil, metav1.Time{}
	for _, n := range m.FromPrometheus {
		used := m.samples.readings(n, policy)[UsedCount]
		if !used.Read() {
			// The sum of the others would show room that may not be there.
			usage.Used, usage.SampledTime = nil, metav1.Time{}
			return
		}
		if usage.SampledTime.IsZero() || used.At.Before(usage.SampledTime.Time) {
			usage.SampledTime = statuses.Time(used.At)
		}
	}
}

// SetFresh says on a portfolio how fresh the counts of its numbers are, where a Prometheus has a part in them.
func (m Members) SetFresh(c conditions.Setter) {
	if len(m.FromPrometheus) == 0 {
		meta.RemoveStatusCondition(c.In, v1alpha1.ConditionUsageFresh)
		return
	}
	stale, first := 0, ""
	for _, n := range m.FromPrometheus {
		if j, ok := m.samples.Verdict(n); ok && j.Status != metav1.ConditionTrue {
			if stale++; stale == 1 {
				first = fmt.Sprintf("%s/%s: %s", n.Namespace, n.Name, j.Reason)
			}
		}
	}
	if stale == 0 {
		c.Set(v1alpha1.ConditionUsageFresh, metav1.ConditionTrue, v1alpha1.ReasonSampled, "The counts of all numbers are fresh.")
		return
	}
	c.Set(v1alpha1.ConditionUsageFresh, metav1.ConditionFalse, v1alpha1.ReasonMembersNotFresh, fmt.Sprintf(
		"The counts of %d numbers are not fresh, the first of them %s. A restriction that stands is not lifted, and they do not count for an upgrade.", stale, first))
}
