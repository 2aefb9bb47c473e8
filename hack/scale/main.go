// Command scale shows senders that are scaled on what their number may send, in time-lapse and with the real components: KEDA asks the
// operator, and changes the replicas of a Deployment on a local API server. A campaign of more messages than the limit allows in a day is
// sent until nothing is left of it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"numberfleet.dev/numberfleet/hack/rig"
)

func main() {
	o := options{root: "."}
	flag.StringVar(&o.assets, "assets", os.Getenv("KUBEBUILDER_ASSETS"), "Folder with etcd and kube-apiserver.")
	flag.StringVar(&o.programs, "programs", "bin", "Folder with kube-controller-manager, keda-operator and keda-adapter.")
	flag.StringVar(&o.crds, "crds", "", "Folder with KEDA's CRDs, as kustomize reads it.")
	flag.StringVar(&o.manager, "manager", "bin/manager", "The operator's binary.")
	flag.Float64Var(&o.speed, "speed", 960, "How many times faster than real time the fleet lives.")
	flag.Parse()
	rig.Main("scale", func(ctx context.Context) error { return run(ctx, o) })
}

// run leaves nothing behind, but the logs of what went wrong.
func run(ctx context.Context, o options) (err error) {
	if o.folder, err = os.MkdirTemp("", "numberfleet-scale-"); err != nil {
		return err
	}
	defer func() {
		rig.KillAll()
		if err == nil || errors.Is(err, context.Canceled) {
			err = errors.Join(err, os.RemoveAll(o.folder))
		} else {
			err = fmt.Errorf("%w; the logs are in %s", err, o.folder)
		}
	}()
	say("starting etcd, kube-apiserver, kube-controller-manager, KEDA and the operator")
	l, err := start(ctx, o)
	if err != nil {
		return err
	}
	say("applying config/samples/scaling/redis.yaml, with a queue of this program in place of Redis")
	if err := l.scale(ctx, o.root, "redis.yaml"); err != nil {
		return err
	}
	s, err := newSender(ctx, l)
	if err != nil {
		return err
	}
	if err := s.sendable(ctx); err != nil {
		return err
	}
	say("look at it from another terminal: kubectl --kubeconfig %s -n %s get scaledobjects,hpa,deployments", kubeconfig(o), namespace)
	say("a campaign of %d messages is queued for the number %s", campaign, numberName)
	say("the fleet lives at %gx real time; a sender sends %d messages a real second: this program does, since no node runs the pods", o.speed, pace)
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	l.queue.queued.Add(campaign)
	samples, err := s.run(ctx)
	if err != nil {
		return err
	}
	fmt.Print("\n", chart(samples))
	return nil
}

const (
	deployment = "newsletter-sender"
	campaign   = 2000             // messages
	pace       = 4                // messages that one sender sends a second of real time
	period     = time.Second      // between two looks
	most       = 15 * time.Minute // that the campaign may take; it takes less than four
)

// run sends as many messages a second as the replicas would, and returns what there was each second, until the campaign is sent and no
// sender is left.
func (s *sender) run(ctx context.Context) ([]sample, error) {
	var samples []sample
	for {
		now, err := s.look(ctx)
		if err != nil {
			return nil, err
		}
		if len(samples) == 0 || now.differs(samples[len(samples)-1]) {
			fmt.Println(now)
		}
		samples = append(samples, now)
		if now.queued == 0 && now.senders == 0 {
			return samples, nil
		}
		if err := errors.Join(s.send(ctx, int64(now.senders)*pace), rig.Sleep(ctx, period)); err != nil {
			return nil, err
		}
	}
}

func say(format string, args ...any) { fmt.Printf("==> "+format+"\n", args...) }
