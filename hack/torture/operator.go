package main

import (
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

// operator is the operator with the rights and settings that it has in a cluster, and event time.
type operator struct {
	*rig.Operator
	clock  atomic.Pointer[scaledclock.Clock]
	starts int
}

func newOperator(o options, kubeconfig string) (*operator, error) {
	op, err := rig.NewOperator(rig.OperatorOptions{Binary: o.manager, Kubeconfig: kubeconfig, Folder: o.state, Log: filepath.Join(o.state, "operator.log")})
	return &operator{Operator: op}, err
}

// start runs the operator, whose clock shows origin now and runs at a speed.
func (op *operator) start(origin time.Time, speed float64) error {
	anchor := real.Now()
	clock, err := scaledclock.New(real, anchor.Round(0), origin, speed)
	if err != nil {
		return err
	}
	op.clock.Store(clock)
	op.starts++
	return op.Start(slices.Concat([]string{
		"--events-bind-address=" + op.Events, "--events-audiences=",
		"--ledger-journal-bytes=" + strconv.Itoa(journalBytes),
		"--batch-period=50ms",
	}, rig.TimeLapse(anchor, origin, speed))...)
}

// journalBytes is small, so that the operator takes snapshots all the time, and is killed while it takes them.
const journalBytes = 16 << 10

// now is event time.
func (op *operator) now() time.Time { return op.clock.Load().Now() }
