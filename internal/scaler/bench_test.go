package scaler_test

import (
	"fmt"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	pb "numberfleet.dev/numberfleet/internal/scaler/externalscaler"
)

// Time from a change until KEDA hears of it, less the period in which changes gather: 1,000 triggers look again, on a fleet of 10,000 numbers.
func BenchmarkAChangeIsTold(b *testing.B) {
	f := newFleet(b)
	const numbers, triggers = 10_000, 1000
	for i := range numbers {
		f.add(fmt.Sprint("sales-", i), 250, "")
	}
	c := f.client()
	var first <-chan *pb.IsActiveResponse
	for i := range triggers {
		stream := received(c.StreamIsActive(b.Context(), ref("phoneNumber", fmt.Sprint("sales-", i), "targetValue", "50")))
		await(b, stream)
		if i == 0 {
			first = stream
		}
	}
	state := v1alpha1.StateConnected
	for b.Loop() {
		if state == v1alpha1.StateConnected {
			state = v1alpha1.StateOffline
		} else {
			state = v1alpha1.StateConnected
		}
		f.change("sales-0", func(n *v1alpha1.PhoneNumber) { n.Status.Connection.State = state })
		f.clock.Step(time.Second)
		if await(b, first).GetResult() != (state == v1alpha1.StateConnected) {
			b.Fatal("another state is told")
		}
	}
}
