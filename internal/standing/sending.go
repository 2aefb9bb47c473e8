package standing

import (
	"cmp"

	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// StandardThroughput is how many messages a second Meta lets a number send and receive unless it says otherwise of the number, by its page
// "throughput".
const StandardThroughput int64 = 80

// Sending is what a resource may send now, by whichever of its numbers.
type Sending struct {
	rules.Room
	// Throughput is how many messages a second those of its numbers may send that may send at all; 0 whenever nothing may be sent.
	Throughput int64
}

// NumberSending is what a number may send now. It is false where there is no such number.
func (v *View) NumberSending(namespace, name string) (Sending, bool) {
	if v.byName == nil {
		v.byName = make(map[types.NamespacedName]*v1alpha1.PhoneNumber, len(v.numbers))
		for n := range v.Numbers() {
			v.byName[types.NamespacedName{Namespace: n.Namespace, Name: n.Name}] = n
		}
	}
	n, ok := v.byName[types.NamespacedName{Namespace: namespace, Name: name}]
	if !ok {
		return Sending{}, false
	}
	return sendingOf(v.Number(n).Room, n), true
}

// PortfolioSending is what the numbers of a portfolio may send now. It is false where there is no such portfolio.
func (v *View) PortfolioSending(name string) (Sending, bool) {
	for p := range v.Portfolios() {
		if p.Name == name {
			return sendingOf(v.Portfolio(p).Room, v.members[name]...), true
		}
	}
	return Sending{}, false
}

// PoolSending is what the numbers of a pool may send now. It is false where there is no such pool.
func (v *View) PoolSending(namespace, name string) (Sending, bool) {
	for p := range v.Pools() {
		if p.Namespace == namespace && p.Name == name {
			pool := v.Pool(p)
			var able []*v1alpha1.PhoneNumber
			for i := range pool.Members {
				if m := &pool.Members[i]; m.Sendable {
					able = append(able, m.Number)
				}
			}
			return sendingOf(pool.Room, able...), true
		}
	}
	return Sending{}, false
}

// sendingOf is what some numbers may send that have a room together.
func sendingOf(room rules.Room, numbers ...*v1alpha1.PhoneNumber) Sending {
	sending := Sending{Room: room}
	if !room.Sendable {
		return sending
	}
	for _, n := range numbers {
		if Obstacle(n).Reason == "" {
			sending.Throughput += cmp.Or(n.Status.Throughput.MessagesPerSecond, StandardThroughput)
		}
	}
	return sending
}
