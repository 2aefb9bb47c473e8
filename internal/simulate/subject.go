package simulate

import (
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// subject is a number or a portfolio on its way through time.
type subject struct {
	scheduled
	policy *rules.Policy
	facts  rules.Facts
	state  rules.State

	// portfolio has the limit of a number; nil where the number has one of its own. numbers are those of a portfolio.
	portfolio *subject
	numbers   []*subject
	templates []*template // whose quality counts for the limit, by name

	// quiet is how many deliveries more decide nothing. While they come the rules do not run, and the next deadline may be
	// too early; passed says that some came.
	quiet  int64
	passed bool
	// delivered is the instant of the last delivery.
	delivered time.Time
}

func (s *simulation) newSubject(name string, kind kind, policy *rules.Policy, facts rules.Facts) *subject {
	x := &subject{policy: policy, facts: facts, state: rules.Initial(policy, facts.Verification, s.now)}
	x.scheduled = scheduled{name: name, kind: kind, run: func(to time.Time) time.Time { return s.advance(x, to) }}
	return x
}

// advance runs a subject's rules up to an instant, and returns the next at which something changes by itself.
func (s *simulation) advance(x *subject, to time.Time) time.Time {
	before := x.standing()
	rating := x.state.Rating
	var happened []rules.Transition
	var next time.Time
	x.state, happened, next = rules.Advance(x.policy, &x.facts, x.state, to)
	x.facts.Reports = x.facts.Reports[:0]
	x.quiet, x.passed = rules.DeliveriesUntilDecision(x.policy, &x.facts, x.state, next), false
	s.tell(x.name, happened)
	if x.kind == portfolios && x.state.Rating != rating {
		s.qualities = append(s.qualities, Transition{Subject: x.name, Transition: rules.Transition{
			Time: x.state.RatingSince, Reason: v1alpha1.ReasonQualityChanged, From: string(rating), To: string(x.state.Rating)}})
	}
	if x.portfolio != nil && x.standing() != before {
		s.assess(x.portfolio)
	}
	return next
}

// meet is called before an event of now about a subject is taken: the deadline that it may have now must be true.
func (s *simulation) meet(x *subject) {
	if x.passed && !x.waiting && x.next.Equal(s.now) && x.state.EvaluatedAt.Before(s.now) {
		s.run(&x.scheduled, x.state.EvaluatedAt)
	}
}

// deliver takes a delivery that is recorded. Mostly the rules would run and nothing come of it; then they do not run.
func (s *simulation) deliver(x *subject) {
	x.delivered = s.now
	if x.next.Equal(s.now) {
		s.wait(&x.scheduled)
		return
	}
	x.state.EvaluatedAt = s.now
	x.passed = true
	if x.quiet--; x.quiet < 0 {
		x.quiet = rules.DeliveriesUntilDecision(x.policy, &x.facts, x.state, x.next)
	}
	if x.quiet < 0 {
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
func (s *simulation) report(x *subject, r rules.Report) {
	s.meet(x)
	x.facts.Reports = append(x.facts.Reports, r)
	s.wake(&x.scheduled)
}

// limited is who has the limit of a number: its portfolio, or itself.
func (x *subject) limited() *subject {
	if x.portfolio != nil {
		return x.portfolio
	}
	return x
}

// standing is what a number contributes to the quality of its portfolio.
func (x *subject) standing() rules.Standing {
	return rules.Standing{
		Name:   "number " + x.name,
		Rating: x.state.Rating,
		Able:   x.state.Connection == v1alpha1.StateConnected && !x.state.Flagged(),
	}
}

// assess tells whoever has a limit what its numbers and templates come to now.
func (s *simulation) assess(x *subject) {
	s.meet(x)
	var all []rules.Standing
	for _, n := range x.numbers {
		all = append(all, n.standing())
	}
	for _, t := range x.templates {
		if rules.HoldsBack(t.state.State) {
			all = append(all, t.standing())
		}
	}
	if x.kind == portfolios {
		x.facts.Reports = append(x.facts.Reports, rules.StandingOf(s.now, all)...)
	} else {
		x.facts.Template = lowest(s.now, all)
	}
	s.wake(&x.scheduled)
}

// lowest is the lowest rated template, the zero value if there is none or none stands out.
func lowest(now time.Time, templates []rules.Standing) rules.Standing {
	rating := rules.StandingOf(now, templates)[0]
	i := slices.IndexFunc(templates, func(t rules.Standing) bool { return t.Name == rating.Reason })
	if i < 0 {
		return rules.Standing{}
	}
	return templates[i]
}

// shown is the state to show of a number: the highest of those that hold of it and of its limit.
func (x *subject) shown() v1alpha1.State {
	if x.portfolio != nil && x.portfolio.state.Restricted() && x.state.Connection == v1alpha1.StateConnected {
		return v1alpha1.StateRestricted
	}
	return x.state.Shown()
}
