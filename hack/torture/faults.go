package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"numberfleet.dev/numberfleet/hack/rig"
)

// fault is something that goes wrong in a round: while webhooks come in, or while the rules run, or both.
type fault struct {
	name            string
	posting, living func(context.Context, *epoch, *rand.Rand) error
	ends            bool // the operator may end by itself
	long            bool // takes more than some seconds
	embedded        bool // is of a ledger that is one operator's
	network         bool // needs nodes that can be cut off
	clocks          bool // needs clocks that can be set
}

var faults = []fault{
	{name: "operator killed while webhooks come in", posting: killWhilePosting},
	{name: "operator killed while the rules run", living: killWhileLive},
	{name: "API server loses answers", living: disturbance{lost: 0.3}.fault},
	{name: "ledger corrupted", living: corruptLedger, embedded: true},
	{name: "API server killed", posting: killed(true, false), living: killed(true, false), ends: true},
	{name: "ledger's tail torn", posting: tearJournal, living: tearJournal, embedded: true},
	{name: "API server reports conflicts", living: disturbance{conflict: 0.7}.fault},
	{name: "clock stepped back", living: stepBack, embedded: true},
	{name: "disk full", posting: full, ends: true, embedded: true},
	{name: "API server fails", living: disturbance{failed: 0.5}.fault, ends: true},
	{name: "etcd killed", posting: killed(false, true), living: killed(false, true), ends: true},
	{name: "API server throttles", living: disturbance{throttled: 0.6}.fault, ends: true},
	{name: "clock stepped forward", living: stepForward},
	{name: "leader paused past its lease", living: pauseLeader, ends: true, long: true, embedded: true},
	{name: "API server paused", living: disturbance{paused: true}.fault, ends: true},
	{name: "senders go through the gate", living: sendThroughGate((*senders).killAll), long: true},
	{name: "operator, API server and etcd killed", posting: killEverything, living: killEverything, ends: true},
}

// sleepUpTo sleeps for a random time, of at most so many milliseconds.
func sleepUpTo(ctx context.Context, random *rand.Rand, atMost int) error {
	return rig.Sleep(ctx, time.Duration(random.IntN(atMost+1))*time.Millisecond)
}

