package rules

import (
	"sync"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

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

// maxLookahead is how far deliveries are looked at without a run of the rules.
const maxLookahead = time.Hour

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
	until = e.f.Usage.Last(measure, now, earlier(until, first.Add(maxLookahead)))
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
