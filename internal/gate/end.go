package gate

import (
	"context"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/server"
)

// Confirm says which message was sent under a reservation. Again, it says the same. Of a message that was let through without a reservation
// the answer is counts.Unreserved. An error says that the caller is to try again.
func (s *Service) Confirm(ctx context.Context, caller Caller, id counts.ReservationID, messageID string) (Answer, error) {
	if messageID == "" || len(messageID) > maxText {
		return Answer{Problem: wrong("messageID", "must be the id that Meta answered, of at most 512 bytes")}, nil
	}
	return s.end(ctx, caller, counts.Operation{Kind: counts.Confirm, ID: id, Message: s.ledger.Hasher().Message(messageID)})
}

// Release says that nothing was sent under a reservation, nor will be. Again, it says the same; so it does of a reservation that has ended.
// An error says that the caller is to try again.
func (s *Service) Release(ctx context.Context, caller Caller, id counts.ReservationID) (Answer, error) {
	answer, err := s.end(ctx, caller, counts.Operation{Kind: counts.Release, ID: id})
	if answer.Problem != nil && answer.Problem.Reason == NotFound {
		return Answer{}, err
	}
	return answer, err
}

// end decides what becomes of a reservation, for a caller who may reserve for its number.
func (s *Service) end(ctx context.Context, caller Caller, o counts.Operation) (answer Answer, err error) {
	start, denied := s.clock.Now(), time.After(server.DeniedAfter)
	reservation, known := s.reservation(o.ID)
	if !known && !isUnreserved(o.ID) { // another replica may have granted it just now
		if err := s.ledger.CatchUp(ctx, start); err != nil {
			return answer, err
		}
		reservation, known = s.reservation(o.ID)
	}
	switch {
	case !known && isUnreserved(o.ID):
		return Answer{Decision: counts.Decision{ID: o.ID, State: counts.Unreserved}}, nil
	case !known:
		return Answer{Problem: NewProblem(NotFound, "there is no such reservation, or none any more")}, nil
	}
	o.ID = reservation.ID
	number, err := s.directory.Number(ctx, report.ParseSubject(reservation.Number))
	if err != nil {
		return answer, err
	}
	namespace := "" // of a number that is gone: all of the cluster
	if number != nil {
		namespace = number.Namespace
		answer.of(number)
	}
	allowed, err := MayReserve(ctx, caller, namespace)
	if err != nil {
		return answer, err
	}
	if !allowed {
		answers := []Answer{{Problem: NewProblem(Forbidden, "")}}
		s.hide(ctx, answers, denied)
		return answers[0], nil
	}
	decisions, err := s.ledger.Operate(ctx, []counts.Operation{o}, start)
	if err != nil {
		return answer, err
	}
	switch answer.Decision = decisions[0]; answer.Decision.Why {
	case counts.Unknown:
		answer.Problem = NewProblem(NotFound, "there is no such reservation, or none any more")
	case counts.OtherMessage:
		answer.Problem = NewProblem(OtherMessage, "")
	}
	return answer, nil
}
