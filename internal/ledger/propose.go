package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

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
	// gather is how long a round waits for as many records as the one before had. Who was answered may come again at once; the first of them
	// would be a round alone, and all others would wait for it. A round of one record takes the nodes as long as one of a hundred.
	gather = time.Millisecond
	// fullRound is the size of records from which a round takes no more, bytes, and does not wait for the one under way.
	fullRound = 256 << 10
)

// newRound is a round without records, which moves log time.
func (r *replica) newRound() *round {
	n := newRound()
	n.Records = []*counts.Record{{Clock: r.rules.Now().UnixMilli()}}
	return n
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
	case under > 0 || len(l.waiting.Records) < int(r.expected.Load()):
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

// errTooLate is what a round is answered with that was not applied, for it came too late by its proposer's clock.
var errTooLate = fmt.Errorf("%w: it took a round too late, or the clock here is behind", ErrUnavailable)

// answer ends a round under way.
func (r *replica) answer(batch, position uint64, applied []counts.Applied, err error) {
	l := r.ledger
	l.joining.Lock()
	p := r.underway[batch]
	delete(r.underway, batch)
	if p != nil { // before another round can be proposed
		r.expected.Store(int64(len(p.Records)))
	}
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
	r.gathered.Reset(gather)
	close(p.done)
	p.cancel()
	r.wake()
}

// expectNone has the next round wait for nobody.
func (r *replica) expectNone() {
	r.expected.Store(0)
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
