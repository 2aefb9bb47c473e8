package scaler_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	pb "numberfleet.dev/numberfleet/internal/scaler/externalscaler"
)

// received are the messages of a stream, which ends with the test.
func received[T any](stream grpc.ServerStreamingClient[T], err error) <-chan *T {
	all := make(chan *T)
	go func() {
		defer close(all)
		for err == nil {
			var next *T
			if next, err = stream.Recv(); err == nil {
				all <- next
			}
		}
	}()
	return all
}

// await is what a stream says next.
func await[T any](t testing.TB, all <-chan *T) *T {
	t.Helper()
	message, open := <-all
	if !open {
		t.Fatal("the stream ended")
	}
	return message
}

// next is what a stream says next, while the clock goes on by periods.
func next[T any](t *testing.T, f *fleet, all <-chan *T) *T {
	t.Helper()
	for {
		select {
		case message, open := <-all:
			if !open {
				t.Fatal("the stream ended")
			}
			return message
		case <-time.After(10 * time.Millisecond):
			f.clock.Step(500 * time.Millisecond)
		}
	}
}

// Streams say at once how it stands, and then what changes: as deliveries are recorded, as statuses change, and as time passes.
func TestStreamsTellOfChanges(t *testing.T) {
	f := newFleet(t)
	f.add("sales", 250, "")
	c := f.client()
	of := ref("phoneNumber", "sales", "targetValue", "10%")
	active, specs := received(c.StreamIsActive(t.Context(), of)), received(c.StreamMetricSpec(t.Context(), of))
	expect := func(what string, want bool) {
		t.Helper()
		if got := next(t, f, active).GetResult(); got != want {
			t.Errorf("%s: active %v", what, got)
		}
	}
	expect("at first", true)
	if got := next(t, f, specs).GetMetricSpecs()[0].GetTargetSizeFloat(); got != 25 {
		t.Errorf("one replica is for %v", got)
	}
	f.deliver("sales", 250)
	expect("the limit is reached", false)
	f.clock.Step(24*time.Hour - 10*time.Second)
	expect("the users have left the window", true)
	f.change("sales", func(n *v1alpha1.PhoneNumber) { n.Status.Connection.State = v1alpha1.StateBlocked })
	expect("blocked", false)
	f.change("sales", func(n *v1alpha1.PhoneNumber) {
		n.Status.Connection.State, n.Status.Tier = v1alpha1.StateConnected, v1alpha1.TierStatus{Name: "2K", Limit: 2000}
	})
	expect("connected, on the next tier", true)
	if got := next(t, f, specs).GetMetricSpecs()[0].GetTargetSizeFloat(); got != 200 {
		t.Errorf("one replica is for %v", got)
	}
}

// A change is told though what stands was looked up just before it, for another call.
func TestAChangeAfterALookIsTold(t *testing.T) {
	f := newFleet(t)
	f.add("sales", 250, "")
	c := f.client()
	of := ref("phoneNumber", "sales", "targetValue", "50")
	active := received(c.StreamIsActive(t.Context(), of))
	if !await(t, active).GetResult() {
		t.Error("not active at first")
	}
	f.clock.Step(800 * time.Millisecond) // past the first tick
	if _, err := c.IsActive(t.Context(), of); err != nil {
		t.Fatal(err)
	}
	f.change("sales", func(n *v1alpha1.PhoneNumber) { n.Status.Connection.State = v1alpha1.StateBlocked })
	f.clock.Step(200 * time.Millisecond) // to the second
	if await(t, active).GetResult() {
		t.Error("still active")
	}
}

// A thousand streams each look once at first, at their own number, and once after many changes.
func TestStreamsLookOnceAfterChanges(t *testing.T) {
	f := newFleet(t)
	const numbers, streams = 10, 1000
	for i := range numbers {
		f.add(fmt.Sprint("sales-", i), 250, "")
	}
	c := f.client()
	var all []<-chan *pb.IsActiveResponse
	for i := range streams {
		all = append(all, received(c.StreamIsActive(t.Context(), ref("phoneNumber", fmt.Sprint("sales-", i%numbers), "targetValue", "50"))))
	}
	expect := func(what string, want bool) {
		t.Helper()
		for _, stream := range all {
			if await(t, stream).GetResult() != want {
				t.Fatal(what)
			}
		}
	}
	expect("at first", true)
	for i := range numbers {
		f.deliver(fmt.Sprint("sales-", i), 250)
	}
	f.clock.Step(time.Second)
	expect("the limit is reached", false)
	if n := f.looks.Load(); n != 2*streams {
		t.Errorf("what is used was looked up %d times", n)
	}
}
