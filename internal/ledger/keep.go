package ledger

import (
	"context"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

const (
	// lively is for how long before the last round that was applied those count as there who proposed one: nobody answers for longer without.
	lively = 2 * MaximumAge
	// keepWithin is for how long a ledger that is closed still tries to keep what is known: nobody else may know it.
	keepWithin = 10 * time.Second
)

// keep keeps what is known here of a log that lost something. It tries until the ledger is closed, and keepWithin from then on.
func (r *replica) keep(why error) {
	l := r.ledger
	l.log.Error(why, "What is known here is kept apart from the log, and nothing is answered any more")
	ctx, end := context.WithCancel(context.WithoutCancel(l.open))
	defer end()
	defer context.AfterFunc(l.open, func() { time.AfterFunc(keepWithin, end) })()
	l.snapshots.Lock()
	defer l.snapshots.Unlock()
	for ctx.Err() == nil {
		capture := l.machine.Capture(true) // nothing is applied any more
		err := r.log.Keep(ctx, journal.Kept{
			Position: capture.Position(), Rows: capture.Rows(), Proposer: r.proposer, Beside: r.beside(),
		})
		capture.End(false)
		if err == nil {
			return
		}
		l.log.Error(err, "What is known here was not kept, which is tried again")
		select {
		case <-ctx.Done():
		case <-r.clock.After(time.Second):
		}
	}
}

// beside are the others who were there when the last round was applied.
func (r *replica) beside() (others []uint64) {
	last := r.followed
	for _, at := range r.heard {
		if at.After(last) {
			last = at
		}
	}
	for id, proposed := range r.ledger.machine.Proposers() {
		at, heard := r.heard[id]
		if !heard { // it has proposed nothing since this process began to follow the log: so long before it did
			at = r.followed.Add(-time.Duration(float64(r.began.Sub(proposed)) / r.speed))
		}
		if id != r.proposer && last.Sub(at) <= lively {
			others = append(others, id)
		}
	}
	return others
}