// sleepUntilMidway waits until a random part of the period's webhooks is acknowledged, for a second at most.
func sleepUntilMidway(ctx context.Context, e *epoch, random *rand.Rand) error {
	from := e.sender.acknowledged.Load()
	until := from + random.Int64N(int64(len(e.period.requests))+1)
	for range 100 {
		if e.sender.acknowledged.Load() >= until {
			break
		}
		if err := rig.Sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func killWhilePosting(ctx context.Context, e *epoch, random *rand.Rand) error {
	for range 1 + random.IntN(3) {
		if err := sleepUntilMidway(ctx, e, random); err != nil {
			return err
		}
		if err := e.restart(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

func killWhileLive(ctx context.Context, e *epoch, random *rand.Rand) error {
	for range 1 + random.IntN(2) {
		if err := sleepUpTo(ctx, random, 3500); err != nil {
			return err
		}
		if err := e.restart(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// restart kills the operator, does something, and starts it again.
func (e *epoch) restart(ctx context.Context, between func() error) error {
	e.processMu.Lock()
	defer e.processMu.Unlock()
	e.op.Kill()
	at := e.stopped()
	if between != nil {
		if err := between(); err != nil {
			return err
		}
	}
	return e.start(ctx, at, !e.leads)
}

// killed kills the API server, etcd, or both, for a moment.
func killed(apiserver, etcd bool) func(context.Context, *epoch, *rand.Rand) error {
	return func(ctx context.Context, e *epoch, random *rand.Rand) error {
		if err := sleepUpTo(ctx, random, 2000); err != nil {
			return err
		}
		if apiserver {
			e.plane.APIServer.Kill()
		}
		if etcd {
			e.plane.Etcd.Kill()
		}
		if err := sleepUpTo(ctx, random, 2000); err != nil {
			return err
		}
		return e.plane.Up(ctx)
	}
}

func killEverything(ctx context.Context, e *epoch, random *rand.Rand) error {
	if err := sleepUpTo(ctx, random, 2500); err != nil {
		return err
	}
	return e.restart(ctx, func() error {
		e.plane.Etcd.Kill()
		e.plane.APIServer.Kill()
		return e.plane.Up(ctx)
	})
}

// fault disturbs the requests of the operator for some seconds.
func (t disturbance) fault(ctx context.Context, e *epoch, random *rand.Rand) error {
	if err := sleepUpTo(ctx, random, 1500); err != nil {
		return err
	}
	e.proxy.make(t)
	defer e.proxy.make(disturbance{})
	return rig.Sleep(ctx, time.Second+time.Duration(random.IntN(4000))*time.Millisecond)
}

// stepBack starts the operator with a clock that is hours or days behind. What was concluded stays, and nothing happens twice when the time
// comes again. All reports must have been taken before: a report from ahead of the clock counts at once.
func stepBack(ctx context.Context, e *epoch, random *rand.Rand) error {
	if err := e.waitForRules(ctx); err != nil {
		return err
	}
	if err := sleepUpTo(ctx, random, 3000); err != nil {
		return err
	}
	e.processMu.Lock()
	defer e.processMu.Unlock()
	e.op.Kill()
	at := e.stopped()
	back := time.Duration(1+random.IntN(72)) * time.Hour
	if err := e.start(ctx, at.Add(-back), false); err != nil {
		return err
	}
	if err := rig.Sleep(ctx, 3*time.Second); err != nil {
		return err
	}
	if err := e.checkCounts(ctx); err != nil {
		return fmt.Errorf("%s back: %w", back, err)
	}
	e.op.Kill()
	return e.start(ctx, at, false)
}

// stepForward starts the operator with a clock that is some hours ahead: the rules run over the time between.
func stepForward(ctx context.Context, e *epoch, random *rand.Rand) error {
	if err := sleepUpTo(ctx, random, 3000); err != nil {
		return err
	}
	e.processMu.Lock()
	defer e.processMu.Unlock()
	e.op.Kill()
	return e.start(ctx, e.stopped().Add(time.Duration(1+random.IntN(3*60))*time.Minute), false)
}

// pauseLeader pauses the leader for longer than its lease, which another replica takes. That replica cannot open the ledger, and the
// leader must end by itself when it continues.
func pauseLeader(ctx context.Context, e *epoch, random *rand.Rand) error {
	if err := e.leading(ctx); err != nil {
		return err
	}
	if err := sleepUpTo(ctx, random, 3000); err != nil {
		return err
	}
	e.processMu.Lock()
	defer e.processMu.Unlock()
	e.op.Signal(syscall.SIGSTOP)
	defer func() { e.op.Signal(syscall.SIGCONT) }()
	if err := e.lease(ctx, anotherReplica); err != nil {
		return err
	}
	another := *e.op.Operator
	second := &operator{Operator: &another}
	if err := second.NewAddresses(); err != nil {
		return err
	}
	if err := second.start(e.op.now(), speed); err != nil {
		return err
	}
	if err := second.Ready(ctx); !errors.Is(err, rig.ErrEnded) {
		second.Kill()
		return failure(fmt.Sprintf("a second operator on the same ledger did not refuse to start: %v", err))
	}
	if err := errors.Join(e.annotate(ctx, e.op.now().String()), rig.Sleep(ctx, 16*time.Second)); err != nil {
		return err
	}
	e.op.Signal(syscall.SIGCONT)
	select {
	case <-e.op.Exited():
	case <-time.After(rig.Patience):
		return failure("a leader that lost its lease goes on")
	}
	if e.op.Code() == 0 {
		return failure("a leader that lost its lease ended with code 0")
	}
	return e.start(ctx, e.stopped(), false)
}

// full fills the disk of the ledger for a moment.
func full(ctx context.Context, e *epoch, random *rand.Rand) error {
	if err := sleepUntilMidway(ctx, e, random); err != nil {
		return err
	}
	if err := e.disk.fill(e.op.PID()); err != nil {
		return err
	}
	err := rig.Sleep(ctx, 500*time.Millisecond+time.Duration(random.IntN(2000))*time.Millisecond)
	return errors.Join(err, e.disk.free(e.op.PID()))
}

// tearJournal kills the operator and leaves at the end of its journal the beginning of a write that was never acknowledged.
func tearJournal(ctx context.Context, e *epoch, random *rand.Rand) error {
	if err := sleepUpTo(ctx, random, 2500); err != nil {
		return err
	}
	err := e.restart(ctx, func() error {
		file, err := newest(e.op.DataDir, ".log")
		if err != nil {
			return err
		}
		content, err := os.ReadFile(file)
		if err != nil || len(content) == 0 {
			return err
		}
		part := content[:1+random.IntN(min(len(content), 40))]
		if random.IntN(3) == 0 {
			part = make([]byte, 1+random.IntN(5000)) // preallocated space
		}
		return os.WriteFile(file, append(content, part...), 0o600)
	})
	if err != nil {
		return err
	}
	return e.checkCounts(ctx)
}

// corruptLedger kills the operator and flips bytes in a file of the ledger, three times. The operator must refuse to start and say why, or
// its counts must be right. Then the ledger is restored: what was acknowledged meanwhile would be lost.
func corruptLedger(ctx context.Context, e *epoch, random *rand.Rand) error {
	if err := sleepUpTo(ctx, random, 3000); err != nil {
		return err
	}
	select {
	case <-e.posted:
	case <-ctx.Done():
		return ctx.Err()
	}
	e.processMu.Lock()
	defer e.processMu.Unlock()
	e.op.Kill()
	at := e.stopped()
	saved := e.op.DataDir + ".saved"
	defer func() { _ = os.RemoveAll(saved) }()
	if err := os.CopyFS(saved, os.DirFS(e.op.DataDir)); err != nil {
		return err
	}
	for range 3 {
		what, kind, err := flip(e.op.DataDir, random)
		if err != nil {
			return err
		}
		logged := e.logged()
		if err := e.lease(ctx, anotherReplica); err != nil {
			return err
		}
		if err := e.op.start(at, speed); err != nil {
			return err
		}
		switch err := e.op.Ready(ctx); {
		case errors.Is(err, rig.ErrEnded):
			said, err := e.loggedAfter(logged)
			if err != nil {
				return err
			}
			if !strings.Contains(said, "cannot go on") {
				return failure(what + ": the operator does not start, and does not say why")
			}
			e.count("    damage to " + kind + " detected")
		case err != nil:
			return err
		default:
			if err := e.checkCounts(ctx); err != nil {
				return fmt.Errorf("%s: served without a word: %w", what, err)
			}
			e.count("    damage to " + kind + " without effect")
			e.op.Kill()
		}
		if err := errors.Join(os.RemoveAll(e.op.DataDir), os.CopyFS(e.op.DataDir, os.DirFS(saved))); err != nil {
			return err
		}
	}
	return e.start(ctx, at, false)
}

// flip changes some bytes in the first four fifths of a file of the ledger; at the end of the journal they may look like a torn write. It
// returns what it did, and to which kind of file.
func flip(folder string, random *rand.Rand) (what, kind string, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", "", err
	}
	var files []string
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return "", "", err
		}
		for range (info.Size() + 4095) / 4096 {
			files = append(files, entry.Name())
		}
	}
	if random.IntN(2) == 0 {
		files = slices.Compact(files)
	}
	name := files[random.IntN(len(files))]
	content, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return "", "", err
	}
	from := random.IntN(len(content)*4/5 + 1)
	n := min(1+random.IntN(16), len(content)-from)
	for i := range n {
		content[from+i] ^= byte(1 + random.IntN(255))
	}
	kind, _, _ = strings.Cut(name, "-")
	if ending := filepath.Ext(name); ending != "" {
		kind = "*" + ending
	}
	return fmt.Sprintf("%d bytes of %s flipped from %d on, of %d", n, name, from, len(content)), kind, os.WriteFile(filepath.Join(folder, name), content, 0o600)
}

// newest is the file of a kind that was written to last.
func newest(folder, ending string) (string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	file := ""
	for _, entry := range entries { // by name, and names count up
		if strings.HasSuffix(entry.Name(), ending) {
			file = filepath.Join(folder, entry.Name())
		}
	}
	if file == "" {
		return "", fmt.Errorf("%s has no %s", folder, ending)
	}
	return file, nil
}

func (e *epoch) logged() int64 {
	info, err := os.Stat(e.op.Log)
	if err != nil {
		return 0
	}
	return info.Size()
}

func (e *epoch) loggedAfter(from int64) (string, error) {
	content, err := os.ReadFile(e.op.Log)
	if err != nil {
		return "", err
	}
	return string(content[min(from, int64(len(content))):]), nil
}
