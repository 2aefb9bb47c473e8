package metrics

import (
	"slices"

	"numberfleet.dev/numberfleet/internal/standing"
)

// budgetFamilies are the gauges of the budgets of a limit, by the label budget.
type budgetFamilies struct{ used, reserved, guaranteed, maximum, remaining *family }

var (
	numberBudgets    = newBudgetFamilies("phone_number", "a phone number", labels)
	portfolioBudgets = newBudgetFamilies("portfolio", "a business portfolio", portfolioLabels)
)

func newBudgetFamilies(of, what string, labels []string) budgetFamilies {
	figure := func(figure, help string) *family {
		return &family{"numberfleet_" + of + "_budget_" + figure, help, gauge, append(slices.Clone(labels), "budget")}
	}
	return budgetFamilies{
		used:       figure("used", "How many counted users are charged to a budget of "+what+"."),
		reserved:   figure("reserved", "How many users are held under a budget of "+what+" and not counted."),
		guaranteed: figure("guaranteed", "How many users are kept for a budget of "+what+"; used and reserved are a part of them."),
		maximum:    figure("maximum", "How many users a budget of "+what+" may take at most; absent where nothing but the limit bounds it."),
		remaining: figure("remaining",
			"How many further users may be messaged under a budget of "+what+" now; 0 whenever none may be, and 2147483647 where there is no limit."),
	}
}

// put tells of budgets, of whoever has the labels.
func (f budgetFamilies) put(p *page, budgets []standing.Budget, of ...string) {
	for _, b := range budgets {
		labels := labelText(f.used.labels, append(slices.Clone(of), b.Name))
		p.putAs(f.used, float64(b.Used), labels)
		p.putAs(f.reserved, float64(b.Held), labels)
		p.putAs(f.guaranteed, float64(b.Guaranteed), labels)
		p.putAs(f.remaining, float64(b.Remaining), labels)
		if b.Maximum >= 0 {
			p.putAs(f.maximum, float64(b.Maximum), labels)
		}
	}
}
