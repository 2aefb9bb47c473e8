package rules

import (
	"sync"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Advance runs the rules of a number or a portfolio from the instant that the state was evaluated at to now. It returns the new state,
// what happened in order of time, and the next instant at which something can change by itself (zero if there is none).
//
// Times are event times; where an event and a deadline fall on one instant, the event comes first. A now before the state's instant
// counts as that instant: time does not run backwards for a number.
func Advance(p *Policy, f *Facts, s State, now time.Time) (State, []Transition, time.Time) {
	e := evaluate(p, f, &s, s.EvaluatedAt)
	defer e.release()
	next := e.advance(now)
	return e.s, e.transitions, next
}

func (e *evaluation) advance(now time.Time) (next time.Time) {
	e.until = latest(seconds(now), e.now)
	e.members = e.f.Members
	next = advance(e.p.chain, e, e.f.Reports)
	e.s.EvaluatedAt = e.until
	return next
}

// MigratePolicy brings a state that another policy, or an earlier version of this one, led to under this policy. What the other
// concluded stays; what it had begun to count down begins anew, so that nothing is decided for a time at which these rules
// did not hold. edited says that it is the same policy in another version.
func MigratePolicy(p *Policy, s State, edited bool, now time.Time) (State, []Transition) {
	e := evaluate(p, nil, &s, latest(seconds(now), s.EvaluatedAt))
	defer e.release()
	e.s.EvaluatedAt = e.now
	p.chain.migrate(e, edited)
	return e.s, e.transitions
}

// DeliveriesUntilDecision is how many deliveries may follow and certainly decide nothing, if none has since the state; negative if one
// may have. Each brings one user, conversation or message at most, and time alone takes some away. The state is one that Advance
// returned, and next the instant that it returned with it; its EvaluatedAt may be later by now, if everything but deliveries was looked
// at meanwhile: deadlines, reports, feedback and what is declared.
func DeliveriesUntilDecision(p *Policy, f *Facts, s State, next time.Time) int64 {
	e := evaluate(p, f, &s, s.EvaluatedAt)
	defer e.release()
	least := int64(noDelivery)
	for i := range p.chain {
		if r := &p.chain[i]; r.deliveries != nil && r.measure(e) != "" {
			least = min(least, r.deliveries(e, next))
		}
	}
	return max(0, least) - 1
}

// evaluation is one run of the rules of a number or a portfolio.
type evaluation struct {
	run
	p       *Policy
	f       *Facts
	s       State
	place   place       // of the tier on the ladder
	members []QualityAt // what is still to come of them
}

// evaluations are kept for the next run: one is reached through the functions of the rules, and would be allocated each time.
var evaluations = sync.Pool{New: func() any { return new(evaluation) }}

// evaluate begins a run at an instant. It must be released.
func evaluate(p *Policy, f *Facts, s *State, now time.Time) *evaluation {
	e := evaluations.Get().(*evaluation)
	e.p, e.f, e.s, e.place, e.run = p, f, *s, p.placeOf(s.Tier), run{now: now}
	return e
}

func (e *evaluation) release() {
	e.p, e.f, e.members, e.run = nil, nil, nil, run{}
	evaluations.Put(e)
}

// observe implements subject.
func (e *evaluation) observe() {
	if e.member != "" {
		e.qualities = e.qualities.add(e.now, e.s.quality(e.member))
	}
}

// stretch is how far deliveries are looked at without a run of the rules.
const stretch = time.Hour

// lookahead implements subject. A time away is lived through and not skipped, and each decision belongs to the delivery that brought
// it, though many may come at once.
func (e *evaluation) lookahead(until, next time.Time) time.Time {
	var none v1alpha1.Measure // of which nothing is delivered until then
	for i := range e.p.chain {
		r := &e.p.chain[i]
		if r.event != nil {
			if at := r.event(e, until); !at.IsZero() {
				until = at
			}
		}
		if r.deliveries == nil {
			continue
		}
		if measure := r.measure(e); measure != "" && measure != none {
			if first := e.f.Usage.Nth(measure, 1, e.now, until); first.IsZero() {
				none = measure
			} else {
				until = e.crossing(r, measure, first, until, next)
			}
		}
	}
	return until
}

// crossing is the first instant after now, until the given one, at which deliveries bring a rule to a decision, to the second. It is
// the last delivery within an hour of the first if none does.
func (e *evaluation) crossing(r *rule[*evaluation], measure v1alpha1.Measure, first, until, next time.Time) time.Time {
	now := e.now
	until = e.f.Usage.Last(measure, now, earlier(until, first.Add(stretch)))
	if first.Equal(until) {
		return until // there is no other
	}
	defer func() { e.now = now }()
	for {
		// Each delivery brings one at most, so none before as many as are missing can be the one.
		missing := r.deliveries(e, next)
		if missing <= 0 && e.now.After(now) {
			return e.now
		}
		nth := e.f.Usage.Nth(measure, max(1, missing), e.now, until)
		if nth.IsZero() {
			return until
		}
		e.now = nth
	}
}
