package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/hack/rig"
)

// epoch is the rounds of one fleet, on one ledger. It follows from the seed and its number, and not from the epochs before it. So a round
// can be replayed.
type epoch struct {
	*torture
	number   int
	fleet    *fleet
	traffic  *traffic
	sender   *sender
	senders  *senders
	verifier *verifier
	disk     disk

	// processMu is held by what starts, stops and pauses the operator.
	processMu sync.Mutex
	period    period
	posted    chan struct{} // closed when all live webhooks of the period are acknowledged
}

// begin creates a fleet, and waits until the operator has its statuses.
func (t *torture) begin(ctx context.Context, n int) (*epoch, error) {
	e := &epoch{torture: t, number: n, fleet: newFleet(n, t.policies)}
	e.traffic = newTraffic(t.seed, n, e.fleet)
	if err := os.RemoveAll(t.ledger()); err != nil {
		return nil, err
	}
	var err error
	if e.disk, err = openDisk(t.ledger()); err != nil {
		return nil, err
	}
	t.op.DataDir = filepath.Join(t.ledger(), "data")
	if e.sender, err = newSender(t.op, t.plane.Admin().BearerToken, t.input(), &t.waits); err != nil {
		return e, err
	}
	if e.senders, err = newSenders(e); err != nil {
		return e, err
	}
	if t.log != nil {
		if err := t.log.configure(t.state, n); err != nil {
			return e, err
		}
		t.op.config = t.log.configuration()
	}
	e.verifier = newVerifier(t.api, t.op, e.sender, e.fleet, t.plane.Admin().BearerToken)
	for _, object := range e.fleet.objects() {
		if err := rig.Apply(ctx, t.api, object, "torture"); err != nil {
			return e, err
		}
	}
	if err := e.start(ctx, e.traffic.last, false); err != nil {
		return e, err
	}
	if err := e.settle(ctx, e.traffic.last); err != nil {
		return e, err
	}
	e.op.Kill()
	return e, nil
}

// end removes the fleet.
func (e *epoch) end(ctx context.Context) error {
	e.op.Kill()
	for _, object := range e.fleet.objects() {
		err := wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, rig.Patience, true, func(ctx context.Context) (bool, error) {
			return client.IgnoreNotFound(e.api.Delete(ctx, object)) == nil, nil
		})
		if err != nil {
			return err
		}
	}
	return errors.Join(e.sender.recorded.Close(), e.disk.close())
}

