package guard

import (
	"context"
	"net/http"
	"time"

	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/report"
)

// A sender may name a pool in place of a number's id: the gate chooses the number, and the message goes on to that. Only the cluster knows who
// may send from a pool, so that takes config.Inject: with Meta's token alone, Meta would have to be asked about each number.

// handlePool answers a request about messages of a pool, unless there is a problem to be told.
func (g *Guard) handlePool(w http.ResponseWriter, req *http.Request, x *exchange, to route, backend *Backend) (problem *gate.Problem) {
	injecting, is := g.callers.(*inject)
	if !is {
		return gate.NewProblem(gate.BadRequest, "a pool can be named only where the guard adds Meta's access token: set guard.authentication to Inject in the operator's configuration, or name a number by its id")
	}
	s := &sending{Guard: g, exchange: x, gate: backend.Gate, to: to}
	var err error
	if s.caller, problem, err = injecting.authorise(req.Context(), req, to.pool.namespace, true); err != nil {
		return g.failed(req.Context(), err, "A sender could not be authenticated")
	}
	if problem != nil {
		return problem
	}
	defer func() { g.metrics.messages.WithLabelValues(string(s.outcome)).Inc() }()
	return s.serve(w, req)
}

// mostTries is how many numbers of a pool are tried.
const mostTries = 4

// guardPool has a message sent by a number of the pool if there is a place for its user. What is granted is given back where the message is
// not sent.
func (s *sending) guardPool(w http.ResponseWriter, req *http.Request, content []byte) *gate.Problem {
	if !s.message.reserves() {
		return gate.NewProblem(gate.BadRequest, "what is no message to one user names its number by the id, and no pool")
	}
	for {
		if problem := s.reserve(req.Context()); problem != nil {
			return problem
		}
		problem := s.take(req.Context())
		if problem == nil {
			break
		}
		s.settle(req.Context())
		if !s.passOver(problem) {
			return problem
		}
	}
	defer func() { // the proxy panics where the sender is gone
		s.conclude()
		s.settle(req.Context())
	}()
	at := *req.URL
	at.Path, at.RawPath = s.to.path(s.to.edge), ""
	req = req.WithContext(req.Context())
	req.URL = &at
	s.forward(w, req, s.exchange, content)
	return nil
}

// passOver has the gate choose another number than the one with a problem, if another may do better.
func (s *sending) passOver(problem *gate.Problem) bool {
	x := gate.Exclusion{Number: s.decision.Number, Reason: problem.Reason}
	switch problem.Reason {
	case gate.NotConfigured:
	case gate.Throttled:
		x.Wait = problem.RetryAfter
	default:
		return false
	}
	s.without = append(s.without, x)
	return len(s.without) < mostTries
}

// take takes the number that the gate chose, unless it cannot send now.
func (s *sending) take(ctx context.Context) *gate.Problem {
	s.outcome = outcomeNotReady
	number, err := s.directory.Number(ctx, report.ParseSubject(s.chosen))
	switch {
	case err != nil:
		return s.failed(ctx, err, "A number could not be looked up")
	case number == nil: // deleted since
		return notReady()
	case number.Spec.PhoneNumberID == "":
		return gate.NewProblem(gate.NotConfigured, "the number that was chosen cannot be named to Meta: give its PhoneNumber spec.phoneNumberID")
	}
	problem, err := s.callers.(*inject).addToken(s.caller, number)
	if err != nil {
		return s.failed(ctx, err, "An access token of Meta's could not be read")
	}
	if problem != nil {
		return problem
	}
	s.number, s.to.number = number, number.Spec.PhoneNumberID
	s.name, s.known = number.Namespace+"/"+number.Name, true
	s.outcome = outcomeThrottled
	wait := s.paused()
	if wait == 0 {
		_, wait = s.pace.take(number, s.to.number, s.message.user)
	}
	if wait > 0 {
		return throttled("the number that was chosen sends nothing more for now", wait.Round(time.Millisecond))
	}
	return nil
}
