package standing

import (
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
		m := Member{Number: n, Room: rules.RoomInPool(p, n, n.Status.Quality.Rating, v.Number(n).Room)}
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
