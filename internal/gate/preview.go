package gate

import (
	"context"
	"time"

	"numberfleet.dev/numberfleet/internal/server"
)

// Preview is what a request would be answered now. Nothing is reserved, nor told; the answer has no reservation. It takes the right to reserve:
// like a reservation it says whether the user was messaged or wrote. An error says that this cannot be told now.
func (s *Service) Preview(ctx context.Context, caller Caller, request *Request) (answer Answer, err error) {
	denied := time.After(server.DeniedAfter)
	r := s.newResolver(caller)
	operation, problem, err := r.resolve(ctx, request, &answer)
	switch {
	case err != nil:
		return answer, err
	case problem != nil:
		answer.Problem = problem
		s.hide(ctx, []Answer{answer}, denied)
		return answer, nil
	}
	decision, err := s.ledger.Preview(ctx, &operation, s.clock.Now())
	if err != nil {
		return answer, err
	}
	return answer, s.decided(ctx, &answer, &decision)
}
