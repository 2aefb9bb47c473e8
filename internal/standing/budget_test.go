package standing_test

import (
	"testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

// What remains of a budget is what the gate would still grant under it: less what is guaranteed to others and not taken, up to its maximum,
// and nothing whenever nothing may be sent.
func TestWhatRemainsOfBudgets(t *testing.T) {
	budget := func(used, held, guaranteed, maximum int64) counts.BudgetUse {
		return counts.BudgetUse{Name: "budget", Used: used, Held: held, Guaranteed: guaranteed, Maximum: maximum}
	}
	for _, test := range []struct {
		name string
		room rules.Room
		used []counts.BudgetUse
		want []int64
	}{
		{"nothing is guaranteed", rules.Room{Limit: 250, Remaining: 150}, []counts.BudgetUse{budget(0, 0, 0, -1), budget(100, 0, 0, -1)}, []int64{150, 150}},
		{"what others are guaranteed is not theirs", rules.Room{Limit: 250, Remaining: 150}, []counts.BudgetUse{budget(0, 0, 50, -1), budget(100, 0, 0, -1)}, []int64{150, 100}},
		{"what is used or held of a guarantee is taken already", rules.Room{Limit: 250, Remaining: 150}, []counts.BudgetUse{budget(20, 10, 50, -1), budget(70, 0, 0, -1)}, []int64{150, 130}},
		{"more than is guaranteed lends nothing", rules.Room{Limit: 250, Remaining: 150}, []counts.BudgetUse{budget(90, 0, 50, -1), budget(10, 0, 0, -1)}, []int64{150, 150}},
		{"up to the maximum", rules.Room{Limit: 250, Remaining: 150}, []counts.BudgetUse{budget(20, 10, 0, 40), budget(70, 0, 0, 60)}, []int64{10, 0}},
		{"guarantees that others have overtaken leave nothing to the rest", rules.Room{Limit: 250, Remaining: 10}, []counts.BudgetUse{budget(0, 0, 50, -1), budget(240, 0, 0, -1)}, []int64{10, 0}},
		{"nothing may be sent", rules.Room{Limit: 250, Reason: v1alpha1.RoomOffline}, []counts.BudgetUse{budget(0, 0, 50, -1), budget(0, 0, 0, 60)}, []int64{0, 0}},
		{"no limit", rules.Room{Remaining: rules.NoLimit}, []counts.BudgetUse{budget(5, 0, 50, -1), budget(20, 0, 0, 60)}, []int64{rules.NoLimit, 40}},
	} {
		for i, b := range standing.Budgets(test.room, test.used) {
			if b.Remaining != test.want[i] || b.BudgetUse != test.used[i] {
				t.Errorf("%s: of the budget %d %d remain, not %d", test.name, i, b.Remaining, test.want[i])
			}
		}
	}
}