// round is one round. First what happened during the downtime is posted, then the rules run, while more is posted. Faults happen in both.
// The round ends when the operator shows what the checker says.
func (e *epoch) round(ctx context.Context, faults []fault, random *rand.Rand) error {
	e.period, e.posted = e.traffic.next(), make(chan struct{})
	e.say("period from %s: %d webhooks, %d of them live", e.period.at.Format(time.DateTime), len(e.period.requests)+len(e.period.live), len(e.period.live))
	if err := e.start(ctx, e.period.at, true); err != nil {
		return err
	}
	err := e.during(ctx, faults, func(f fault) func(context.Context, *epoch, *rand.Rand) error { return f.posting }, random, func(ctx context.Context) error {
		return e.sender.all(ctx, e.period.requests, random)
	})
	if err != nil {
		return err
	}
	e.processMu.Lock()
	switch late := e.op.now().After(e.period.at.Add(3 * time.Hour)); {
	case e.log != nil: // its time goes on, at full speed from now on
		e.op.Kill()
		err = e.startAt(ctx, e.op.now(), true, speed)
	case late || !e.op.Alive():
		// It took long. The rules have not run, so the clock can be set back.
		e.op.Kill()
		err = e.start(ctx, e.period.at, true)
	}
	e.processMu.Unlock()
	if err != nil {
		return err
	}
	if err := e.lead(ctx); err != nil {
		return err
	}
	err = e.during(ctx, faults, func(f fault) func(context.Context, *epoch, *rand.Rand) error { return f.living }, random, func(ctx context.Context) error {
		if err := e.sender.all(ctx, e.period.live, random); err != nil {
			return err
		}
		close(e.posted)
		for e.op.now().Before(e.period.at.Add(liveUntil)) {
			if err := rig.Sleep(ctx, 50*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := e.settle(ctx, e.op.now()); err != nil {
		return err
	}
	if err := e.verifier.events(ctx); err != nil {
		return err
	}
	if err := e.senders.checkReserved(ctx); err != nil {
		return err
	}
	return e.stop(random)
}

// during does a job while the faults happen, one after the other, and restarts the operator if it ends.
func (e *epoch) during(ctx context.Context, faults []fault, part func(fault) func(context.Context, *epoch, *rand.Rand) error, random *rand.Rand, job func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	dice := rand.New(rand.NewPCG(random.Uint64(), 0)) // #nosec G404 -- to be replayed
	var done sync.WaitGroup
	done.Go(func() {
		for _, f := range faults {
			do := part(f)
			if do == nil {
				continue
			}
			e.suffer(f.name)
			if err := do(ctx, e, dice); err != nil {
				cancel(fmt.Errorf("%s: %w", f.name, err))
				return
			}
		}
	})
	over := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-time.After(20 * time.Millisecond):
			}
			if err := e.attend(ctx); err != nil {
				cancel(err)
				return
			}
		}
	})
	err := job(ctx)
	done.Wait()
	e.suffer("")
	close(over)
	watch.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// attend restarts the operator after it ended by itself, as the kubelet would, and slows the fleet's time down where the round takes long.
func (e *epoch) attend(ctx context.Context) error {
	if !e.processMu.TryLock() {
		return nil
	}
	defer e.processMu.Unlock()
	switch alive := e.op.Alive(); {
	case !alive && !e.mayEnd():
		return failure(fmt.Sprintf("the operator ended by itself, with code %d", e.op.Code()))
	case !alive:
		e.say("the operator ended by itself, with code %d, and is started again", e.op.Code())
		return e.again(ctx)
	case e.leads && e.op.speed() == speed && e.pace(e.op.now(), false) < speed:
		e.say("it takes long: the fleet's time is slowed down")
		return e.slowDown(ctx, 1)
	}
	return nil
}

// slowDown starts the operator with a clock that runs more slowly. Who waits for that does not wait for a fault. Who calls it has processMu.
func (e *epoch) slowDown(ctx context.Context, to float64) error {
	e.suffer("")
	e.senders.tell()
	e.op.Kill()
	return e.startAt(ctx, e.op.now(), false, to)
}

// again starts the operator at the event time at which it stopped. Of several replicas it starts those that ended: the time of the others
// goes on.
func (e *epoch) again(ctx context.Context) error {
	if e.log != nil {
		return errors.Join(e.op.runEnded(), e.ready(ctx))
	}
	return e.start(ctx, e.stopped(), !e.leads)
}

// stopped is the event time at which the operator stopped, and at which the next start continues.
func (e *epoch) stopped() time.Time {
	now := e.op.now()
	if last := e.period.at.Add(lastCall); e.leads && now.After(last) {
		return last
	}
	if !e.leads {
		return e.period.at // the rules have not run in this period
	}
	return now
}

// start starts the operator, and waits until it takes webhooks. A blocked operator does not lead: another replica seems to.
func (e *epoch) start(ctx context.Context, origin time.Time, blocked bool) error {
	return e.startAt(ctx, origin, blocked, e.pace(origin, blocked))
}

// pace is the speed of a clock that shows origin. The time of a log cannot be set back when the operator may lead, so it must not run ahead
// before; nor must any fleet's time in a round that takes long, or what comes in the next one would be late.
func (e *epoch) pace(origin time.Time, blocked bool) float64 {
	if blocked && e.log != nil || origin.After(e.traffic.last.Add(hurryUntil)) {
		return 1
	}
	return speed
}

// startAt is start, with the speed of the operator's clock.
func (e *epoch) startAt(ctx context.Context, origin time.Time, blocked bool, speed float64) error {
	e.leads = !blocked
	holder := ""
	if blocked {
		holder = anotherReplica
	}
	if err := e.lease(ctx, holder); err != nil {
		return err
	}
	if err := e.op.start(origin, speed); err != nil {
		return err
	}
	return e.ready(ctx)
}

// ready waits until the operator takes webhooks. Where it may end by itself it may do so before that.
func (e *epoch) ready(ctx context.Context) error {
	err := e.op.Ready(ctx)
	if errors.Is(err, rig.ErrEnded) && e.mayEnd() {
		return nil // once more, by attend
	}
	if errors.Is(err, rig.ErrEnded) {
		return failure(fmt.Sprintf("the operator does not start, with code %d", e.op.Code()))
	}
	return err
}

// settle waits until the operator shows what it must.
func (e *epoch) settle(ctx context.Context, until time.Time) error {
	give := real.Now().Add(rig.Patience)
	for {
		if err := e.attend(ctx); err != nil {
			return err
		}
		unsettled, err := e.verifier.compare(ctx, until)
		if err != nil {
			return err
		}
		if len(unsettled) == 0 {
			return nil
		}
		if real.Now().After(give) {
			return failure(fmt.Sprintf("not so after %s:\n%s", rig.Patience, strings.Join(unsettled, "\n")))
		}
		if err := rig.Sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// stop ends the round: the operator is asked to end, or killed.
func (e *epoch) stop(random *rand.Rand) error {
	if random.IntN(2) == 0 {
		e.op.Kill()
		return nil
	}
	if err := e.op.Stop(time.Minute); err != nil {
		return failure(err.Error())
	}
	return nil
}

// annotate changes every resource, as its users may. A writer that has not seen the change must not overwrite it.
func (e *epoch) annotate(ctx context.Context, value string) error {
	for _, object := range e.fleet.objects() {
		patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"torture":%q}}}`, value)
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(object.GroupVersionKind())
		u.SetNamespace(object.GetNamespace())
		u.SetName(object.GetName())
		if err := e.api.Patch(ctx, u, client.RawPatch("application/merge-patch+json", patch)); err != nil {
			return err
		}
	}
	return nil
}

// waitForRules waits until the rules have run over all that came before this period.
func (e *epoch) waitForRules(ctx context.Context) error {
	var last []string
	for give := real.Now().Add(rig.Patience); real.Now().Before(give); {
		statuses, err := e.verifier.statuses(ctx)
		if err == nil {
			if last, err = e.verifier.compareHistories(statuses, e.period.at); err != nil || len(last) == 0 {
				return err
			}
		}
		if err := rig.Sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return failure(fmt.Sprintf("not so after %s:\n%s", rig.Patience, strings.Join(last, "\n")))
}

// checkCounts compares the live counts of each number, also of an operator that may not lead.
func (e *epoch) checkCounts(ctx context.Context) error {
	var live []map[string]float64
	began := e.op.now()
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, rig.Patience, true, func(ctx context.Context) (bool, error) {
		var err error
		began = e.op.now()
		live, err = e.verifier.scrape(ctx)
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("read the metrics: %w", err)
	}
	e.sender.mu.Lock()
	defer e.sender.mu.Unlock()
	for name, s := range e.fleet.subjects() {
		if s.Portfolio {
			continue // not counted before the rules run
		}
		if _, err := e.verifier.counts(name, s, live, [2]int64{began.Unix() - 1, e.op.now().Unix() + 1}); err != nil {
			return err
		}
	}
	return nil
}
