package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"k8s.io/apimachinery/pkg/util/wait"

	gate "numberfleet.dev/numberfleet/api/client"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/rig/nats"
)

// outages end one of the operator's replicas, or one node of their log, on each of the fleet's days, and start it again.
type outages struct {
	replicas *replicas
	log      *nats.Cluster // nil with one replica, to which nothing is done
	platform *platform
	metrics  string // the token of who may read metrics
	clock    *fleetClock
}

const (
	killAt  = 12 * time.Hour  // of a day of the fleet
	downFor = 8 * time.Second // real: until a pod would be there again
)

// stream is the log's.
const stream = "NUMBERFLEET_main"

// tend starts what has ended by itself, as a kubelet does, and kills a process at noon, where that is in (from, until].
func (o *outages) tend(ctx context.Context, from, until time.Time) error {
	for _, op := range o.replicas.all {
		if op.Alive() {
			continue
		}
		if o.log == nil {
			return errors.Join(rig.ErrEnded, op.Err())
		}
		fmt.Printf("%s  %-12s %-17s %v\n", until.Format(time.DateTime), o.replicas.name(op), "Ended", op.Err())
		if err := o.replicas.start(op); err != nil {
			return err
		}
	}
	n := int(until.Add(-killAt).Sub(o.clock.born) / day)
	if at := o.clock.born.Add(time.Duration(n)*day + killAt); o.log == nil || !at.After(from) || at.After(until) {
		return nil
	}
	return o.kill(ctx, n)
}

// victim is a process that is killed.
type victim struct {
	name, what string
	kill       func()
	start      func() error
	ready      func(context.Context) error
}

// errNoVictim is that no replica leads at the moment, or none tells.
var errNoVictim = errors.New("it is not known which replica leads")

// kill kills the nth victim, and says how the others and the senders came through.
func (o *outages) kill(ctx context.Context, n int) error {
	v, err := o.victim(ctx, n)
	if errors.Is(err, errNoVictim) {
		return nil // on this day
	} else if err != nil {
		return err
	}
	o.replicas.longest() // what was before does not count
	begun, at := o.replicas.real.Now(), o.clock.Now()
	v.kill()
	if err := rig.Sleep(ctx, downFor); err != nil {
		return err
	}
	if err := v.start(); err != nil {
		return err
	}
	if err := v.ready(ctx); err != nil {
		return err
	}
	took := o.replicas.real.Since(begun)
	totals, err := o.agree(ctx)
	if err != nil {
		return err
	}
	webhook, message := o.replicas.longest()
	fmt.Printf("%s  %-12s %-17s %s, was killed, and was back after %s. Meanwhile a webhook took %s at most, and a message %s. The replicas agree: %s\n",
		at.Format(time.DateTime), v.name, "Killed", v.what, took.Round(time.Second), webhook.Round(time.Millisecond), message.Round(time.Millisecond), totals)
	return nil
}

// victim is by turns the replica that leads, the node that leads, another replica, and another node.
func (o *outages) victim(ctx context.Context, n int) (*victim, error) {
	if n%2 == 1 {
		leader, err := o.log.Leader(ctx, stream)
		if err != nil {
			return nil, err
		}
		node, what := leader, "the node of NATS that leads the log"
		if n%4 == 3 {
			node, what = o.log.Nodes[0], "a node of NATS that follows"
			if node == leader {
				node = o.log.Nodes[1]
			}
		}
		return &victim{node.Name, what, node.Kill, func() error { return node.Start(ctx) }, node.Ready}, nil
	}
	for _, op := range o.replicas.all {
		leads, err := op.Scrape(ctx, o.metrics, "numberfleet_log_leads")
		if err != nil || len(leads) != 1 {
			continue // it has only begun
		}
		what, wanted := "the replica that leads", model.SampleValue(1)
		if n%4 == 2 {
			what, wanted = "a replica that does not lead", 0
		}
		if leads[0].Value == wanted {
			return &victim{o.replicas.name(op), what, op.Kill, func() error { return o.replicas.start(op) }, op.Ready}, nil
		}
	}
	return nil, errNoVictim
}

// agree waits until all replicas say the same of all numbers, and says what.
func (o *outages) agree(ctx context.Context) (totals string, err error) {
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, rig.Patience, true, func(ctx context.Context) (bool, error) {
		totals = ""
		for _, op := range o.replicas.all {
			items, err := o.platform.standing(ctx, op)
			if err != nil {
				return false, nil //nolint:nilerr // it is not fresh
			}
			if its := sum(items); totals == "" {
				totals = its
			} else if its != totals {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return "", fmt.Errorf("the replicas do not agree on where the numbers stand: %w", err)
	}
	return totals, nil
}

// sum is what is the same at all replicas at the same position of the log.
func sum(items []gate.Item) string {
	var numbers int
	var used, reserved, remaining int64
	for _, item := range items {
		if item.Kind == "PhoneNumber" && item.Used != nil {
			numbers++
			used, reserved, remaining = used+*item.Used, reserved+item.Reserved, remaining+item.Remaining
		}
	}
	return fmt.Sprintf("%d numbers, %d used, %d reserved, %d remaining", numbers, used, reserved, remaining)
}
