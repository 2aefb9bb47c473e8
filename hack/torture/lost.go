package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"numberfleet.dev/numberfleet/hack/rig"
)

// logLost has the log lose what it had acknowledged. The replicas keep what they know, end, and are started again, as by a kubelet. They go on with the
// next log by themselves.
func logLost(loses func(context.Context, *sharedLog, *rand.Rand) error) func(context.Context, *epoch, *rand.Rand) error {
	return func(ctx context.Context, e *epoch, random *rand.Rand) error {
		if err := sleepUntilMidway(ctx, e, random); err != nil {
			return err
		}
		e.log.whole.Lock()
		defer e.log.whole.Unlock()
		e.processMu.Lock()
		defer e.processMu.Unlock()
		// A replica that was killed less than four seconds before would be waited for.
		if err := errors.Join(e.ready(ctx), rig.Sleep(ctx, 5*time.Second), loses(ctx, e.log, random)); err != nil {
			return err
		}
		for _, one := range e.op.all() {
			select {
			case <-one.Exited():
			case <-time.After(rig.Patience):
				return failure("a replica goes on with a log that lost what it had read")
			}
			if one.Code() == 0 {
				return failure("a replica whose log lost something ended with code 0")
			}
			if err := e.op.run(one); err != nil {
				return err
			}
		}
		if err := e.op.Ready(ctx); err != nil {
			return failure(fmt.Sprintf("the replicas do not go on with the next log: %v", err))
		}
		return e.log.goOn()
	}
}

// deleted deletes the log, as an administrator can.
func deleted(ctx context.Context, l *sharedLog, _ *rand.Rand) error {
	connection, err := nats.Connect(l.URL())
	if err != nil {
		return err
	}
	defer connection.Close()
	js, err := jetstream.New(connection)
	if err != nil {
		return err
	}
	return js.DeleteStream(ctx, l.stream())
}

// restored has all nodes come back from an older copy of their disks.
func restored(ctx context.Context, l *sharedLog, random *rand.Rand) error {
	older, err := os.MkdirTemp("", "torture")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(older) }()
	whileDown := func(do func(i int) error) error {
		for _, n := range l.Nodes {
			n.Kill()
		}
		for i, n := range l.Nodes {
			if err := errors.Join(do(i), n.Start(ctx)); err != nil {
				return err
			}
		}
		return l.Ready(ctx)
	}
	copyOf := func(i int) string { return filepath.Join(older, strconv.Itoa(i)) }
	return errors.Join(
		whileDown(func(i int) error { return l.Nodes[i].Backup(copyOf(i)) }),
		rig.Sleep(ctx, time.Second), sleepUpTo(ctx, random, 2000),
		whileDown(func(i int) error { return l.Nodes[i].Restore(copyOf(i)) }),
	)
}
