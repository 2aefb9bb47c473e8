//go:build scale

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// promise is how long replicas may take to follow what may be sent, in real time.
const promise = 30 * time.Second

// With the samples of config/samples/scaling, and everything from the operator to the API server real: replicas follow the smaller of what is
// queued and what may be sent within 30 s each way, to none at the limit, and back when the window frees. A pool's replicas do not care about
// the limit of a number that is not its own.
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
	for _, sample := range []string{"redis.yaml", "rabbitmq.yaml", "throughput.yaml"} {
		if err := l.scale(ctx, root, sample); err != nil {
			t.Fatal(err)
		}
	}
	real := clock.RealClock{}
	within := func(what string, newsletter, travel, bulk int32) {
		t.Helper()
		want := map[string]int32{"newsletter-sender": newsletter, "travel-sender": travel, "bulk-sender": bulk}
		began := real.Now()
		got, err := l.until(ctx, want, promise)
		if err != nil {
			t.Fatalf("%s: %v, want %v: %v", what, got, want, err)
		}
		t.Logf("%s: %v after %s", what, got, real.Since(began).Round(time.Second))
	}

	within("nothing is queued", 0, 0, 4)
	l.queue.queued.Store(450)
	within("450 are queued; 1,000 may be sent from the number, 250 from the pool", 5, 3, 4)

	full := l.clock.Now()
	var delivered []metatest.Status
	for i := range 1000 {
		delivered = append(delivered, metatest.Status{ID: fmt.Sprint("wamid.", i), Status: "delivered", Phone: fmt.Sprintf("1556%07d", i), At: full})
	}
	if err := l.deliver(ctx, delivered); err != nil {
		t.Fatal(err)
	}
	within("the number is at its limit", 0, 3, 0)
	for free := l.clock.Wait(full.Add(day)); free > 0; free = l.clock.Wait(full.Add(day)) {
		if got, err := l.replicas(ctx, "newsletter-sender"); err != nil || got != 0 {
			t.Fatalf("%d replicas before the window frees, %v", got, err)
		}
		if err := rig.Sleep(ctx, min(free, time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	within("the window has freed", 5, 3, 4)

	l.queue.queued.Store(0)
	within("the queue is empty", 0, 0, 4)
}

// until waits until Deployments are to have so many replicas, and returns what they have.
func (l *loop) until(ctx context.Context, want map[string]int32, most time.Duration) (map[string]int32, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	got := map[string]int32{}
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
