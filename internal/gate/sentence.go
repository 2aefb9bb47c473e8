package gate

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
)

// numbersOf is the sentence that says a refusal with its numbers; empty where there are none.
func numbersOf(d *counts.Decision) string {
	switch v1alpha1.RoomReason(d.Why) {
	case v1alpha1.RoomBudgetReached:
		return fmt.Sprintf("%d of the %d of budget %q are used and %d are held", d.Budget.Used, d.Budget.Maximum, d.Budget.Name, d.Budget.Held) + first(d)
	case v1alpha1.RoomLimitReached:
		others := d.Room.Guaranteed - d.Budget.Owed()
		if d.Room.Used+d.Room.Held+others < d.Room.Limit {
			return "" // Meta's report, not our count
		}
		guaranteed := ""
		if others > 0 {
			guaranteed = fmt.Sprintf(", and %d are guaranteed to other budgets", others)
		}
		return fmt.Sprintf("%d of %d are used and %d are held%s", d.Room.Used, d.Room.Limit, d.Room.Held, guaranteed) + first(d)
	default:
		return ""
	}
}

// first says when there may be room again.
func first(d *counts.Decision) string {
	if d.Until == 0 {
		return ""
	}
	return "; the first place is free at " + time.Unix(d.Until, 0).UTC().Format(time.RFC3339)
}

// Remaining is to how many further users the sender may send after a decision: rules.NoLimit where nothing limits it, and none where that is
// not known.
func Remaining(d *counts.Decision) int64 {
	if d.State == counts.Unreserved {
		return 0
	}
	left := rules.NoLimit
	if d.Room.Limit != rules.Unlimited {
		left = max(0, d.Room.Limit-d.Room.Used-d.Room.Held-(d.Room.Guaranteed-d.Budget.Owed()))
	}
	if d.Budget.Name != "" && d.Budget.Maximum >= 0 {
		left = min(left, max(0, d.Budget.Maximum-d.Budget.Used-d.Budget.Held))
	}
	return left
}
