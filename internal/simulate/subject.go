package simulate

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// subject is a number on its way through time.
type subject struct {
	turn
	policy *rules.Policy
	facts  rules.Facts
	state  rules.State
	// quiet is how many deliveries more decide nothing. While they come the rules do not run, and the next deadline may be
	// too early; passed says that some came.
	quiet  int64
	passed bool
	// delivered is the instant of the last delivery.
	delivered time.Time
}

func (s *simulation) newSubject(name string, kind kind, policy *rules.Policy, verification v1alpha1.Verification, facts rules.Facts) *subject {
	x := &subject{policy: policy, facts: facts, state: rules.Initial(policy, verification, s.now)}
	x.turn = turn{name: name, kind: kind, run: func(to time.Time) time.Time { return s.advance(x, to) }}
	return x
}

// advance runs a subject's rules up to an instant, and returns the next at which something changes by itself.
func (s *simulation) advance(x *subject, to time.Time) time.Time {
	var happened []rules.Transition
	var next time.Time
	x.state, happened, next = rules.Advance(x.policy, &x.facts, x.state, to)
	x.facts.Reports = x.facts.Reports[:0]
	x.quiet, x.passed = rules.Quiet(x.policy, &x.facts, x.state, next), false
	for _, t := range happened {
		s.transitions = append(s.transitions, Transition{Subject: x.name, Transition: t})
	}
	return next
}

// meet is called before an event of now about a subject is taken: the deadline that it may have now must be true.
func (s *simulation) meet(x *subject) {
	if x.passed && x.next.Equal(s.now) && x.state.EvaluatedAt.Before(s.now) {
		s.run(&x.turn, x.state.EvaluatedAt)
	}
}

// deliver takes a delivery that is recorded. Mostly the rules would run and nothing come of it; then they do not run.
func (s *simulation) deliver(x *subject) {
	x.delivered = s.now
	if x.next.Equal(s.now) {
		s.wait(&x.turn)
		return
	}
	x.state.EvaluatedAt = s.now
	x.passed = true
	if x.quiet--; x.quiet < 0 {
		x.quiet = rules.Quiet(x.policy, &x.facts, x.state, x.next)
	}
	if x.quiet < 0 {
		s.wake(&x.turn)
	}
}

// receive takes a message from a user that is recorded. It makes deliveries of this very second replies, and changes nothing
// else that was before.
func (s *simulation) receive(x *subject) {
	if x.delivered.Equal(s.now) {
		s.wake(&x.turn)
		return
	}
	s.pass(x)
}

// pass takes an event that changes nothing but the turn of a deadline at its instant: events come first, in their order.
func (s *simulation) pass(x *subject) {
	if x.next.Equal(s.now) {
		s.wait(&x.turn)
	}
}

// report takes what Meta said.
func (s *simulation) report(x *subject, r rules.Report) {
	x.facts.Reports = append(x.facts.Reports, r)
	s.wake(&x.turn)
}
