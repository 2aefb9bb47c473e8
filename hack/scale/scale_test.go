//go:build scale

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// promise is how long replicas may take to follow what may be sent, in real time.
const promise = 30 * time.Second

// scaled is how many replicas Deployments are to have, by name.
type scaled map[string]int32

// With the samples of config/samples/scaling, and everything from the operator to the API server real: replicas follow the smaller of what is
// queued and what may be sent within 30 s each way, to none at the limit, and back when the window frees. A pool's replicas do not care about
// the limit of a number that is not its own. While the operator is away they stay as they are. A new tier moves a target that is a percentage.
func TestReplicasFollowWhatMayBeSentWithin30Seconds(t *testing.T) {
	t.Cleanup(rig.KillAll)
	ctx := t.Context()
	root := filepath.Join("..", "..")
	bin := filepath.Join(root, "bin")
	l, err := start(ctx, options{assets: os.Getenv("KUBEBUILDER_ASSETS"), crds: os.Getenv("KEDA_CRDS"), programs: bin, manager: filepath.Join(bin, "manager"),
		root: root, folder: t.ArtifactDir(), speed: 1440})
	if err != nil {
		t.Fatal(err)
	}
	for _, sample := range []string{"redis.yaml", "rabbitmq.yaml", "throughput.yaml", "percentage.yaml"} {
		if err := l.scale(ctx, root, sample); err != nil {
			t.Fatal(err)
		}
	}
	within := func(most time.Duration, what string, want scaled) {
		t.Helper()
		real := clock.RealClock{}
		began := real.Now()
		if got, err := l.until(ctx, want, most); err != nil {
			t.Fatalf("%s: %v, want %v: %v", what, got, want, err)
		}
		t.Logf("%s: %v after %s", what, want, real.Since(began).Round(time.Second))
	}

	within(rig.Patience, "nothing is queued", scaled{"newsletter-sender": 0, "travel-sender": 0, "bulk-sender": 4, "campaign-sender": 4})
	l.queue.queued.Store(900)
	within(promise, "900 are queued; 1,000 may be sent from the number, 250 from the pool",
		scaled{"newsletter-sender": 9, "travel-sender": 3, "bulk-sender": 4, "campaign-sender": 4})

	full := l.clock.Now()
	var delivered []metatest.Status
	for i := range 1000 {
		delivered = append(delivered, metatest.Status{ID: fmt.Sprint("wamid.", i), Status: "delivered", Phone: fmt.Sprintf("1556%07d", i), At: full})
	}
	if err := l.deliver(ctx, delivered); err != nil {
		t.Fatal(err)
	}
	within(promise, "the number is at its limit", scaled{"newsletter-sender": 0, "travel-sender": 3, "bulk-sender": 0, "campaign-sender": 0})
	for free := l.clock.Wait(full.Add(day)); free > 0; free = l.clock.Wait(full.Add(day)) {
		if got, err := l.replicas(ctx, "newsletter-sender"); err != nil || got != 0 {
			t.Fatalf("%d replicas before the window frees, %v", got, err)
		}
		if err := rig.Sleep(ctx, min(free, time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	free := scaled{"newsletter-sender": 9, "travel-sender": 3, "bulk-sender": 4, "campaign-sender": 4}
	within(promise, "the window has freed", free)

	if err := errors.Join(l.operator.Stop(rig.Patience), rig.Sleep(ctx, 40*time.Second)); err != nil { // longer than KEDA takes to stop senders
		t.Fatal(err)
	}
	within(time.Second, "the operator is away", free)
	if err := l.resume(ctx); err != nil {
		t.Fatal(err)
	}

	l.queue.queued.Store(0)
	within(promise, "the queue is empty", scaled{"newsletter-sender": 0, "travel-sender": 0, "bulk-sender": 4, "campaign-sender": 4})

	if err := l.post(ctx, metatest.QualityUpdatePayload(number, "UPGRADE", "TIER_10K", l.clock.Now())); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, promise)
	defer cancel()
	for target := ""; target != "2500"; {
		var hpa autoscalingv2.HorizontalPodAutoscaler
		if err := l.api.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "keda-hpa-campaign-sender"}, &hpa); err != nil {
			t.Fatalf("a quarter of the new limit is %s: %v", target, err)
		}
		target = hpa.Spec.Metrics[0].External.Target.AverageValue.String()
		if err := rig.Sleep(ctx, 100*time.Millisecond); err != nil {
			t.Fatalf("a quarter of the new limit is %s: %v", target, err)
		}
	}
}

// until waits until Deployments are to have so many replicas, and returns what they have.
func (l *loop) until(ctx context.Context, want scaled, most time.Duration) (scaled, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	got := scaled{}
	for {
		for deployment := range want {
			replicas, err := l.replicas(ctx, deployment)
			if err != nil {
				return got, err
			}
			got[deployment] = replicas
		}
		if maps.Equal(got, want) {
			return got, nil
		}
		if err := rig.Sleep(ctx, 100*time.Millisecond); err != nil {
			return got, err
		}
	}
}
