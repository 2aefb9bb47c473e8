package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/scaledclock"
)

// real is real time.
var real = clock.RealClock{}

// operator is the operator with the rights and settings that it has in a cluster, and event time. It may be several replicas, of which the
// first is the embedded one; what is done to the operator is done to all of them.
type operator struct {
	*rig.Operator
	others []*rig.Operator
	config string // the file of the configuration; empty for none
	clock  atomic.Pointer[fleetClock]
	behind atomic.Int64 // how often a clock was set behind, or right again: odd while one is behind
	latest time.Time    // what a clock showed that was ahead
	starts int

	flags []string      // of the last start
	next  atomic.Uint64 // of the replicas, to be asked
}

// fleetClock shows the fleet's time, which runs at a speed.
type fleetClock struct {
	*scaledclock.Clock
	speed float64
}

func newOperator(o options, kubeconfig string) (*operator, error) {
	op := &operator{}
	for i := range cmp.Or(o.replicas, 1) {
		one, err := rig.NewOperator(rig.OperatorOptions{
			Binary: o.manager, Kubeconfig: kubeconfig, Folder: o.state, Log: filepath.Join(o.state, fmt.Sprintf("operator-%d.log", i+1)),
		})
		if err != nil {
			return nil, err
		}
		if i == 0 {
			op.Operator = one
		} else {
			op.others = append(op.others, one)
		}
	}
	return op, nil
}

// start runs the operator, whose clock shows origin now and runs at a speed.
func (op *operator) start(origin time.Time, speed float64) error {
	anchor := real.Now()
	clock, err := scaledclock.New(real, anchor.Round(0), origin, speed)
	if err != nil {
		return err
	}
	op.clock.Store(&fleetClock{clock, speed})
	op.flags = rig.TimeLapse(anchor, origin, speed)
	for _, one := range op.all() {
		if err := op.run(one); err != nil {
			return err
		}
	}
	return nil
}

// run runs a replica, with the clock of the last start.
func (op *operator) run(one *rig.Operator) error {
	op.starts++
	flags := []string{
		"--events-bind-address=" + one.Events, "--events-audiences=",
		"--ledger-journal-bytes=" + strconv.Itoa(journalBytes),
		"--batch-period=50ms",
	}
	if op.config != "" {
		flags = append(flags, "--config="+op.config)
	}
	return one.Start(slices.Concat(flags, op.flags)...)
}

// runEnded runs the replicas that have ended.
func (op *operator) runEnded() error {
	for _, one := range op.all() {
		if !one.Alive() {
			if err := op.run(one); err != nil {
				return err
			}
		}
	}
	return nil
}

// all are the replicas.
func (op *operator) all() []*rig.Operator { return append([]*rig.Operator{op.Operator}, op.others...) }

// any is one of the replicas, each in its turn.
func (op *operator) any() *rig.Operator {
	all := op.all()
	return all[op.next.Add(1)%uint64(len(all))]
}

// Ready waits until all replicas take webhooks.
func (op *operator) Ready(ctx context.Context) error {
	for _, one := range op.all() {
		if err := one.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Kill kills all replicas.
func (op *operator) Kill() {
	for _, one := range op.all() {
		if one.Process != nil {
			one.Kill()
		}
	}
}

// Stop asks all replicas to end, one after the other.
func (op *operator) Stop(within time.Duration) (err error) {
	for _, one := range op.all() {
		err = errors.Join(err, one.Stop(within))
	}
	return err
}

// ended is a replica that does not run, nil if there is none.
func (op *operator) ended() *rig.Operator {
	for _, one := range op.all() {
		if one.Process == nil || !one.Alive() {
			return one
		}
	}
	return nil
}

// Alive says whether all replicas run.
func (op *operator) Alive() bool { return op.ended() == nil }

// Code is the exit code of a replica that has ended.
func (op *operator) Code() int { return op.ended().Code() }

// journalBytes is small, so that the operator takes snapshots all the time, and is killed while it takes them.
const journalBytes = 16 << 10

// now is event time.
func (op *operator) now() time.Time { return op.clock.Load().Now() }

// speed is how many times faster than real time event time runs.
func (op *operator) speed() float64 { return op.clock.Load().speed }

// showed notes that the clock of a replica was ahead, in real time. It may have been believed up to mostSkew.
func (op *operator) showed(ahead time.Duration) {
	by := time.Duration(float64(min(ahead, mostSkew)) * op.speed())
	if at := op.now().Add(by); at.After(op.latest) {
		op.latest = at
	}
}

// reached is up to when the rules may have decided.
func (op *operator) reached() time.Time {
	if now := op.now(); now.After(op.latest) {
		return now
	}
	return op.latest
}
