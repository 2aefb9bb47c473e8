package ledger

import (
	"context"
	"errors"
	"time"

	"k8s.io/utils/clock"
)

// ErrFenced is returned where a process that does not lead sets what only the leader may.
var ErrFenced = errors.New("another process leads")

const (
	sealEvery = 10 * time.Second
	// defaultSnapshotEvery is how long the leader goes without a snapshot, however little the log grows: what a log keeps goes with age.
	defaultSnapshotEvery = 6 * time.Hour
)

// Lead makes this process the leader, if it is not: it returns when it knows all that the leader before has set, which sets no more. It
// does nothing where the journal is not shared.
func (l *Ledger) Lead(ctx context.Context) error {
	if l.Leads() {
		return nil
	}
	return l.replica.lead(ctx)
}

// Leads says whether this process leads. A leader that another has replaced does not know it until what it sets is refused.
func (l *Ledger) Leads() bool { return l.replica == nil || l.replica.term.Load() != 0 }

func (r *replica) lead(ctx context.Context) error {
	r.leading.Lock()
	defer r.leading.Unlock()
	if r.term.Load() != 0 {
		return nil
	}
	round := r.newRound()
	round.Lead = true
	p, err := r.submitAtOnce(round)
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if p.err == nil {
		r.term.Store(p.position)
	}
	return p.err
}

// isReplaced notes that this process does not lead any more.
func (r *replica) isReplaced() {
	if r.term.Swap(0) != 0 && r.replaced != nil {
		r.replaced()
	}
}

// seal has the log sealed while the replica leads, and a snapshot taken.
func (r *replica) seal(ticks clock.Ticker) {
	defer ticks.Stop()
	saved := r.clock.Now()
	for {
		select {
		case <-r.stop.Done():
			return
		case <-ticks.C():
		}
		if r.term.Load() == 0 {
			continue
		}
		if now := r.clock.Now(); now.Sub(saved) >= r.snapshotEvery {
			r.ledger.snapshotSoon()
			saved = now
		}
		if err := r.log.Seal(r.stop); err != nil && r.stop.Err() == nil {
			r.ledger.log.Error(err, "The log was not sealed")
		}
	}
}
