package rules

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Rule 5. A number that stays Low at the lowest tier for long is blocked. The time counts from the later of two instants: when the rating
// became Low, and when the number reached that tier. Only a report of Connected ends the block.
var block = rule[*evaluation]{
	number:   v1alpha1.RuleBlock,
	name:     "Block",
	sentence: `seeds/003: "It is also possible that the business will be suspended; i.e. Blocked if it continues to remain in Tier 1 and the quality rating remains in the Red state for an extended period of time."`,
	apply:    (*evaluation).block,
	due:      (*evaluation).blockDue,
	explain: func(e *evaluation, x *explanation) {
		if due := e.blockDue(); !due.IsZero() {
			x.say(downgradeTopic, v1alpha1.RuleBlock, "The number is blocked at %s if the rating stays Low.", formatTime(due))
		}
	},
}

func (e *evaluation) block() {
	due := e.blockDue()
	if due.IsZero() || due.After(e.now) {
		return
	}
	e.s.Connection, e.s.ConnectionSince, e.s.ConnectionSource = v1alpha1.StateBlocked, due, v1alpha1.FromPolicy
	e.s.ConnectionReason = ""
	e.emit(v1alpha1.RuleBlock, due, v1alpha1.ReasonBlocked, "", "", fmt.Sprintf("the quality rating stayed Low for %s at %s, the lowest tier", formatDuration(e.p.BlockAfter), e.s.Tier.Name))
}

// blockDue is when the number is blocked if nothing changes; zero if that is not on the way.
func (e *evaluation) blockDue() time.Time {
	s := &e.s
	if e.p.BlockAfter == 0 || s.LowSince.IsZero() || s.Connection == v1alpha1.StateBlocked {
		return time.Time{}
	}
	if e.falls() {
		return time.Time{}
	}
	return latest(s.LowSince, s.TierSince).Add(e.p.BlockAfter)
}
