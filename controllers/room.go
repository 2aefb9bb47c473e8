package controllers

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
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
		obstacles = append(obstacles, rules.Obstacle{Reason: v1alpha1.RoomLimitReached, Until: utc(has.Restriction.UntilTime)})
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
	group := counts.GroupSubject(portfolio.Name)
	if usage := &portfolio.Status.Usage; usage.Source != v1alpha1.CountedHere || !book.Known(group) {
		return usage.Used
	}
	return new(rules.Used(policy, book.Usage(group), now))
}

// sendableTo writes what may be sent to further users into a status. The message has no counts: it is written once.
func (c conditionSetter) sendableTo(usage *v1alpha1.UsageStatus, room rules.Room) {
	if usage.Source != "" {
		usage.SendableTime = at(room.Until)
		usage.Remaining = &room.Remaining
		if room.Remaining == rules.NoLimit {
			usage.Remaining = nil
		}
	}
	switch {
	case !room.Sendable:
		c.condition(v1alpha1.ConditionSendable, metav1.ConditionFalse, string(room.Reason), unsendable[room.Reason])
	case room.Remaining == rules.NoLimit:
		c.condition(v1alpha1.ConditionSendable, metav1.ConditionTrue, v1alpha1.ReasonUnlimited, "Further users may be messaged, without a limit.")
	default:
		c.condition(v1alpha1.ConditionSendable, metav1.ConditionTrue, v1alpha1.ReasonBelowLimit, "Further users may be messaged, as many as usage.remaining says.")
	}
}

// unsendable says why nothing may be sent to further users.
var unsendable = map[v1alpha1.RoomReason]string{
	v1alpha1.RoomBlocked:           "Nothing can be sent: Blocked, and only Meta can lift it.",
	v1alpha1.RoomPending:           "Nothing can be sent: it is not registered yet.",
	v1alpha1.RoomOffline:           "Nothing can be sent: WhatsApp's servers cannot reach it.",
	v1alpha1.RoomSuspended:         "What may be sent is not said while spec.activity is Suspended, here or of the portfolio.",
	v1alpha1.RoomAccountRestricted: "Further users may not be messaged: Meta restricts the account, as the condition Restricted says.",
	v1alpha1.RoomLimitReached:      "Further users may not be messaged: the limit is reached. Replies inside a customer service window go out.",
	v1alpha1.RoomNotReady:          "What may be sent is not known; see the conditions Ready and UsageFresh.",
}
