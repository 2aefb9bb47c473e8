// Command run is the main job on one machine: it starts etcd and an API server on loopback, installs the operator's
// resources and a sample fleet, runs the operator as a cluster would, and does what Meta would, at a multiple of real
// time: it answers as the Graph API, takes and delivers messages, and posts signed webhooks. The senders of the fleet go
// through the guard. The platform of one number is not Meta's: it asks the API before it sends, and posts CloudEvents.
// Ctrl-C stops all of it; the next run goes on where it stopped.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/rig/nats"
)

// The kubeconfigs below the folder of the state.
const (
	adminKubeconfig    = "kubeconfig"
	operatorKubeconfig = "operator.kubeconfig"
)

type options struct {
	assets     string
	manager    string
	natsServer string
	state      string
	speed      float64
	replicas   int
}

func main() {
	var o options
	flag.StringVar(&o.assets, "assets", os.Getenv("KUBEBUILDER_ASSETS"), "Folder with etcd and kube-apiserver.")
	flag.StringVar(&o.manager, "manager", "bin/manager", "The operator's binary.")
	flag.StringVar(&o.natsServer, "nats-server", "bin/nats-server", "The program of the log that three replicas share.")
	flag.IntVar(&o.replicas, "replicas", 1, "How many processes the operator is: 1, with a ledger of its own, or 3, which share a log.")
	flag.StringVar(&o.state, "state", ".run", "Folder for everything that is kept between runs.")
	flag.Float64Var(&o.speed, "speed", 2880, "How many times faster than real time the fleet lives; 1 is real time.")
	flag.Parse()
	rig.Main("run", func(ctx context.Context) error { return run(ctx, o) })
}

func run(ctx context.Context, o options) (err error) {
	if o.replicas != 1 && o.replicas != 3 {
		return fmt.Errorf("%d replicas: there may be 1 or 3", o.replicas)
	}
	if err := os.MkdirAll(o.state, 0o755); err != nil {
		return err
	}
	if o.state, err = filepath.Abs(o.state); err != nil {
		return err
	}
	unlock, err := rig.Lock(filepath.Join(o.state, "lock"))
	if err != nil {
		return err
	}
	defer unlock()

	say("starting etcd and kube-apiserver from %s", o.assets)
	plane, err := rig.NewControlPlane(rig.ControlPlaneOptions{Assets: o.assets, Folder: o.state})
	if err != nil {
		return err
	}
	defer func() {
		say("stopping etcd and kube-apiserver")
		err = errors.Join(err, plane.Stop())
	}()
	if err := plane.Up(ctx); err != nil {
		return err
	}
	if err := errors.Join(
		rig.WriteKubeconfig(filepath.Join(o.state, adminKubeconfig), plane.Admin()),
		rig.WriteKubeconfig(filepath.Join(o.state, operatorKubeconfig), plane.Operator()),
	); err != nil {
		return err
	}

	real := clock.RealClock{}
	clock, err := resume(o.state, real, o.speed)
	if err != nil {
		return err
	}
	if clock.first {
		say("installing the CRDs, the operator's rights and the sample fleet")
	} else {
		say("installing the CRDs and the operator's rights; the fleet goes on as it was left")
	}
	if err := install(ctx, plane.Admin(), clock.first); err != nil {
		return err
	}
	meta, err := startGraphAPI(o, clock)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, meta.stop()) }()
	log, err := startLog(ctx, o)
	if err != nil {
		return err
	}
	if log != nil {
		defer func() {
			say("stopping NATS")
			err = errors.Join(err, log.Stop())
		}()
	}
	config, err := configure(o, meta.settings, log)
	if err != nil {
		return err
	}
	operators, err := newReplicas(o, clock, real, config)
	if err != nil {
		return err
	}
	defer func() {
		say("stopping the operator")
		err = errors.Join(err, operators.stop(), clock.save())
	}()
	if err := operators.startAll(ctx); err != nil {
		return err
	}
	if err := printInstructions(o, operators, meta, clock); err != nil {
		return err
	}
	return live(ctx, plane, operators, log, meta, clock)
}

// live has the fleet live until something fails or ctx ends.
func live(ctx context.Context, plane *rig.ControlPlane, operators *replicas, log *nats.Cluster, meta *graphAPI, clock *fleetClock) error {
	tally := newTally()
	other, err := newPlatform(plane.Admin(), operators, clock, tally)
	if err != nil {
		return err
	}
	senders := newSenders(operators, meta, clock, tally)
	whatsapp := newNetwork(operators, senders, meta, clock)
	tending := &outages{replicas: operators, log: log, platform: other, metrics: plane.Admin().BearerToken, clock: clock}

	running, ctx := errgroup.WithContext(ctx)
	follow := func(act func(ctx context.Context, from, until time.Time) error) {
		running.Go(func() error { return clock.follow(ctx, act) })
	}
	running.Go(func() error { return meta.run(ctx) })
	follow(tending.tend)
	follow(whatsapp.tell)
	follow(func(ctx context.Context, from, until time.Time) error {
		return announce(ctx, operators, clock.born, from, until)
	})
	for i := range patterns {
		of, send := &patterns[i], senders.send
		if of.id == "" {
			send = other.send
		}
		follow(func(ctx context.Context, from, until time.Time) error {
			err := send(ctx, of, from, until)
			if err == nil {
				tally.report(of, clock.born, from, until)
			}
			return err
		})
	}
	running.Go(func() error { return show(ctx, plane.Admin(), clock) })
	return running.Wait()
}

func say(format string, args ...any) { fmt.Printf("==> "+format+"\n", args...) }
