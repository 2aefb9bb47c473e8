package ledger

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

// replica is a ledger's part in a log that it shares. It proposes rounds, and applies those of all proposers in the order of the log.
//
//	commit      adds a record to the next round, and waits until that was applied
//	propose     proposes the next round when the one before was applied, or an empty one after a while: see propose.go
//	follow      applies what the log has; a round of its own is answered then
//
// One round is under way at a time, since more of them would be smaller, and all be slower; a second one if much waits.
type replica struct {
	ledger   *Ledger
	log      journal.Shared
	clock    clock.WithTicker
	rules    clock.PassiveClock
	speed    float64       // see Options.Speed
	most     time.Duration // see Options.Skew
	applied  func(took time.Duration)
	replaced func()
	proposer uint64
	stop     context.Context // ends with the replica
	end      context.CancelFunc
	ready    chan struct{} // something is to be proposed

	snapshotEvery time.Duration // see Options.SnapshotEvery

	// Guarded by ledger.joining.
	full     []*round // that wait before the ledger's, and take no more records
	batch    uint64   // the last one
	underway map[uint64]*proposal
	last     time.Time // when the last one was proposed

	expected atomic.Int64 // so many records the next round waits for, see gather
	gathered *time.Timer  // ends that wait

	// Of follow alone.
	followed time.Time            // since when the log is followed
	began    time.Time            // log time then
	heard    map[uint64]time.Time // when the last round of a proposer was applied

	leading sync.Mutex                // held while it becomes the leader
	term    atomic.Uint64             // of its lead, zero if it does not lead
	skew    atomic.Int64              // by how much rules is ahead of log time, nanoseconds, as of the last own round that was applied
	reached atomic.Int64              // log time, Unix milliseconds
	fresh   atomic.Pointer[time.Time] // when the last round was proposed that was applied: all that anyone was told before is applied here
}

const (
	// MaximumAge is how old what a replica knows may be for an answer.
	MaximumAge = 2 * time.Second
	// openWithin is how long a start waits for its first round.
	openWithin = time.Minute
)

// ErrUnavailable is returned where a shared journal does not take a record, or does not show it, in MaximumAge. The record may be applied
// later.
var ErrUnavailable = errors.New("the log cannot be reached, or has no quorum")

func newReplica(l *Ledger, log journal.Shared, options Options) *replica {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	r := &replica{
		ledger: l, log: log, clock: options.Clock, rules: options.Rules, most: options.Skew, proposer: max(binary.LittleEndian.Uint64(id[:]), 1),
		applied: options.Applied, replaced: options.Replaced, ready: make(chan struct{}, 1), underway: map[uint64]*proposal{}, heard: map[uint64]time.Time{},
		snapshotEvery: cmp.Or(options.SnapshotEvery, defaultSnapshotEvery), speed: cmp.Or(options.Speed, 1),
	}
	if r.applied == nil {
		r.applied = func(time.Duration) {}
	}
	r.gathered = time.AfterFunc(gather, r.expectNone)
	r.stop, r.end = context.WithCancel(context.Background())
	return r
}

// start returns when the first own round was applied, and so all that was acknowledged before.
func (r *replica) start() error {
	within := r.clock.After(openWithin)
	beats, seals := r.clock.NewTicker(heartbeat/2), r.clock.NewTicker(sealEvery) // from now on, whenever it is that these begin to run
	r.ledger.background.Go(r.follow)
	r.ledger.background.Go(func() { r.propose(beats) })
	r.ledger.background.Go(func() { r.seal(seals) })
	first, err := r.submitAtOnce(r.newRound())
	if err != nil {
		return err
	}
	select {
	case <-first.done:
		return first.err
	case <-within:
		return ErrUnavailable
	}
}

// Age is how old what the ledger knows may be: all that anyone was told of before is applied. Zero where the journal is not shared.
func (l *Ledger) Age() time.Duration {
	if l.replica == nil {
		return 0
	}
	return l.replica.age()
}

// Skew is by how much the clock of this process is ahead of log time, negative if it is behind. Zero where the journal is not shared.
func (l *Ledger) Skew() time.Duration {
	if l.replica == nil {
		return 0
	}
	return time.Duration(l.replica.skew.Load())
}

// Fresh returns ErrUnavailable where what the ledger knows may be older than MaximumAge, or the clock here is wrong.
func (l *Ledger) Fresh() error {
	if age := l.Age(); age > MaximumAge {
		return fmt.Errorf("%w: what is known here may be %s old", ErrUnavailable, age.Round(time.Millisecond))
	}
	return l.OnTime()
}

// OnTime returns ErrUnavailable while the clock of this process is further from log time than Options.Skew: from the instant on at which it is
// set wrong, until it is right.
func (l *Ledger) OnTime() error {
	if l.replica == nil || l.replica.most == 0 {
		return nil
	}
	if skew := l.replica.rules.Now().Sub(l.logTime()); skew.Abs() > l.replica.most {
		return fmt.Errorf("%w: the clock here is %s ahead of the log's", ErrUnavailable, skew.Round(time.Millisecond))
	}
	return nil
}

// Latest is the latest time that a clock which is right can show, as far as is known here: log time and Options.Skew. Only for a shared journal.
func (l *Ledger) Latest() time.Time { return l.logTime().Add(l.replica.most) }

func (l *Ledger) logTime() time.Time { return time.UnixMilli(l.replica.reached.Load()) }

func (r *replica) age() time.Duration {
	fresh := r.fresh.Load()
	if fresh == nil {
		return time.Duration(1<<63 - 1)
	}
	return r.clock.Since(*fresh)
}

// commit returns what became of a record once it was applied.
func (r *replica) commit(ctx context.Context, record *counts.Record) (counts.Applied, error) {
	if err := r.ledger.Fresh(); err != nil {
		return counts.Applied{}, err
	}
	in, i, err := r.ledger.join(record)
	if err != nil {
		return counts.Applied{}, err
	}
	if i == 0 || int64(i+1) == r.expected.Load() {
		r.wake()
	}
	late := r.clock.NewTimer(MaximumAge)
	defer late.Stop()
	select {
	case <-in.done:
	case <-ctx.Done():
		return counts.Applied{}, ctx.Err()
	case <-late.C():
		r.ledger.joining.Lock()
		defer r.ledger.joining.Unlock()
		in.overdue = true
		return counts.Applied{}, ErrUnavailable
	}
	if in.err != nil {
		return counts.Applied{}, in.err
	}
	return in.applied[i], nil
}

// follow applies what the log has, until the replica ends. Where the log cannot be followed any more the ledger cannot go on.
func (r *replica) follow() {
	l := r.ledger
	r.followed, r.began = r.clock.Now(), l.machine.Time()
	err := r.log.Follow(r.stop, func(position uint64, round *counts.Round) error {
		l.applying.Lock()
		applied, err := l.apply(position, round)
		now := l.machine.Time()
		l.applying.Unlock()
		if err != nil {
			return err
		}
		r.reached.Store(now.UnixMilli())
		r.heard[round.Proposer] = r.clock.Now()
		if round.Proposer == r.proposer {
			r.skew.Store(int64(time.UnixMilli(round.Clock).Sub(now)))
			r.answer(round.Batch, position, applied, nil)
		}
		for i := range applied {
			l.tell(applied[i].Changed)
		}
		return nil
	})
	if r.stop.Err() != nil {
		return
	}
	err = fmt.Errorf("follow the log: %w", err)
	first := l.end(err) == nil
	r.abandon()
	if errors.Is(err, journal.ErrLost) {
		r.keep(err)
	}
	if first && l.fatal != nil {
		l.fatal(err)
	}
}
