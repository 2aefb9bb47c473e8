package standing

import (
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Budget is where a budget of a limit stands.
type Budget struct {
	counts.BudgetUse
	// Remaining is how many further users may be messaged under the budget: rules.NoLimit where nothing limits it, and 0 whenever nothing
	// may be sent.
	Remaining int64
}

// Budgets are where the budgets of a limit stand. The room is that of the limit.
func Budgets(room rules.Room, used []counts.BudgetUse) []Budget {
	kept := int64(0)
	for _, b := range used {
		kept += b.Owed()
	}
	all := make([]Budget, 0, len(used))
	for _, b := range used {
		remaining := room.Remaining
		if room.Limit != rules.Unlimited {
			remaining = max(0, remaining-(kept-b.Owed())) // what is guaranteed to the others is lent to nobody
		}
		if b.Maximum >= 0 {
			remaining = min(remaining, max(0, b.Maximum-b.Used-b.Held))
		}
		all = append(all, Budget{b, remaining})
	}
	return all
}
