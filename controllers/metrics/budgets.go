package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"numberfleet.dev/numberfleet/internal/standing"
)

// budgetDesc are the gauges of the budgets of a limit, by the label budget.
type budgetDesc struct{ used, reserved, guaranteed, maximum, remaining *prometheus.Desc }

var (
	budgetDescs          = newBudgetDesc("phone_number", "a phone number", labels)
	portfolioBudgetDescs = newBudgetDesc("portfolio", "a business portfolio", portfolioLabels)
)

func newBudgetDesc(of, what string, labels []string) budgetDesc {
	desc := func(figure, help string) *prometheus.Desc {
		return prometheus.NewDesc("numberfleet_"+of+"_budget_"+figure, help, append(slices.Clone(labels), "budget"), nil)
	}
	return budgetDesc{
		used:       desc("used", "How many counted users are charged to a budget of "+what+"."),
		reserved:   desc("reserved", "How many users are held under a budget of "+what+" and not counted."),
		guaranteed: desc("guaranteed", "How many users are kept for a budget of "+what+"; used and reserved are a part of them."),
		maximum:    desc("maximum", "How many users a budget of "+what+" may take at most; absent where nothing but the limit bounds it."),
		remaining: desc("remaining",
			"How many further users may be messaged under a budget of "+what+" now; 0 whenever none may be, and 2147483647 where there is no limit."),
	}
}

func (d budgetDesc) describe(descriptions chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{d.used, d.reserved, d.guaranteed, d.maximum, d.remaining} {
		descriptions <- desc
	}
}

func (d budgetDesc) collect(gauge func(*prometheus.Desc, float64, ...string), budgets []standing.Budget) {
	for _, b := range budgets {
		gauge(d.used, float64(b.Used), b.Name)
		gauge(d.reserved, float64(b.Held), b.Name)
		gauge(d.guaranteed, float64(b.Guaranteed), b.Name)
		gauge(d.remaining, float64(b.Remaining), b.Name)
		if b.Maximum >= 0 {
			gauge(d.maximum, float64(b.Maximum), b.Name)
		}
	}
}
