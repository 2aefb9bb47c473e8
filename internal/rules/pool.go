package rules

import (
	"fmt"
	"strconv"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// MemberRoom is what one of several numbers may send.
type MemberRoom struct {
	Room
	Owner string // of the limit
}

// RoomTogether is what several numbers may send to further users together. A limit that several share counts once, and what is left of it
// counts while one of them may send.
func RoomTogether(members []MemberRoom) Room {
	var together Room
	known, counted := map[string]bool{}, map[string]bool{}
	obstacles := make([]Obstacle, 0, len(members))
	for _, m := range members {
		if !known[m.Owner] {
			known[m.Owner] = true
			together.Limit, together.Used, together.Reserved = together.Limit+m.Limit, together.Used+m.Used, together.Reserved+m.Reserved
		}
		if m.Sendable && !counted[m.Owner] {
			counted[m.Owner] = true
			together.Remaining, together.Sendable = min(NoLimit, together.Remaining+m.Remaining), true
		}
		obstacles = append(obstacles, Obstacle{m.Reason, m.Until})
	}
	if together.Remaining == NoLimit {
		together.Limit = Unlimited
	}
	if !together.Sendable {
		why := Every(obstacles)
		together.Reason, together.Until = why.Reason, why.Until
	}
	return together
}

// RoomInPool is what a number may send for a pool, of what it may send at all. One that is drained sends inside customer service windows
// only, so that it may message no further users.
func RoomInPool(p *v1alpha1.NumberPool, n *v1alpha1.PhoneNumber, rating v1alpha1.QualityRating, room Room) Room {
	weight, _ := PoolWeight(n)
	floor := PoolMinimumQuality(p)
	drained := floor != "" && rating.Below(floor) || p.Spec.Strategy == v1alpha1.Weighted && weight == 0
	if room.Sendable && drained {
		return Room{Limit: room.Limit, Used: room.Used, Reserved: room.Reserved, Reason: v1alpha1.RoomDrained}
	}
	return room
}

// PoolMinimumQuality is the rating below which a number of a pool sends inside customer service windows only; empty for none.
func PoolMinimumQuality(p *v1alpha1.NumberPool) v1alpha1.QualityRating {
	switch {
	case p.Spec.OnLowQuality == v1alpha1.Keep:
		return ""
	case p.Spec.MinimumQuality == "":
		return v1alpha1.QualityMedium
	default:
		return p.Spec.MinimumQuality
	}
}

// PoolWeight is the weight of a number in a pool, by its annotation: 1 where there is none. One that cannot be read is 1 too, and the error says
// what to write.
func PoolWeight(n *v1alpha1.PhoneNumber) (uint32, error) {
	text, given := n.Annotations[v1alpha1.AnnotationWeight]
	if !given {
		return 1, nil
	}
	weight, err := strconv.ParseUint(text, 10, 32)
	if err != nil || weight > v1alpha1.MostWeight {
		return 1, fmt.Errorf("annotation %s must be a whole number from 0 to %d, in quotes, like \"10\"", v1alpha1.AnnotationWeight, v1alpha1.MostWeight)
	}
	return uint32(weight), nil
}
