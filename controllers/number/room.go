package number

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

// roomOf is what a number may send now. Of a limit that it shares, as much is used as its status says by now.
func roomOf(known *gathered, state *rules.State, usage *v1alpha1.UsageStatus) rules.Room {
	if known.portfolio == nil {
		return rules.RoomOf(rules.LimitAt(known.policy, known.facts.Usage, state, state.EvaluatedAt), state.Obstacle())
	}
	has := &known.portfolio.Status
	obstacles := []rules.Obstacle{state.Obstacle(), standing.PortfolioObstacle(known.portfolio)}
	if has.Restriction.Source == v1alpha1.FromPolicy {
		obstacles = append(obstacles, rules.Obstacle{Reason: v1alpha1.RoomLimitReached, Until: statuses.UTC(has.Restriction.UntilTime)})
	}
	limit := rules.Limit{Limit: has.Tier.Limit, Unknown: usage.Used == nil}
	if !limit.Unknown {
		limit.Used = *usage.Used
	}
	if c := meta.FindStatusCondition(has.Conditions, v1alpha1.ConditionSendable); c != nil && c.Reason == string(v1alpha1.RoomNotReady) {
		limit.Unknown = true
	}
	return rules.RoomOf(limit, obstacles...)
}

// usedTogether is how much of its limit a portfolio has used by now. What a Prometheus has a part in is as the status says.
func usedTogether(book *ledger.Ledger, portfolio *v1alpha1.BusinessPortfolio, policy *rules.Policy, now time.Time) *int64 {
	group := counts.PortfolioKey(portfolio.Name)
	if usage := &portfolio.Status.Usage; usage.Source != v1alpha1.CountedHere || !book.Known(group) {
		return usage.Used
	}
	return new(rules.Used(policy, rules.Exact{Counted: book.Usage(group)}, now))
}
