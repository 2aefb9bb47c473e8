package standing

import (
	"fmt"
	"strconv"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Pool is where a pool stands: what its numbers may send together.
type Pool struct {
	rules.Room
	Members []Member // by name
}

// Member is where a number of a pool stands.
type Member struct {
	Number *v1alpha1.PhoneNumber
	rules.Room
}

// SendableMembers is how many numbers may message further users.
func (p *Pool) SendableMembers() (n int) {
	for i := range p.Members {
		if p.Members[i].Sendable {
			n++
		}
	}
	return n
}

// Numbers are the numbers of the pool, by name.
func (p *Pool) Numbers() []*v1alpha1.PhoneNumber {
	numbers := make([]*v1alpha1.PhoneNumber, 0, len(p.Members))
	for i := range p.Members {
		numbers = append(numbers, p.Members[i].Number)
	}
	return numbers
}

// Pool is where a pool stands.
func (v *View) Pool(p *v1alpha1.NumberPool) Pool {
	var pool Pool
	var rooms []rules.MemberRoom
	for _, n := range v.Selected(p) {
		m := Member{Number: n, Room: RoomInPool(p, n, n.Status.Quality.Rating, v.Number(n).Room)}
		pool.Members = append(pool.Members, m)
		owner := n.Spec.PhoneNumber
		if shared := n.Status.Portfolio; shared != "" {
			owner = counts.PortfolioKey(shared)
		}
		rooms = append(rooms, rules.MemberRoom{Room: m.Room, Owner: owner})
	}
	pool.Room = rules.RoomTogether(rooms)
	return pool
}

// RoomInPool is what a number may send for a pool, of what it may send at all. One that is drained sends inside customer service windows
// only, so that it may message no further users.
func RoomInPool(p *v1alpha1.NumberPool, n *v1alpha1.PhoneNumber, rating v1alpha1.QualityRating, room rules.Room) rules.Room {
	weight, _ := Weight(n)
	floor := MinimumQuality(p)
	drained := floor != "" && rating.Below(floor) || p.Spec.Strategy == v1alpha1.Weighted && weight == 0
	if room.Sendable && drained {
		return rules.Room{Limit: room.Limit, Used: room.Used, Reserved: room.Reserved, Reason: v1alpha1.RoomDrained}
	}
	return room
}

// MinimumQuality is the rating below which a number of a pool sends inside customer service windows only; empty for none.
func MinimumQuality(p *v1alpha1.NumberPool) v1alpha1.QualityRating {
	switch {
	case p.Spec.OnLowQuality == v1alpha1.Keep:
		return ""
	case p.Spec.MinimumQuality == "":
		return v1alpha1.QualityMedium
	default:
		return p.Spec.MinimumQuality
	}
}

// Weight is that of a number by its annotation: 1 where there is none. One that cannot be read is 1 too, and the error says what to write.
func Weight(n *v1alpha1.PhoneNumber) (uint32, error) {
	text, given := n.Annotations[v1alpha1.AnnotationWeight]
	if !given {
		return 1, nil
	}
	weight, err := strconv.ParseUint(text, 10, 32)
	if err != nil || weight > counts.MostWeight {
		return 1, fmt.Errorf("annotation %s must be a whole number from 0 to %d, in quotes, like \"10\"", v1alpha1.AnnotationWeight, counts.MostWeight)
	}
	return uint32(weight), nil
}
