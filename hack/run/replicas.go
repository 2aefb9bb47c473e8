package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/hack/rig"
)

// replicas are the operator's processes, as one Service: each request goes to another one first, and to the next where that one does not
// take it.
type replicas struct {
	all   []*rig.Operator
	flags []string
	real  clock.PassiveClock

	mu    sync.Mutex
	first int // which is asked first
	waits map[string]time.Duration
}

// What is waited for.
const (
	webhooksWait = "webhooks"
	messagesWait = "messages"
)

// newReplicas chooses addresses for the processes, which get the rights and settings that they have in a cluster.
func newReplicas(o options, clock *fleetClock, real clock.PassiveClock, config string) (*replicas, error) {
	r := &replicas{real: real, waits: map[string]time.Duration{}, flags: slices.Concat([]string{
		"--config=" + config,
		"--batch-period=200ms",
		// A minute of real time is two days of the fleet's.
		"--status-refresh-period=1s",
		"--status-refresh-qps=50",
	}, rig.TimeLapse(clock.anchor, clock.origin, clock.speed))}
	for i := range o.replicas {
		op, err := rig.NewOperator(rig.OperatorOptions{
			Binary: o.manager, Kubeconfig: filepath.Join(o.state, operatorKubeconfig), DataDir: filepath.Join(o.state, "ledger"),
			Folder: o.state, Log: filepath.Join(o.state, fmt.Sprintf("operator-%d.log", i+1)),
		})
		if err != nil {
			return nil, err
		}
		r.all = append(r.all, op)
	}
	return r, nil
}

// start starts one of the processes.
func (r *replicas) start(op *rig.Operator) error {
	return op.Start(slices.Concat([]string{"--events-bind-address=" + op.Events, "--guard-bind-address=" + op.Guard}, r.flags)...)
}

// startAll starts the processes, and waits until all take webhooks.
func (r *replicas) startAll(ctx context.Context) error {
	for _, op := range r.all {
		if err := r.start(op); err != nil {
			return err
		}
	}
	for _, op := range r.all {
		if err := op.Ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stop ends the processes in order.
func (r *replicas) stop() (err error) {
	for _, op := range r.all {
		if op.Process != nil {
			err = errors.Join(err, op.Stop(20*time.Second))
		}
	}
	return err
}

// name is what a process is called in what is printed.
func (r *replicas) name(op *rig.Operator) string {
	return fmt.Sprint("replica-", slices.Index(r.all, op)+1)
}

// inTurn are all processes, beginning with another one each time.
func (r *replicas) inTurn() iter.Seq[*rig.Operator] {
	r.mu.Lock()
	r.first = (r.first + 1) % len(r.all)
	first := r.first
	r.mu.Unlock()
	return slices.Values(slices.Concat(r.all[first:], r.all[:first]))
}

// until tries at one process after the other, again and again, until one has taken what is brought.
func (r *replicas) until(ctx context.Context, what string, try func(at *rig.Operator) (taken bool, err error)) error {
	for begun := r.real.Now(); ; {
		for at := range r.inTurn() {
			if taken, err := try(at); taken || err != nil {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.waits[what] = max(r.waits[what], r.real.Since(begun))
				return err
			}
		}
		if err := rig.Sleep(ctx, retryAfter); err != nil {
			return err
		}
	}
}

// retryAfter is how long senders wait before they send again what no process could take.
const retryAfter = 100 * time.Millisecond

// longest is how long a webhook, and a message, took at most since this was asked last.
func (r *replicas) longest() (webhook, message time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	webhook, message = r.waits[webhooksWait], r.waits[messagesWait]
	clear(r.waits)
	return webhook, message
}

// post sends a signed webhook, again and again until it is acknowledged, as Meta does.
func (r *replicas) post(ctx context.Context, body []byte) error {
	return r.until(ctx, webhooksWait, func(at *rig.Operator) (bool, error) {
		switch status, answer, err := at.PostWebhook(ctx, body); {
		case err != nil || status == http.StatusServiceUnavailable:
			return false, nil //nolint:nilerr // another one may take it
		case status == http.StatusOK:
			return true, nil
		default:
			return false, fmt.Errorf("the operator answered a webhook with %d: %s", status, answer)
		}
	})
}
