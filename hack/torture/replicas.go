package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"numberfleet.dev/numberfleet/hack/rig"
)

// ofReplicas are faults of single replicas, and of the nodes of the log.
var ofReplicas = []fault{
	{name: "replica killed", posting: replicaKilled, living: replicaKilled},
	{name: "node killed", posting: ofNode(nodeKilled), living: ofNode(nodeKilled)},
	{name: "replica paused", posting: replicaPaused, living: replicaPaused},
	{name: "node paused", posting: ofNode(nodePaused), living: ofNode(nodePaused)},
	{name: "all nodes lose their power", posting: powerLost(3), living: powerLost(3), ends: true},
	{name: "node's disk wiped", living: ofDisk(nodeWiped)},
	{name: "replicas restarted one after the other", living: replicasRestarted},
	{name: "nodes restarted one after the other", posting: nodesRestarted, living: nodesRestarted},
	{name: "bits flipped on a node's disk", living: ofDisk(nodeDamaged)},
	{name: "node cut off", posting: ofNode(nodeCutOff), living: ofNode(nodeCutOff), network: true},
	{name: "leading replica paused past its lease", living: leaderReplaced, long: true},
	{name: "node loses its power", posting: powerLost(1), living: powerLost(1)},
	{name: "senders go through the gate while what leads fails", living: sendThroughGate((*senders).failOne), long: true},
	{name: "two nodes lose their power", posting: powerLost(2), living: powerLost(2), ends: true},
	{name: "clocks set", living: clocksSet, long: true, clocks: true},
	{name: "senders go through the gate while clocks are set", living: sendThroughGate((*senders).setClocks), long: true, clocks: true},
	{name: "senders go through the gate while the log loses something", living: sendThroughGate((*senders).loseLog), long: true},
	{name: "log deleted", posting: logLost(deleted), living: logLost(deleted), ends: true, long: true},
	{name: "log comes back from an older copy", posting: logLost(restored), living: logLost(restored), ends: true, long: true},
}

// replicaOf has something done to one of the replicas, while nobody else starts or stops one. Where it leads, its lease ends by itself.
func (e *epoch) replicaOf(ctx context.Context, random *rand.Rand, do func(*rig.Operator) error) error {
	if err := sleepUntilMidway(ctx, e, random); err != nil {
		return err
	}
	e.processMu.Lock()
	defer e.processMu.Unlock()
	all := e.op.all()
	if err := do(all[random.IntN(len(all))]); err != nil {
		return err
	}
	return e.ready(ctx)
}

// leadingReplica waits until a replica leads, other than one.
func (e *epoch) leadingReplica(ctx context.Context, other *rig.Operator) (leader *rig.Operator, err error) {
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, rig.Patience, true, func(ctx context.Context) (bool, error) {
		for _, one := range e.op.all() {
			if one == other {
				continue
			}
			leads, err := one.Scrape(ctx, e.plane.Admin().BearerToken, "numberfleet_log_leads")
			if err == nil && len(leads) == 1 && leads[0].Value == 1 {
				leader = one
			}
		}
		return leader != nil, nil
	})
	return leader, err
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
		if err := errors.Join(e.op.run(one), e.ready(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// leaderKilled kills the replica that leads. It is back when another one leads.
func leaderKilled(ctx context.Context, e *epoch, _ *rand.Rand) error {
	e.processMu.Lock()
	defer e.processMu.Unlock()
	old, err := e.leadingReplica(ctx, nil)
	if err != nil {
		return err
	}
	old.Kill()
	if _, err := e.successor(ctx, old); err != nil {
		return err
	}
	return errors.Join(e.op.run(old), e.ready(ctx))
}

// successor waits until another replica leads, and says how long that took.
func (e *epoch) successor(ctx context.Context, old *rig.Operator) (*rig.Operator, error) {
	began := real.Now()
	leader, err := e.leadingReplica(ctx, old)
	if err == nil {
		e.waits.note(takeover, began)
	}
	return leader, err
}

// leaderReplaced pauses the replica that leads until another one leads.
func leaderReplaced(ctx context.Context, e *epoch, random *rand.Rand) error {
	return e.replaced(ctx, random, func(old *rig.Operator, until func() error) error {
		old.Signal(syscall.SIGSTOP)
		defer old.Signal(syscall.SIGCONT)
		return until()
	})
}

// replaced has something happen to the replica that leads until another one leads. It must end by itself, and change nothing after that: the
// checker sees what it should not have written.
func (e *epoch) replaced(ctx context.Context, random *rand.Rand, happens func(old *rig.Operator, until func() error) error) error {
	if err := e.leading(ctx); err != nil {
		return err
	}
	if err := sleepUpTo(ctx, random, 2500); err != nil {
		return err
	}
	e.processMu.Lock()
	defer e.processMu.Unlock()
	old, err := e.leadingReplica(ctx, nil)
	if err != nil {
		return err
	}
	var leader *rig.Operator
	err = happens(old, func() (err error) {
		if leader, err = e.successor(ctx, old); err != nil {
			return err
		}
		return sleepUpTo(ctx, random, 4000) // in which the new one sets and writes
	})
	if err != nil {
		return err
	}
	select {
	case <-old.Exited():
	case <-time.After(rig.Patience):
		return failure("a replica that lost its lease goes on")
	}
	if old.Code() == 0 {
		return failure("a replica that lost its lease ended with code 0")
	}
	if !leader.Alive() && !e.mayEnd() {
		return failure("the replica that leads has ended too")
	}
	return errors.Join(e.op.run(old), e.ready(ctx))
}
