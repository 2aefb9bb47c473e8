// Package budgets takes what becomes of the budgets of a spec into the status.
package budgets

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/internal/gate/settings"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

// Set writes into a status where the budgets of a limit stand, whose room is given, and whether what they guarantee is there: not where it is
// the resource of another cluster that the gate follows.
func Set(c conditions.Setter, status *v1alpha1.LimitStatus, spec []v1alpha1.Budget, room rules.Room, used []counts.BudgetUse, elsewhere string) {
	status.Budgets = nil
	if elsewhere != "" {
		c.Set(v1alpha1.ConditionBudgetsFit, metav1.ConditionFalse, v1alpha1.ReasonSetElsewhere, fmt.Sprintf(
			"The gate follows the resource of cluster %q, which set this limit first. Change its spec there; or delete it, and the gate follows this one.", elsewhere))
		return
	}
	if len(spec) == 0 {
		meta.RemoveStatusCondition(c.In, v1alpha1.ConditionBudgetsFit)
		return
	}
	for _, b := range standing.Budgets(room, used) {
		status.Budgets = append(status.Budgets, v1alpha1.BudgetStatus{Name: b.Name, Used: &b.Used, Reserved: &b.Held, Guaranteed: &b.Guaranteed,
			Maximum: unless(b.Maximum, -1), Remaining: unless(b.Remaining, rules.NoLimit)})
	}
	if cut := cut(spec, room.Limit, used); len(cut) > 0 {
		c.Set(v1alpha1.ConditionBudgetsFit, metav1.ConditionFalse, v1alpha1.ReasonGuaranteesExceedLimit, fmt.Sprintf(
			"The budgets guarantee more together than the limit of %d: %s. Lower what is guaranteed.", room.Limit, strings.Join(cut, ", ")))
		return
	}
	c.Set(v1alpha1.ConditionBudgetsFit, metav1.ConditionTrue, v1alpha1.ReasonGuaranteesFit, "What the budgets guarantee is kept for them.")
}

// SetShared says that the budgets of a number that shares the limit of a portfolio are not used.
func SetShared(c conditions.Setter, status *v1alpha1.LimitStatus, spec []v1alpha1.Budget, portfolio string) {
	status.Budgets = nil
	if len(spec) == 0 {
		meta.RemoveStatusCondition(c.In, v1alpha1.ConditionBudgetsFit)
		return
	}
	c.Set(v1alpha1.ConditionBudgetsFit, metav1.ConditionFalse, v1alpha1.ReasonLimitShared, fmt.Sprintf(
		"The limit is that of BusinessPortfolio %q: the budgets of the number are not used. Move them to the portfolio, with spec.budgets[].namespaces.", portfolio))
}

// unless is a figure, and nil for the one that stands for none.
func unless(figure, none int64) *int64 {
	if figure == none {
		return nil
	}
	return &figure
}

// cut says which guarantees are not kept in full.
func cut(spec []v1alpha1.Budget, limit int64, used []counts.BudgetUse) (sentences []string) {
	if limit == rules.Unlimited {
		return nil
	}
	for i, b := range spec {
		if wants := settings.Amount(b.Guaranteed).Of(limit, 0); i < len(used) && used[i].Guaranteed < wants {
			sentences = append(sentences, fmt.Sprintf("%s has %d users instead of %d", b.Name, used[i].Guaranteed, wants))
		}
	}
	return sentences
}
