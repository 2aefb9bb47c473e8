package simulate

import (
	"time"

	"numberfleet.dev/numberfleet/internal/rules"
)

// roomAt is what may be sent to further users at an instant, of the limit of this one and through what may be in the way.
func (x *subject) roomAt(now time.Time, through ...rules.Obstacle) rules.Room {
	return rules.RoomOf(rules.LimitAt(x.policy, x.facts.Usage, &x.state, now), through...)
}

// obstacle is why a number cannot send, or none of a portfolio's.
func (x *subject) obstacle() rules.Obstacle {
	if x.kind != portfolios {
		return x.state.Obstacle()
	}
	all := make([]rules.Obstacle, 0, len(x.numbers))
	for _, n := range x.numbers {
		all = append(all, n.obstacle())
	}
	return rules.Every(all)
}
