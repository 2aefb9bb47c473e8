package standing

import (
	"cmp"

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
	n, ok := named[*v1alpha1.PhoneNumber](v.Numbers, namespace, name)
	if !ok {
		return Sending{}, false
	}
	return sendingOf(v.Number(n).Room, n), true
}

// PortfolioSending is what the numbers of a portfolio may send now. It is false where there is no such portfolio.
func (v *View) PortfolioSending(name string) (Sending, bool) {
	p, ok := named[*v1alpha1.BusinessPortfolio](v.Portfolios, "", name)
	if !ok {
		return Sending{}, false
	}
	return sendingOf(v.Portfolio(p).Room, v.sharedBy(name).numbers...), true
}

// PoolSending is what the numbers of a pool may send now. It is false where there is no such pool.
func (v *View) PoolSending(namespace, name string) (Sending, bool) {
	p, ok := named[*v1alpha1.NumberPool](v.Pools, namespace, name)
	if !ok {
		return Sending{}, false
	}
	pool := v.Pool(p)
	var able []*v1alpha1.PhoneNumber
	for i := range pool.Members {
		if m := &pool.Members[i]; m.Sendable {
			able = append(able, m.Number)
		}
	}
	return sendingOf(pool.Room, able...), true
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
