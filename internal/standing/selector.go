package standing

import (
	"maps"
	"math"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Selected are the numbers that send for a pool, by name. A selector that cannot be used selects none.
func (r *Resources) Selected(p *v1alpha1.NumberPool) (all []*v1alpha1.PhoneNumber) {
	selector := selectorOf(p)
	for _, n := range indexed[*v1alpha1.PhoneNumber](r.Numbers, byLabel, r.rarest(labelsAskedFor(p))) {
		if n.DeletionTimestamp.IsZero() && selector.Matches(labels.Set(n.Labels)) {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(a, b *v1alpha1.PhoneNumber) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// rarest is the label that the fewest numbers have.
func (r *Resources) rarest(labels []string) (rarest string) {
	if len(labels) == 1 {
		return labels[0]
	}
	few := math.MaxInt
	for _, label := range labels {
		if names, err := r.Numbers.IndexKeys(byLabel, label); err == nil && len(names) < few {
			rarest, few = label, len(names)
		}
	}
	return rarest
}

// SelectedBy are the pools that a number sends for, by name.
func (r *Resources) SelectedBy(n *v1alpha1.PhoneNumber) (all []*v1alpha1.NumberPool) {
	for _, label := range labelsOf(n) {
		for _, p := range indexed[*v1alpha1.NumberPool](r.Pools, bySelector, label) {
			if p.DeletionTimestamp.IsZero() && selectorOf(p).Matches(labels.Set(n.Labels)) {
				all = append(all, p)
			}
		}
	}
	slices.SortFunc(all, func(a, b *v1alpha1.NumberPool) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func selectorOf(p *v1alpha1.NumberPool) labels.Selector {
	selector, err := metav1.LabelSelectorAsSelector(p.Spec.Selector)
	if err != nil {
		return labels.Nothing()
	}
	return selector
}

// labelsOf are the labels of a number as the indexes have them, and that of all numbers of its namespace.
func labelsOf(n *v1alpha1.PhoneNumber) []string {
	return append(labelsIn(n.Namespace, n.Labels), everyNumberOf(n.Namespace))
}

// labelsAskedFor are labels that a number must have to send for a pool, as the indexes have them: one at least.
func labelsAskedFor(p *v1alpha1.NumberPool) []string {
	if p.Spec.Selector == nil || len(p.Spec.Selector.MatchLabels) == 0 {
		return []string{everyNumberOf(p.Namespace)}
	}
	return labelsIn(p.Namespace, p.Spec.Selector.MatchLabels)
}

// labelsIn are some labels as the indexes have them, in the order of their keys.
func labelsIn(namespace string, set map[string]string) []string {
	all := make([]string, 0, len(set)+1)
	for _, key := range slices.Sorted(maps.Keys(set)) {
		all = append(all, namespace+"/"+key+"="+set[key])
	}
	return all
}

// everyNumberOf is what the indexes have in place of a label for all numbers of a namespace.
func everyNumberOf(namespace string) string { return namespace + "/" }
