package pool

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

// problemOf is what keeps a pool from its numbers; nil if nothing does.
func problemOf(p *v1alpha1.NumberPool, stands *standing.Pool) *conditions.Problem {
	switch _, err := metav1.LabelSelectorAsSelector(p.Spec.Selector); {
	case err != nil:
		return &conditions.Problem{Reason: v1alpha1.ReasonSelectorInvalid, Stalled: true, Message: fmt.Sprintf(
			"spec.selector cannot be used: %v. Write matchLabels, or matchExpressions with the operator In or NotIn and values, or Exists or DoesNotExist without.", err)}
	case len(stands.Members) == 0 && equality.Semantic.DeepEqual(p.Spec.Selector, &metav1.LabelSelector{}):
		return &conditions.Problem{Reason: v1alpha1.ReasonNoNumbers, Message: fmt.Sprintf(
			"There is no PhoneNumber in namespace %q: a pool and its numbers are in one namespace.", p.Namespace)}
	case len(stands.Members) == 0:
		return &conditions.Problem{Reason: v1alpha1.ReasonNoNumbers, Message: fmt.Sprintf(
			"No PhoneNumber of namespace %q has the labels %q, which spec.selector asks for: give them to the numbers that are to send, which are in the namespace of the pool.",
			p.Namespace, metav1.FormatLabelSelector(p.Spec.Selector))}
	case len(stands.Members) > counts.MostMembers:
		return &conditions.Problem{Reason: v1alpha1.ReasonTooManyNumbers, Stalled: true, Message: fmt.Sprintf(
			"spec.selector selects more than %d PhoneNumbers, and only the first by name send: make several pools.", counts.MostMembers)}
	}
	return nil
}

// fits says what there is to say against the numbers of a pool. None of it keeps them from sending.
func fits(p *v1alpha1.NumberPool, stands *standing.Pool, view *standing.View) conditions.Verdict {
	var reasons, sentences []string
	add := func(reason, sentence string) {
		reasons, sentences = append(reasons, reason), append(sentences, sentence)
	}
	var policies, heavy []string
	for _, m := range stands.Members {
		if policy := m.Number.Status.PolicyName; policy != "" && !slices.Contains(policies, policy) {
			policies = append(policies, policy)
		}
		if _, err := rules.PoolWeight(m.Number); err != nil && p.Spec.Strategy == v1alpha1.Weighted {
			heavy = append(heavy, m.Number.Name)
		}
	}
	if len(heavy) > 0 {
		add(v1alpha1.ReasonWeightInvalid, fmt.Sprintf("The weight of PhoneNumber %s cannot be read and counts as 1: annotation %s must be a whole number from 0 to %d, in quotes, like \"10\".",
			list(heavy), v1alpha1.AnnotationWeight, v1alpha1.MostWeight))
	}
	if slices.Sort(policies); len(policies) > 1 {
		add(v1alpha1.ReasonPoliciesDiffer, fmt.Sprintf("The numbers are governed by different policies, MessagingPolicy %s: give them one policy, or make a pool for each.", list(policies)))
	}
	for _, m := range stands.Members {
		pools := view.SelectedBy(m.Number)
		if i := slices.IndexFunc(pools, func(other *v1alpha1.NumberPool) bool { return other.Name != p.Name }); i >= 0 {
			add(v1alpha1.ReasonNumbersShared, fmt.Sprintf("PhoneNumber %q is in NumberPool %q too, so each pool shows room that the other may take: give the pools labels of their own, unless that is meant.",
				m.Number.Name, pools[i].Name))
			break
		}
	}
	if len(reasons) > 0 {
		return conditions.False(reasons[0], strings.Join(sentences, " "))
	}
	return conditions.True(v1alpha1.ReasonMembersGoTogether, "There is nothing to say against the numbers of the pool.")
}

// list names some, the first three of them.
func list(names []string) string {
	quoted := make([]string, 0, 3)
	for _, name := range names[:min(len(names), 3)] {
		quoted = append(quoted, fmt.Sprintf("%q", name))
	}
	if len(names) > 3 {
		return strings.Join(quoted, ", ") + fmt.Sprintf(" and %d more", len(names)-3)
	}
	return strings.Join(quoted, ", ")
}
