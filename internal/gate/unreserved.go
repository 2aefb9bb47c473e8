package gate

import (
	"context"
	"crypto/rand"
	"errors"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// decide has the ledger decide. Where it cannot, whether because a log cannot be reached or because the ledger is closed or broken, it is
// asked what may be sent without a reservation. The record of the operations may still be kept later.
func (s *Service) decide(ctx context.Context, operations []counts.Operation, start time.Time) ([]counts.Decision, error) {
	decisions, err := s.ledger.Operate(ctx, operations, start)
	switch {
	case err == nil:
		s.outage.end()
		return decisions, nil
	case ctx.Err() != nil, errors.Is(err, counts.ErrInvalid):
		return nil, err
	}
	s.outage.begin(err)
	now := s.clock.Now()
	for i := range operations {
		decisions = append(decisions, s.ledger.Unreserved(&operations[i], now))
	}
	return decisions, nil
}

// outage is whether the ledger can decide now. It logs when that changes.
type outage struct {
	is  atomic.Bool
	log logr.Logger
}

func (o *outage) begin(why error) {
	if !o.is.Swap(true) {
		o.log.Error(why, "Reservations cannot be decided: until they can, messages are refused, or sent without a reservation where onUnavailable is Allow or a service window is open")
	}
}

func (o *outage) end() {
	if o.is.Load() && o.is.Swap(false) {
		o.log.Info("Reservations are decided again")
	}
}

// flagUnreserved marks, in their first byte, the ids that are answered where there is no reservation, so that every process knows them. Without
// it they are those of operations that could not be decided. These may have been decided later.
const flagUnreserved = 1 << 7

// newID draws the id of a reservation.
func newID() (id counts.ReservationID) {
	_, _ = rand.Read(id[:]) // never fails
	id[0] &^= flagUnreserved
	return id
}

func unreservedID(id counts.ReservationID) counts.ReservationID {
	id[0] |= flagUnreserved
	return id
}

func isUnreserved(id counts.ReservationID) bool { return id[0]&flagUnreserved != 0 }

// reservation is the one that an id of an answer stands for.
func (s *Service) reservation(id counts.ReservationID) (r counts.Reservation, known bool) {
	if r, known = s.ledger.Reservation(id); known || !isUnreserved(id) {
		return r, known
	}
	id[0] &^= flagUnreserved
	return s.ledger.Reservation(id)
}
