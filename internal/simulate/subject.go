package simulate

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// subject is a number or a portfolio on its way through time.
type subject struct {
	scheduled
	*rules.Unit
	// fleet is the one that it has the limit of, or a part in.
	fleet *rules.Fleet
	// portfolio has the limit of a number; nil where the number has one of its own.
	portfolio *subject

	// skippable is how many deliveries more decide nothing. While they come the rules do not run, and the next deadline may be
	// too early; passed says that some came.
	skippable int64
	passed    bool
	// delivered is the instant of the last delivery.
	delivered time.Time
}

// newSubject begins now, where it stands or as a new one.
func (s *simulation) newSubject(name string, kind kind, policy *rules.Policy, facts rules.Facts, from *End) *subject {
	x := &subject{Unit: &rules.Unit{Name: "number " + name, Policy: policy, Facts: facts, State: rules.Initial(policy, facts.Verification, s.now)}}
	if from != nil {
		x.State, x.Facts = from.State, from.Facts
		if x.Facts.Usage = facts.Usage; from.Facts.Usage != nil {
			x.Facts.Usage = Successive{Before: from.Facts.Usage, Since: facts.Usage}
		}
	}
	x.fleet = &rules.Fleet{Numbers: []*rules.Unit{x.Unit}}
	x.scheduled = scheduled{name: name, kind: kind, run: func(to time.Time) time.Time { return s.advance(x, to) }}
	return x
}

// advance runs a subject's rules up to an instant, and returns the next at which something changes by itself.
func (s *simulation) advance(x *subject, to time.Time) time.Time {
	rating := x.State.Members.Rating
	changed := x.Advance(to)
	s.sending.ran()
	x.skippable, x.passed = rules.DeliveriesUntilDecision(x.Policy, &x.Facts, x.State, x.Next), false
	s.tell(x.name, x.Transitions)
	x.Transitions = x.Transitions[:0]
	if is := &x.State; x.kind == portfolios && is.Members.Rating != rating {
		s.qualities = append(s.qualities, Transition{Subject: x.name, Transition: rules.Transition{
			Time: is.MembersRatedSince, Reason: v1alpha1.ReasonQualityChanged, From: string(rating), To: string(is.Members.Rating)}})
	}
	if x.portfolio != nil && changed {
		s.assess(x.portfolio)
	}
	return x.Next
}

// meet is called before an event of now about a subject is taken: the deadline that it may have now must be true.
func (s *simulation) meet(x *subject) {
	if x.passed && !x.waiting && x.next.Equal(s.now) && x.State.EvaluatedAt.Before(s.now) {
		s.run(&x.scheduled, x.State.EvaluatedAt)
	}
}

// deliver takes a delivery that is recorded. Mostly the rules would run and nothing come of it; then they do not run.
func (s *simulation) deliver(x *subject) {
	x.delivered = s.now
	if x.next.Equal(s.now) {
		s.wait(&x.scheduled)
		return
	}
	x.State.EvaluatedAt = s.now
	x.passed = true
	if x.skippable--; x.skippable < 0 {
		x.skippable = rules.DeliveriesUntilDecision(x.Policy, &x.Facts, x.State, x.next)
	}
	if x.skippable < 0 {
		s.wake(&x.scheduled)
	}
}

// pass takes an event that changes nothing but when a deadline of its instant is run: after the event.
func (s *simulation) pass(x *subject) {
	if x.next.Equal(s.now) {
		s.wait(&x.scheduled)
	}
}

// report takes what Meta said.
func (s *simulation) report(x *subject, r report.Report) {
	s.meet(x)
	x.Facts.Reports = append(x.Facts.Reports, r)
	s.wake(&x.scheduled)
}

// limited is who has the limit of a number: its portfolio, or itself.
func (x *subject) limited() *subject {
	if x.portfolio != nil {
		return x.portfolio
	}
	return x
}

// assess tells whoever has a limit what its numbers and templates come to now.
func (s *simulation) assess(x *subject) {
	s.meet(x)
	x.fleet.Tell(s.now)
	s.wake(&x.scheduled)
}
