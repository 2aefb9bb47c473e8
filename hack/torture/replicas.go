package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/rig/nats"
)

// sharedLog is a cluster of three nodes whose log replicas share, see startLog.
type sharedLog struct {
	*nats.Cluster
	power bool // nodes can lose it
}

// startLog starts the nodes.
func startLog(ctx context.Context, folder string) (*sharedLog, error) {
	o := nats.Options{Folder: folder, Lazyfs: os.Getenv("LAZYFS")}
	if err := rig.PowerLossSupported(ctx); err != nil {
		fmt.Println("no node loses its power:", err)
		o.Lazyfs = ""
	}
	cluster, err := nats.Start(ctx, o)
	return &sharedLog{cluster, o.Lazyfs != ""}, err
}

// configure writes the configuration of replicas that share a log, which is new for each fleet, and returns its file.
func (l *sharedLog) configure(folder string, fleet int) (string, error) {
	secret, file := filepath.Join(folder, "secret"), filepath.Join(folder, "config.yaml")
	return file, errors.Join(
		os.WriteFile(secret, []byte("000102030405060708090a0b0c0d0e0f"), 0o600),
		os.WriteFile(file, fmt.Appendf(nil, `apiVersion: config.numberfleet.dev/v1alpha1
kind: OperatorConfiguration
ledger:
  engine: Log
  log: {servers: ["%s"], secretFile: %q, instance: fleet-%d}
`, strings.ReplaceAll(l.URL(), ",", `", "`), secret, fleet), 0o600))
}

// ofReplicas are faults of single replicas, and of the nodes of the log.
var ofReplicas = []fault{
	{name: "replica killed", posting: replicaKilled, living: replicaKilled},
	{name: "node killed", posting: ofNode(nodeKilled), living: ofNode(nodeKilled)},
	{name: "replica paused", posting: replicaPaused, living: replicaPaused},
	{name: "node paused", posting: ofNode(nodePaused), living: ofNode(nodePaused)},
	{name: "all nodes lose their power", posting: nodesKilled, living: nodesKilled, ends: true},
	{name: "node's disk wiped", living: ofNode(nodeWiped)},
	{name: "replicas restarted one after the other", living: replicasRestarted},
	{name: "nodes restarted one after the other", posting: nodesRestarted, living: nodesRestarted},
	{name: "bits flipped on a node's disk", living: ofNode(nodeDamaged)},
}

// replicaOf has something done to one of the replicas, while nobody else starts or stops one. Where it leads, its lease ends by itself.
func (e *epoch) replicaOf(ctx context.Context, random *rand.Rand, do func(*rig.Operator) error) error {
	if err := sleepUpTo(ctx, random, 2500); err != nil {
		return err
	}
	e.processMu.Lock()
	defer e.processMu.Unlock()
	all := e.op.all()
	if err := do(all[random.IntN(len(all))]); err != nil {
		return err
	}
	return e.op.Ready(ctx)
}

func replicaKilled(ctx context.Context, e *epoch, random *rand.Rand) error {
	return e.replicaOf(ctx, random, func(one *rig.Operator) error {
		one.Kill()
		if err := sleepUpTo(ctx, random, 2000); err != nil {
			return err
		}
		return e.op.run(one)
	})
}

func replicaPaused(ctx context.Context, e *epoch, random *rand.Rand) error {
	return e.replicaOf(ctx, random, func(one *rig.Operator) error {
		one.Signal(syscall.SIGSTOP)
		defer one.Signal(syscall.SIGCONT)
		return rig.Sleep(ctx, time.Duration(500+random.IntN(4000))*time.Millisecond)
	})
}

// replicasRestarted is an upgrade: each replica is asked to end, and starts again, while the others serve.
func replicasRestarted(ctx context.Context, e *epoch, _ *rand.Rand) error {
	e.processMu.Lock()
	defer e.processMu.Unlock()
	for _, one := range e.op.all() {
		if err := one.Stop(time.Minute); err != nil {
			return failure(err.Error())
		}
		if err := errors.Join(e.op.run(one), e.op.Ready(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// ofNode has something happen to a random node, and waits until the log is whole again.
func ofNode(happens func(context.Context, *nats.Node, *rand.Rand) error) func(context.Context, *epoch, *rand.Rand) error {
	return func(ctx context.Context, e *epoch, random *rand.Rand) error {
		if err := sleepUpTo(ctx, random, 2000); err != nil {
			return err
		}
		if err := happens(ctx, e.log.Nodes[random.IntN(len(e.log.Nodes))], random); err != nil {
			return err
		}
		return e.log.Ready(ctx)
	}
}

func nodeKilled(ctx context.Context, n *nats.Node, random *rand.Rand) error {
	n.Kill()
	return errors.Join(sleepUpTo(ctx, random, 4000), n.Start(ctx))
}

func nodePaused(ctx context.Context, n *nats.Node, random *rand.Rand) error {
	n.Pause()
	defer n.Continue()
	return sleepUpTo(ctx, random, 8000)
}

func nodeWiped(ctx context.Context, n *nats.Node, _ *rand.Rand) error {
	n.Kill()
	return errors.Join(n.Wipe(), n.Start(ctx))
}

func nodeDamaged(ctx context.Context, n *nats.Node, _ *rand.Rand) error {
	n.Kill()
	_, err := n.Flip()
	return errors.Join(err, n.Start(ctx))
}

// nodesKilled has all nodes lose their power at once, or killed where nothing can lose it.
func nodesKilled(ctx context.Context, e *epoch, random *rand.Rand) error {
	if err := sleepUpTo(ctx, random, 2000); err != nil {
		return err
	}
	var err error
	for _, n := range e.log.Nodes {
		n.Kill()
	}
	for _, n := range e.log.Nodes {
		if e.log.power {
			err = errors.Join(err, n.LosePower())
		}
		err = errors.Join(err, n.Start(ctx))
	}
	return errors.Join(err, e.log.Ready(ctx))
}

// nodesRestarted is an upgrade of the log.
func nodesRestarted(ctx context.Context, e *epoch, _ *rand.Rand) error {
	for _, n := range e.log.Nodes {
		if err := errors.Join(n.Stop(time.Minute), n.Start(ctx), e.log.Ready(ctx)); err != nil {
			return err
		}
	}
	return nil
}
