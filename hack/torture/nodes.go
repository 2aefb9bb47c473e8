package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/rig/nats"
)

// sharedLog is a cluster of three nodes whose log replicas share, see startLog.
type sharedLog struct {
	*nats.Cluster
	power    bool         // nodes can lose it
	network  *rig.Network // nil: no node can be cut off
	clocks   bool         // those of single replicas and nodes can be set
	folder   string       // of the configuration of replicas
	fleet, n int          // each fleet has a log of its own, and a next one when that has lost something

	whole sync.RWMutex // who takes a node's disk away has it alone: acknowledged is what two disks have, and a third one may lack it
}

// startLog starts the nodes.
func startLog(ctx context.Context, folder string) (l *sharedLog, err error) {
	l = &sharedLog{}
	o := nats.Options{Folder: folder}
	if err := rig.PowerLossSupported(ctx); err != nil {
		fmt.Println("no node loses its power:", err)
	} else {
		l.power, o.Lazyfs = true, os.Getenv("LAZYFS")
	}
	if err := rig.NetworkSupported(ctx); err != nil {
		fmt.Println("no node is cut off:", err)
	} else if l.network, err = rig.NewNetwork(ctx); err != nil {
		return nil, err
	}
	if err := rig.ClockSupported(); err != nil {
		fmt.Println("no clock of a replica or node is set:", err)
	} else {
		l.clocks = true
	}
	o.Network = l.network
	l.Cluster, err = nats.Start(ctx, o)
	return l, err
}

// configuration is the file of the configuration of replicas.
func (l *sharedLog) configuration() string { return filepath.Join(l.folder, "config.yaml") }

// configure writes the configuration of replicas of a fleet.
func (l *sharedLog) configure(folder string, fleet int) error {
	l.folder, l.fleet, l.n = folder, fleet, 0
	return l.goOn()
}

// goOn configures the next log of the fleet as the one that is used.
func (l *sharedLog) goOn() error {
	l.n++
	secret := filepath.Join(l.folder, "secret")
	return errors.Join(
		os.WriteFile(secret, []byte("000102030405060708090a0b0c0d0e0f"), 0o600),
		os.WriteFile(l.configuration(), fmt.Appendf(nil, `apiVersion: config.numberfleet.dev/v1alpha1
kind: OperatorConfiguration
ledger:
  engine: Log
  log: {servers: ["%s"], secretFile: %q, instance: %s, next: %s}
`, strings.ReplaceAll(l.URL(), ",", `", "`), secret, l.instance(l.n), l.instance(l.n+1)), 0o600))
}

func (l *sharedLog) instance(n int) string { return fmt.Sprintf("fleet-%d-%d", l.fleet, n) }

func (l *sharedLog) stream() string { return "NUMBERFLEET_" + l.instance(l.n) }

// leader is the node that leads the log.
func (l *sharedLog) leader(ctx context.Context) (*nats.Node, error) { return l.Leader(ctx, l.stream()) }

// nodeFault is something that happens to a node.
type nodeFault func(context.Context, *epoch, *nats.Node, *rand.Rand) error

// ofNode has something happen to a node, every other time the one that leads, and waits until the log is whole again.
func ofNode(happens nodeFault) func(context.Context, *epoch, *rand.Rand) error {
	return whileLocked(happens, func(l *sharedLog) sync.Locker { return l.whole.RLocker() })
}

// ofDisk is ofNode, while nothing happens to other nodes.
func ofDisk(happens nodeFault) func(context.Context, *epoch, *rand.Rand) error {
	return whileLocked(happens, func(l *sharedLog) sync.Locker { return &l.whole })
}

