package settings

import (
	"cmp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// budgets are the budgets of a spec.
func budgets(spec *v1alpha1.GateSpec) []counts.BudgetSetting {
	var settings []counts.BudgetSetting
	for _, b := range spec.Budgets {
		setting := counts.BudgetSetting{
			Name: b.Name, Namespaces: b.Namespaces, Guaranteed: Amount(b.Guaranteed), Maximum: Amount(b.Maximum),
			AllowUnreserved: cmp.Or(b.OnUnavailable, spec.OnUnavailable) == v1alpha1.AllowUnavailable,
		}
		for _, category := range b.Categories {
			setting.Categories = append(setting.Categories, counts.NewCategory(report.CategoryName(category)))
		}
		settings = append(settings, setting)
	}
	return settings
}

// Amount reads a number of users, or a percentage of the limit. The API server has checked that it is one or the other.
func Amount(of *intstr.IntOrString) counts.Amount {
	if of == nil {
		return counts.Amount{}
	}
	if of.Type == intstr.Int {
		return counts.Amount{Set: true, N: int64(of.IntVal)}
	}
	percent, err := strconv.ParseInt(strings.TrimSuffix(of.StrVal, "%"), 10, 64)
	if err != nil {
		percent = 0
	}
	return counts.Amount{Set: true, N: percent, Percent: true}
}
