package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/rig/nats"
)

// The clock of one replica or node is set forth and back, while all others keep theirs. Log time follows the slower one of two clocks: one that is
// ahead does not move it, and one that is behind holds it up only at the node that leads.

// mostSkew is how far the clock of a replica may be from the log's. A replica refuses and does not lead where it is further off.
const mostSkew = 30 * time.Second

// aLittle is some seconds ahead or behind, which are up to 20 minutes of the fleet's time when that is slowed down.
func aLittle(random *rand.Rand) time.Duration {
	return time.Duration(1+random.IntN(20)) * time.Second * time.Duration(1-2*random.IntN(2))
}

// farOff is minutes to an hour ahead or behind.
func farOff(random *rand.Rand) time.Duration {
	return time.Duration(1+random.IntN(60)) * time.Minute * time.Duration(1-2*random.IntN(2))
}

// whileWrong does something while a clock is wrong. The process whose clock it is may end meanwhile.
func (e *epoch) whileWrong(of *rig.Process, ahead time.Duration, do func() error) error {
	set := func(to time.Duration) error {
		if err := of.SetClock(to); !errors.Is(err, rig.ErrEnded) {
			return err
		}
		return nil
	}
	if ahead < 0 {
		e.op.behind.Add(1)
		defer e.op.behind.Add(1)
	}
	err := set(ahead)
	if err == nil {
		err = do()
	}
	e.op.showed(ahead)
	return errors.Join(err, set(0))
}

// setClock sets a clock wrong a few times, for a moment each. That of which replica it is, if of one, is the only one that may differ from log time.
func (e *epoch) setClock(ctx context.Context, random *rand.Rand, of *rig.Process, wrong *rig.Operator) error {
	for _, ahead := range []time.Duration{aLittle(random), farOff(random), aLittle(random), farOff(random)} {
		err := e.whileWrong(of, ahead, func() error {
			if err := rig.Sleep(ctx, time.Duration(500+random.IntN(1500))*time.Millisecond); err != nil {
				return err
			}
			return e.onTime(ctx, ahead, wrong)
		})
		if err := errors.Join(err, sleepUpTo(ctx, random, 500)); err != nil {
			return err
		}
	}
	return nil
}

// onTime waits until each replica says of its clock whether it is right: all but one that is far off.
func (e *epoch) onTime(ctx context.Context, ahead time.Duration, wrong *rig.Operator) error {
	var last string
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, rig.Patience, true, func(ctx context.Context) (bool, error) {
		for i, one := range e.op.all() {
			if !one.Alive() {
				continue
			}
			said, err := one.Scrape(ctx, e.plane.Admin().BearerToken, "numberfleet_log_clock_difference_seconds")
			if err != nil || len(said) != 1 {
				last = fmt.Sprintf("replica %d does not say how its clock differs from log time: %v", i+1, err)
				return false, nil
			}
			off := time.Duration(float64(said[0].Value) / e.op.speed() * float64(time.Second))
			if (off.Abs() > mostSkew) != (one == wrong && ahead.Abs() > mostSkew) {
				last = fmt.Sprintf("the clock of replica %d is %s ahead of log time", i+1, off)
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil && ctx.Err() == nil {
		return failure(fmt.Sprintf("while a clock is %s ahead, %s", ahead, last))
	}
	return err
}

// replicaClockSet sets the clock of a replica. If it leads, it ends where the clock is far off.
func replicaClockSet(ctx context.Context, e *epoch, random *rand.Rand) error {
	return e.replicaOf(ctx, random, func(one *rig.Operator) error {
		leader, err := e.leadingReplica(ctx, nil)
		if err != nil {
			return err
		}
		err = e.setClock(ctx, random, one.Process, one)
		switch {
		case err != nil || one.Alive():
			return err
		case one != leader && !e.mayEnd() || one.Code() == 0:
			return failure(fmt.Sprintf("a replica whose clock is wrong ended by itself, with code %d; it led: %t", one.Code(), one == leader))
		}
		return e.op.run(one)
	})
}

// leaderClockSet sets the clock of the replica that leads far off until another one leads.
func leaderClockSet(ctx context.Context, e *epoch, random *rand.Rand) error {
	return e.replaced(ctx, random, func(old *rig.Operator, until func() error) error {
		return e.whileWrong(old.Process, farOff(random), until)
	})
}

// nodeClockSet sets the clock of a node.
func nodeClockSet(ctx context.Context, e *epoch, n *nats.Node, random *rand.Rand) error {
	return e.setClock(ctx, random, n.Process, nil)
}

// clocksSet is setClocks, without anybody at the gate.
func clocksSet(ctx context.Context, e *epoch, random *rand.Rand) error {
	if err := e.leading(ctx); err != nil {
		return err
	}
	return e.senders.setClocks(ctx, random)
}

// setClocks has clocks set wrong. The fleet's time is slowed down, so that some seconds are some minutes of it, and nothing ends in between that
// is not to.
func (s *senders) setClocks(ctx context.Context, random *rand.Rand) error {
	err := s.oneAfterTheOther(ctx, random, []fault{
		{name: "replica's clock set", living: replicaClockSet},
		{name: "node's clock set", living: ofNode(nodeClockSet)},
		{name: "clock of the replica that leads set", living: leaderClockSet},
	})
	return errors.Join(err, s.inSnapshot(ctx))
}

// inSnapshot waits until a snapshot has all that is in the log. A start that begins another time of the fleet reads what follows by the clocks of
// the replicas alone: it does not know which time the log's clock stood for.
func (e *epoch) inSnapshot(ctx context.Context) error {
	position := func(of string) (furthest float64) { // a replica that does not lead may not know of the newest snapshot
		for _, one := range e.op.all() {
			if said, err := one.Scrape(ctx, e.plane.Admin().BearerToken, of); err == nil && len(said) == 1 {
				furthest = max(furthest, float64(said[0].Value))
			}
		}
		return furthest
	}
	newest, began := position("numberfleet_log_position"), real.Now()
	for position("numberfleet_log_snapshot_position") < newest {
		if real.Since(began) > rig.Patience {
			return failure("no snapshot is taken")
		}
		for _, p := range e.period.requests { // again, so that the log grows
			if err := e.sender.until(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}