func whileLocked(happens nodeFault, of func(*sharedLog) sync.Locker) func(context.Context, *epoch, *rand.Rand) error {
	return func(ctx context.Context, e *epoch, random *rand.Rand) (err error) {
		if err := sleepUntilMidway(ctx, e, random); err != nil {
			return err
		}
		lock := of(e.log)
		lock.Lock()
		defer lock.Unlock()
		node := e.log.Nodes[random.IntN(len(e.log.Nodes))]
		if random.IntN(2) == 0 {
			if node, err = e.log.leader(ctx); err != nil {
				return err
			}
		}
		if err := happens(ctx, e, node, random); err != nil {
			return err
		}
		return e.log.Ready(ctx)
	}
}

// ofLeadingNode is ofNode, of the node that leads.
func ofLeadingNode(happens nodeFault) func(context.Context, *epoch, *rand.Rand) error {
	return func(ctx context.Context, e *epoch, random *rand.Rand) error {
		e.log.whole.RLock()
		defer e.log.whole.RUnlock()
		node, err := e.log.leader(ctx)
		if err != nil {
			return err
		}
		return errors.Join(happens(ctx, e, node, random), e.log.Ready(ctx))
	}
}

func nodeKilled(ctx context.Context, _ *epoch, n *nats.Node, random *rand.Rand) error {
	n.Kill()
	return errors.Join(sleepUpTo(ctx, random, 8000), n.Start(ctx))
}

func nodePaused(ctx context.Context, _ *epoch, n *nats.Node, random *rand.Rand) error {
	n.Pause()
	defer n.Continue()
	return sleepUpTo(ctx, random, 8000)
}

func nodeWiped(ctx context.Context, _ *epoch, n *nats.Node, _ *rand.Rand) error {
	n.Kill()
	return errors.Join(n.Wipe(), n.Start(ctx))
}

// nodeDamaged has a node run on a damaged disk, and then on an empty one. What is damaged a node notices when it reads it, which may be when
// another one has lost its disk as well.
func nodeDamaged(ctx context.Context, e *epoch, n *nats.Node, random *rand.Rand) error {
	n.Kill()
	_, err := n.Flip()
	return errors.Join(err, n.Start(ctx), sleepUpTo(ctx, random, 8000), nodeWiped(ctx, e, n, random))
}

// nodeCutOff cuts a node off from the other nodes, from the replicas, or from both.
func nodeCutOff(ctx context.Context, e *epoch, n *nats.Node, random *rand.Rand) error {
	l := e.log
	var from []*rig.Host
	for _, other := range l.Nodes {
		if other != n {
			from = append(from, other.Host)
		}
	}
	switch random.IntN(3) {
	case 0:
		from = append(from, l.network.Machine)
	case 1:
		from = []*rig.Host{l.network.Machine}
	}
	return errors.Join(l.network.Cut(ctx, n.Host, from...), rig.Sleep(ctx, time.Second), sleepUpTo(ctx, random, 9000), l.network.Heal(ctx))
}

// powerLost has so many nodes lose their power at once, or killed where nothing can lose it.
func powerLost(nodes int) func(context.Context, *epoch, *rand.Rand) error {
	return func(ctx context.Context, e *epoch, random *rand.Rand) error {
		if err := sleepUntilMidway(ctx, e, random); err != nil {
			return err
		}
		e.log.whole.RLock()
		defer e.log.whole.RUnlock()
		some := slices.Clone(e.log.Nodes)
		random.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		some = some[:nodes]
		for _, n := range some {
			n.Kill()
		}
		err := sleepUpTo(ctx, random, 4000)
		for _, n := range some {
			if e.log.power {
				err = errors.Join(err, n.LosePower())
			}
			err = errors.Join(err, n.Start(ctx))
		}
		return errors.Join(err, e.log.Ready(ctx))
	}
}

// nodesRestarted is an upgrade of the log.
func nodesRestarted(ctx context.Context, e *epoch, _ *rand.Rand) error {
	e.log.whole.RLock()
	defer e.log.whole.RUnlock()
	for _, n := range e.log.Nodes {
		if err := errors.Join(n.Stop(time.Minute), n.Start(ctx), e.log.Ready(ctx)); err != nil {
			return err
		}
	}
	return nil
}
