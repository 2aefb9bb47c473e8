package guard

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/server"
)

const (
	// ttl is in which a message begins to be sent: it is forwarded at once, and given up after upstreamTimeout.
	ttl = time.Minute
	// gateTimeout bounds what is asked of the gate, for a sender that no longer waits.
	gateTimeout = 10 * time.Second

	// numberHeader tells from which PhoneNumber a message was sent: NAMESPACE/NAME.
	numberHeader = "X-Numberfleet-Number"
)

// sending is a message of a number of the fleet, on its way through the guard.
type sending struct {
	*Guard
	*exchange

	gate    Gate
	to      route
	number  *v1alpha1.PhoneNumber // nil until one of a pool is chosen
	chosen  string                // from a pool, in E.164
	without []gate.Exclusion      // numbers of the pool that were tried

	message  message
	subjects []subject // that Meta may throttle for it
	decision counts.Decision
	outcome  outcome
}

// serve reads a message and sends it, unless there is a problem to be told.
func (s *sending) serve(w http.ResponseWriter, req *http.Request) (problem *gate.Problem) {
	s.outcome = outcomeInvalid
	if !s.caller.vouched && s.caller.app == "" {
		return unauthorised("Authorization must be Bearer and an access token of Meta's")
	}
	err := errors.Join(checkType(req), s.bodies.Check(req))
	if err == nil {
		reading := http.NewResponseController(w)
		_ = reading.SetReadDeadline(s.clock.Now().Add(messageRead)) // where it cannot be set, that of the server stands
		err = s.bodies.Read(w, req, func(content []byte) error {
			_ = reading.SetReadDeadline(time.Time{})
			if s.message, problem = parse(content, s.to.edge); problem == nil {
				problem = s.guard(w, req, content)
			}
			return nil
		})
	}
	if refusal, refused := errors.AsType[*server.Error](err); refused {
		return problemOf(refusal)
	}
	return problem
}

// guard has a message sent if there is a place for its user.
func (s *sending) guard(w http.ResponseWriter, req *http.Request, content []byte) *gate.Problem {
	if s.to.pool != (pool{}) {
		return s.guardPool(w, req, content)
	}
	if !s.message.reserves() {
		s.outcome = outcomeUnreserved
		s.forward(w, req, s.exchange, content)
		return nil
	}
	s.outcome = outcomeThrottled
	if wait := s.paused(); wait > 0 {
		return throttled("Meta asked to send nothing more for now", wait)
	}
	settled := func(bool) {}
	if !s.caller.vouched {
		done, ok := s.trust.admit(req.Context(), s.caller.app, s.to.number)
		if !ok {
			return throttled("too many senders whose token Meta has not accepted yet are waited for", time.Second)
		}
		settled = done
	}
	known := true // what became of the message
	defer func() { settled(known) }()

	giveBack, wait := s.pace.take(s.number, s.to.number, s.message.user)
	if wait > 0 {
		return throttled("the number sends as much as Meta lets it", wait)
	}
	if problem := s.reserve(req.Context()); problem != nil {
		giveBack()
		return problem
	}
	defer func() { // the proxy panics where the sender is gone
		s.conclude()
		known = s.outcome != outcomeUnknown
		if s.outcome == outcomeUnreachable || refusesCaller(s.answer.code) { // Meta counts no message
			giveBack()
		}
		s.settle(req.Context())
	}()
	s.forward(w, req, s.exchange, content)
	return nil
}

// paused is how long Meta asked to send nothing more; zero if it did not.
func (s *sending) paused() time.Duration {
	account := cmp.Or(s.number.Spec.Business.WhatsAppBusinessAccountID, s.to.number) // the number stands for an account that is not known
	s.subjects = []subject{{byNumber, s.to.number, ""}, {byPair, s.to.number, s.message.user}, {byAccount, account, ""}, {byApp, s.caller.app, ""}}
	return s.pauses.wait(s.subjects)
}

// reserve asks the gate for a place. It does so to the end though the sender be gone: what is granted must be used or given back.
func (s *sending) reserve(ctx context.Context) *gate.Problem {
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), gateTimeout)
	defer cancel()
	request := gate.Request{
		Pool: s.to.pool.name, Namespace: s.to.pool.namespace, User: s.message.user, Template: s.message.template, Language: s.message.language,
		Category: s.message.category, FreeForm: s.message.freeForm, TTL: ttl, Without: s.without,
	}
	if s.to.pool == (pool{}) {
		request.Number, request.Namespace = s.number.Spec.PhoneNumber, s.number.Namespace
	}
	answers, err := s.gate.Reserve(asking, s.caller, []gate.Request{request})
	switch {
	case err != nil:
		s.outcome = outcomeNotReady
		return s.failed(ctx, err, "A message could not be decided about")
	case answers[0].Problem != nil:
		switch answers[0].Problem.Reason {
		case gate.Throttled:
			s.outcome = outcomeThrottled
		case gate.Unavailable:
			s.outcome = outcomeNotReady
		default:
			s.outcome = outcomeRefused
		}
		return answers[0].Problem
	default:
		s.decision, s.chosen = answers[0].Decision, answers[0].Number
		return nil
	}
}

// conclude says what became of a message that was forwarded.
func (s *sending) conclude() {
	switch {
	case s.answer.message != "":
		s.outcome = outcomeSent
		s.trust.shown(right{s.caller.app, s.to.number, true})
	case s.answer.nothing && !s.reached.Load():
		s.outcome = outcomeUnreachable
	case s.answer.nothing:
		s.outcome = outcomeRejected
	default:
		s.outcome = outcomeUnknown
	}
	if refusesCaller(s.answer.code) {
		s.trust.withdraw(s.caller.app, s.to.number)
	}
	if !s.answered.IsZero() {
		s.metrics.added.Observe((s.sent.Sub(s.came) + s.clock.Since(s.answered)).Seconds())
		if s.outcome == outcomeSent || s.answer.code != 0 {
			s.pauses.observe(s.subjects, s.answer.code, s.header)
		}
	}
}

// settle tells the gate what became of a message whose place is held, or may be: an unreserved one may have been decided later. The sender has
// the answer already.
func (s *sending) settle(ctx context.Context) {
	if s.decision.State == counts.Free && s.decision.Why != counts.AlreadyCounted {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gateTimeout)
	defer cancel()
	var err error
	switch s.outcome {
	case outcomeSent:
		_, err = s.gate.Confirm(ctx, s.caller, s.decision.ID, s.answer.message)
	case outcomeRejected, outcomeUnreachable, outcomeThrottled, outcomeNotReady:
		_, err = s.gate.Release(ctx, s.caller, s.decision.ID)
	default:
		return
	}
	if err != nil {
		s.log.Error(err, "The gate could not be told what became of a message; its place stays held until that is known", "outcome", s.outcome)
	}
}
