package ledger

import (
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

// lively is for how long before the last round that was applied those count as there who proposed one: nobody answers for longer without.
const lively = 2 * MaximumAge

// keep keeps what is known here of a log that lost something. It tries until the ledger is closed.
func (r *replica) keep(why error) {
	l := r.ledger
	l.log.Error(why, "What is known here is kept apart from the log, and nothing is answered any more")
	l.snapshots.Lock()
	defer l.snapshots.Unlock()
	for l.open.Err() == nil {
		capture := l.machine.Capture(true) // nothing is applied any more
		err := r.log.Keep(l.open, journal.Kept{
			Position: capture.Position(), Rows: capture.Rows(), Proposer: r.proposer, Beside: r.beside(),
		})
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

// beside are the others who were there when the last round was applied. One who was not heard here may have ended just before this process began to
// follow the log.
func (r *replica) beside() (others []uint64) {
	last := r.followed
	for _, at := range r.heard {
		if at.After(last) {
			last = at
		}
	}
	for _, id := range r.ledger.machine.Proposers() {
		at, heard := r.heard[id]
		if !heard {
			at = r.followed
		}
		if id != r.proposer && last.Sub(at) <= lively {
			others = append(others, id)
		}
	}
	return others
}
