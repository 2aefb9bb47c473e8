package ledger

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
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
//	propose     proposes the next round when the one before was applied, or an empty one after a while
//	follow      applies what the log has; a round of its own is answered then
//
// One round is under way at a time, since more of them would be smaller, and all be slower; a second one if much waits.
type replica struct {
	ledger   *Ledger
	log      journal.Shared
	clock    clock.WithTicker
	rules    clock.PassiveClock
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

	leading sync.Mutex                // held while it becomes the leader
	term    atomic.Uint64             // of its lead, zero if it does not lead
	skew    atomic.Int64              // by how much rules is ahead of log time, nanoseconds, as of the last own round that was applied
	reached atomic.Int64              // log time, Unix milliseconds
	fresh   atomic.Pointer[time.Time] // when the last round was proposed that was applied: all that anyone was told before is applied here
}

// proposal is a round under way.
type proposal struct {
	*round
	sent     time.Time
	position uint64
	cancel   context.CancelFunc
}

const (
	// heartbeat is how long a replica proposes nothing: it proves with each round how fresh its answers are.
	heartbeat = 250 * time.Millisecond
	// MaximumAge is how old what a replica knows may be for an answer.
	MaximumAge = 2 * time.Second
	// fullRound is the size of records from which a round takes no more, bytes, and does not wait for the one under way.
	fullRound = 256 << 10
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
		applied: options.Applied, replaced: options.Replaced, ready: make(chan struct{}, 1), underway: map[uint64]*proposal{},
		snapshotEvery: cmp.Or(options.SnapshotEvery, defaultSnapshotEvery),
	}
	if r.applied == nil {
		r.applied = func(time.Duration) {}
	}
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

// newRound is a round without records, which moves log time.
func (r *replica) newRound() *round {
	n := newRound()
	n.Records = []*counts.Record{{Clock: r.rules.Now().UnixMilli()}}
	return n
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
	if i == 0 {
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

// overdue says whether a round is to be applied that took someone too long. joining is held.
func (r *replica) overdue() bool {
	for _, p := range r.underway {
		if p.overdue {
			return true
		}
	}
	return r.ledger.waiting.overdue || slices.ContainsFunc(r.full, func(waiting *round) bool { return waiting.overdue })
}

func (r *replica) wake() {
	select {
	case r.ready <- struct{}{}:
	default:
	}
}

// propose proposes what waits, until the replica ends.
func (r *replica) propose(beats clock.Ticker) {
	defer beats.Stop()
	for {
		select {
		case <-r.stop.Done():
			return
		case <-beats.C():
		case <-r.ready:
		}
		for r.proposeNext() {
		}
	}
}

// proposeNext proposes what is to be proposed now, if there is something.
func (r *replica) proposeNext() bool {
	r.ledger.joining.Lock()
	defer r.ledger.joining.Unlock()
	next := r.next()
	if next == nil {
		return false
	}
	_, err := r.submit(next)
	return err == nil // else the ledger has ended
}

// next is the round to propose now, nil if there is none. joining is held.
func (r *replica) next() *round {
	l := r.ledger
	under := len(r.underway)
	switch {
	case l.broken != nil:
		return nil
	case len(r.full) > 0 && under < 2:
		next := r.full[0]
		r.full = r.full[1:]
		return next
	case under > 0:
		return nil
	case len(l.waiting.Records) > 0:
		next := l.waiting
		l.waiting = newRound()
		return next
	case r.clock.Since(r.last) >= heartbeat:
		return r.newRound()
	}
	return nil
}

// submitAtOnce has the log keep a round, whatever is under way.
func (r *replica) submitAtOnce(in *round) (*proposal, error) {
	r.ledger.joining.Lock()
	defer r.ledger.joining.Unlock()
	return r.submit(in)
}

// submit has the log keep a round. joining is held.
func (r *replica) submit(in *round) (*proposal, error) {
	l := r.ledger
	ctx, cancel := context.WithCancel(r.stop)
	p := &proposal{round: in, sent: r.clock.Now(), cancel: cancel}
	if err := l.broken; err != nil {
		cancel()
		in.err = err
		close(in.done)
		return nil, err
	}
	r.batch++
	r.last = p.sent
	r.underway[r.batch] = p
	in.Proposer, in.Batch, in.Least = r.proposer, r.batch, r.least()
	in.Clock, in.Cluster, in.Term = r.rules.Now().UnixMilli(), l.cluster, r.term.Load()
	l.background.Go(func() {
		defer cancel()
		if err := r.log.Append(ctx, &in.Round); err != nil && ctx.Err() == nil {
			r.answer(in.Batch, 0, nil, fmt.Errorf("append to the log: %w", err))
		}
	})
	return p, nil
}

// least is the least batch under way. joining is held.
func (r *replica) least() uint64 {
	least := r.batch
	for batch := range r.underway {
		least = min(least, batch)
	}
	return least
}

// follow applies what the log has, until the replica ends. Where the log cannot be followed any more the ledger cannot go on.
func (r *replica) follow() {
	l := r.ledger
	err := r.log.Follow(r.stop, func(position uint64, round *counts.Round) error {
		l.applying.Lock()
		applied, err := l.apply(position, round)
		now := l.machine.Time()
		l.applying.Unlock()
		if err != nil {
			return err
		}
		r.reached.Store(now.UnixMilli())
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

// keep keeps what is known here of a log that lost something. It tries until the ledger is closed.
func (r *replica) keep(why error) {
	l := r.ledger
	l.log.Error(why, "What is known here is kept apart from the log, and nothing is answered any more")
	l.snapshots.Lock()
	defer l.snapshots.Unlock()
	for l.open.Err() == nil {
		capture := l.machine.Capture(true) // nothing is applied any more
		err := r.log.Keep(l.open, capture.Position(), capture.Rows())
		capture.End(false)
		if err == nil {
			return
		}
		l.log.Error(err, "What is known here was not kept, which is tried again")
		select {
		case <-l.open.Done():
		case <-r.clock.After(time.Second):
		}
	}
}

// errTooLate is what a round is answered with that was not applied, for it came too late by its proposer's clock.
var errTooLate = fmt.Errorf("%w: it took a round too late, or the clock here is behind", ErrUnavailable)

// answer ends a round under way.
func (r *replica) answer(batch, position uint64, applied []counts.Applied, err error) {
	l := r.ledger
	l.joining.Lock()
	p := r.underway[batch]
	delete(r.underway, batch)
	l.joining.Unlock()
	if p == nil {
		return // it was answered before, and the log has it twice
	}
	if err == nil && applied == nil {
		err = errTooLate
	}
	p.position, p.applied, p.err = position, applied, err
	if fresh := r.fresh.Load(); err == nil && (fresh == nil || p.sent.After(*fresh)) {
		r.fresh.Store(&p.sent)
		r.applied(r.clock.Since(p.sent))
	}
	close(p.done)
	p.cancel()
	r.wake()
}

// abandon ends the replica. What is under way is answered with why: it may be applied elsewhere.
func (r *replica) abandon() {
	l := r.ledger
	r.end()
	l.joining.Lock()
	defer l.joining.Unlock()
	for batch, p := range r.underway {
		delete(r.underway, batch)
		p.err = l.broken
		close(p.done)
	}
	for _, waiting := range append(r.full, l.waiting) {
		waiting.err = l.broken
		close(waiting.done)
	}
	r.full, l.waiting = nil, newRound()
}
