package controllers_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"k8s.io/client-go/rest"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/usage"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/scaler"
	pb "numberfleet.dev/numberfleet/internal/scaler/externalscaler"
	"numberfleet.dev/numberfleet/internal/server"
	"numberfleet.dev/numberfleet/internal/standing"
)

// askedBy counts the requests that reach an API server.
type askedBy struct {
	http.RoundTripper
	requests *atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (c askedBy) RoundTrip(req *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	return c.RoundTripper.RoundTrip(req)
}

// streams are the active states that 1,000 ScaledObjects of a number and of a pool hear, by gRPC.
type streams []grpc.ServerStreamingClient[pb.IsActiveResponse]

func newStreams(b *controllertest.Bench, client pb.ExternalScalerClient, number *v1alpha1.PhoneNumber, p *v1alpha1.NumberPool) (all streams) {
	b.T.Helper()
	ctx, cancel := context.WithTimeout(b.Ctx, rig.Patience) // so that a stream that says nothing ends the test
	b.T.Cleanup(cancel)
	for i := range 1000 {
		metadata := map[string]string{"targetValue": "50", "phoneNumber": number.Name}
		if i%2 == 0 {
			metadata = map[string]string{"targetValue": "50", "numberPool": p.Name}
		}
		stream, err := client.StreamIsActive(ctx, &pb.ScaledObjectRef{Namespace: b.Namespace, Name: "sender", ScalerMetadata: metadata})
		b.Must(err)
		all = append(all, stream)
	}
	return all
}

// expect holds that each of the streams says next that it is active, or is not.
func (s streams) expect(b *controllertest.Bench, what string, want bool) {
	b.T.Helper()
	for _, stream := range s {
		next, err := stream.Recv()
		if err != nil || next.GetResult() != want {
			b.T.Errorf("%s: a stream says %v: %v", what, next.GetResult(), err)
			return
		}
	}
}

// The streams of 1,000 ScaledObjects ask the API server nothing. Each hears within a second of a record that frees room, and of a state that
// changes.
func TestAThousandScaledObjectsHearWithinASecondAndAskTheAPIServerNothing(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("taqnyat", controllertest.Labelled("pool", "all"))
	p := b.Pool("all", "pool", "all")
	b.Evaluate(number)
	held := b.Reserve(number, 250)

	var requests atomic.Int64
	config := rest.CopyConfig(controllertest.APIServer)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return askedBy{next, &requests} })
	informers, err := cache.New(config, cache.Options{Scheme: controllertest.Scheme})
	b.Must(err)
	resources, err := standing.Watch(b.Ctx, informers)
	b.Must(err)
	source := &standing.Source{Resources: resources, Counts: usage.Counts{Ledger: b.Ledger, Samples: b.Samples}, Compiled: b.Policies.Compiled, Clock: b.FakeClock}
	real := testingclock.NewFakeClock(controllertest.Start)
	serving, err := scaler.New(scaler.Options{
		Listener: server.Listener{Address: "127.0.0.1:0"}, Standing: source, Clock: b.FakeClock, Real: real, Ledger: b.Ledger, Informers: informers,
		Metrics: prometheus.NewRegistry(),
	})
	b.Must(err)
	ctx, cancel := context.WithCancel(b.Ctx)
	ended := make(chan error, 2)
	defer func() {
		cancel()
		b.Must(<-ended)
		b.Must(<-ended)
	}()
	go func() { ended <- informers.Start(ctx) }()
	if !informers.WaitForCacheSync(ctx) {
		t.Fatal("the cache did not sync")
	}
	listener, err := serving.Listener.Listen(ctx)
	b.Must(err)
	go func() { ended <- serving.Serve(ctx, listener) }()
	connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	b.Must(err)
	defer func() { _ = connection.Close() }()

	all := newStreams(b, pb.NewExternalScalerClient(connection), number, p)
	all.expect(b, "all of the limit is held", false)
	b.Within("the scaler counts time", real.HasWaiters)
	asked := requests.Load()

	b.Release(held[:1])
	real.Step(time.Second)
	all.expect(b, "a place is free again", true)

	b.Report(number.Spec.PhoneNumber, report.Connection, "Blocked")
	b.Evaluate(number)
	told := make(chan struct{})
	go func() {
		defer close(told)
		all.expect(b, "blocked", false)
	}()
	b.Within("all hear of the state", func() bool { // after the API server told of it
		real.Step(time.Second)
		select {
		case <-told:
			return true
		default:
			return false
		}
	})
	if n := requests.Load() - asked; n != 0 {
		t.Errorf("the API server was asked %d times", n)
	}
}
