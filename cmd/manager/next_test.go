package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	natsclient "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/rig/nats"
	"numberfleet.dev/numberfleet/internal/ledger"
)

// onNextLog are replicas whose log main may be followed by main-2, and what they receive.
type onNextLog struct {
	*operator
	configuration string
	replicas      []*replica
	sent          *traffic
}

func newOnNextLog(t *testing.T, log *nats.Cluster, number string) (*onNextLog, client.Client) {
	t.Helper()
	o, api := newOperator(t)
	n := &onNextLog{operator: o, configuration: o.configure(log, logSecret, "")}
	o.edit(n.configuration, "}\n", ", next: main-2}\n")
	n.replicas = o.replicas(n.configuration)
	for _, r := range n.replicas {
		r.restarts = true
		r.start()
	}
	for _, r := range n.replicas {
		r.ready()
	}
	var next atomic.Int64
	n.sent = newTraffic(t, number, func(ctx context.Context, body []byte) (int, error) {
		return n.replicas[int(next.Add(1))%len(n.replicas)].post(ctx, body)
	})
	n.sent.flows(t, 20)
	n.calm()
	return n, api
}

// calm returns when no replica has lost its lease for some seconds: who ended just before the log loses something is waited for.
func (n *onNextLog) calm() {
	n.t.Helper()
	lost := func() (times int) {
		for _, r := range n.replicas {
			times += strings.Count(r.log.String(), leaseLost)
		}
		return times
	}
	for before := -1; before != lost(); {
		before = lost()
		if err := rig.Sleep(n.t.Context(), 3*ledger.MaximumAge); err != nil {
			n.t.Fatal(err)
		}
	}
}

// goOn returns when all replicas are on the next log, and say so.
func (n *onNextLog) goOn() {
	n.t.Helper()
	for _, r := range n.replicas {
		r.within("the replica goes on with the next log", func() bool {
			return strings.Contains(r.log.String(), "the log main lost something, and main-2 goes on with what replicas knew")
		})
		r.ready()
	}
}

// whoWaits is the replica that waits for the log from now on: the one that leads, once it has lost its lease.
func (n *onNextLog) whoWaits() (waiting *replica) {
	n.t.Helper()
	said := func(r *replica) int {
		return strings.Count(r.log.String(), "The log is waited for before the process ends")
	}
	before := map[*replica]int{}
	for _, r := range n.replicas {
		before[r] = said(r)
	}
	n.within("who led waits for the log", func() bool {
		for _, r := range n.replicas {
			if said(r) > before[r] {
				waiting = r
			}
		}
		return waiting != nil
	})
	return waiting
}

// check fails if the next log lacks what was acknowledged, or counts anything twice.
func (n *onNextLog) check() {
	n.t.Helper()
	n.sent.flows(n.t, 20)
	n.sent.stop()
	for _, r := range n.replicas {
		r.kill(syscall.SIGKILL)
	}
	n.edit(n.configuration, "next: main-2", "instance: main-2")
	folder := filepath.Join(n.folder, "exported")
	if said, err := command(n.t, 0, "ledger", "export", "--data-dir="+folder, "--config="+n.configuration); err != nil {
		n.t.Fatal(said, err)
	}
	n.sent.check(n.t, folder)
}

// The log of three replicas is deleted while webhooks come in. The replicas end and are started again. They go on with the next log by themselves, and
// say so. Nothing that was acknowledged is lost, and nothing counts twice.
func TestReplicasGoOnWithTheNextLog(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	n, api := newOnNextLog(t, log, "+15550100094")
	deleteLog(t, log.URL())
	n.goOn()
	if metrics := n.replicas[0].openMetrics(api); !strings.Contains(metrics, `numberfleet_degraded{field="ledger.log.instance",reason="LogRecovered"} 1`) {
		t.Error("the metrics do not say that the log was recovered")
	}
	n.check()
}

// All nodes of the log are down for so long that the replica which leads loses its lease, and come back from an older copy. The replica has not ended
// meanwhile: the others wait for what it knew, with which the next log begins. It was alive, and not ready.
func TestWhoLedHasNotEndedWhenTheLogIsBack(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	n, _ := newOnNextLog(t, log, "+15550100093")
	each := func(do func(*nats.Node) error) {
		t.Helper()
		for _, node := range log.Nodes {
			if err := do(node); err != nil {
				t.Fatal(err)
			}
		}
	}
	kill := func(node *nats.Node) error { node.Kill(); return nil }
	start := func(node *nats.Node) error { return node.Start(t.Context()) }
	ready := func(node *nats.Node) error { return node.Ready(t.Context()) }
	older := t.TempDir()
	each(kill)
	each(func(node *nats.Node) error { return node.Backup(filepath.Join(older, node.Name)) })
	each(start)
	each(ready)
	n.sent.flows(t, 20)
	each(kill)
	n.whoWaits().waits()
	each(func(node *nats.Node) error { return node.Restore(filepath.Join(older, node.Name)) })
	each(start)
	n.goOn()
	n.check()
}

// deleteLog deletes the log of replicas, as an administrator of NATS can.
func deleteLog(t *testing.T, url string) {
	t.Helper()
	connection, err := natsclient.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	js, err := jetstream.New(connection)
	if err != nil {
		t.Fatal(err)
	}
	var said error
	if !rig.Eventually(t.Context(), func() bool {
		said = js.DeleteStream(t.Context(), "NUMBERFLEET_main")
		return errors.Is(said, jetstream.ErrStreamNotFound)
	}) {
		t.Fatal(said)
	}
}
