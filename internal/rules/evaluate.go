package rules

import (
	"math"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Advance runs the rules from the instant that the state was evaluated at to now, at every instant at which something can
// have changed: each report, each deadline, each delivery that reaches a threshold, and now. It returns the new state, what happened
// in order of time, and the next instant at which something can change by itself (zero if there is none).
//
// Times are event times; where an event and a deadline fall on one instant, the event comes first. A now before the
// state's instant counts as that instant: time does not run backwards for a number.
func Advance(p *Policy, f *Facts, s State, now time.Time) (State, []Transition, time.Time) {
	now = now.UTC().Truncate(time.Second)
	if now.Before(s.EvaluatedAt) {
		now = s.EvaluatedAt
	}
	e := evaluation{p: p, f: f, s: s, now: s.EvaluatedAt}

	// Most calls bring no report; then there is nothing to copy or sort.
	pending := f.Reports
	if len(pending) > 1 {
		pending = slices.Clone(pending)
		slices.SortStableFunc(pending, func(a, b Report) int { return a.At.Compare(b.At) })
	}

	for {
		at := now
		if next := e.next(); !next.IsZero() && next.Before(at) {
			at = next
		}
		if len(pending) > 0 && pending[0].At.Before(at) {
			at = latest(pending[0].At.UTC().Truncate(time.Second), e.s.EvaluatedAt)
		}
		// Deliveries are looked at in stretches, so that a time away is lived through and not skipped.
		if p.role != member {
			if first := f.Usage.Nth(p.Measure, 1, e.s.EvaluatedAt, at); !first.IsZero() {
				at = e.crossing(e.s.EvaluatedAt, first, f.Usage.Last(p.Measure, e.s.EvaluatedAt, earlier(at, first.Add(stretch))))
			}
		}
		if e.ratesFeedback() {
			at = e.feedbackCrossing(e.s.EvaluatedAt, at)
		}
		e.now, e.s.EvaluatedAt = at, at

		// A report from the future counts as of now: clocks differ, and it has been said.
		for len(pending) > 0 && (!pending[0].At.Truncate(time.Second).After(at) || at.Equal(now)) {
			e.report(pending[0])
			pending = pending[1:]
		}
		if at.Equal(now) {
			// What the resource declares holds from now on: when it was changed is not known.
			if p.role != member {
				e.declaredVerification()
			}
			if p.role != portfolio {
				e.declaredHumanEscalation()
			}
		}
		e.evaluate()
		if at.Equal(now) && len(pending) == 0 {
			next := e.next()
			return e.s, e.transitions, next
		}
	}
}

// evaluation is one run of the rules.
type evaluation struct {
	p           *Policy
	f           *Facts
	s           State // by value: it stays off the heap
	now         time.Time
	transitions []Transition
}

// evaluate runs the rules at one instant. Reports are in already.
func (e *evaluation) evaluate() {
	e.feedback()    // quality, where Meta reports none
	e.flag()        // rule 3: the flag clears, or the tier falls (rule 4: not below the floor)
	e.block()       // rule 5: Low at the floor for long
	e.upgrade()     // rule 2: the tier rises
	e.restriction() // rule 1: the limit of the tier that holds now
}

// next is the next instant after now at which something can change by itself; zero if there is none.
func (e *evaluation) next() time.Time {
	var next time.Time
	for _, deadline := range [...]time.Time{
		e.graceDue(),
		e.flagClearDue(),
		e.blockDue(),
		e.upgradeDue(),
		e.spanDue(),
		e.feedbackDue(),
		e.s.RestrictedUntil,
	} {
		if deadline.After(e.now) && (next.IsZero() || deadline.Before(next)) {
			next = deadline
		}
	}
	return next
}

func (e *evaluation) emit(rule v1alpha1.Rule, at time.Time, reason v1alpha1.TransitionReason, from, to, message string) {
	e.transitions = append(e.transitions, Transition{Time: at, Rule: rule, Reason: reason, From: from, To: to, Message: message})
}

// setTier moves the number to a tier. A pending upgrade belongs to the tier before.
func (e *evaluation) setTier(to Tier, at time.Time, source v1alpha1.Source) {
	if pending, _ := e.p.next(e.s.Tier.Limit); !e.s.EligibleSince.IsZero() && Above(pending.Limit, to.Limit) {
		e.cancelUpgrade(at, "the limit is "+limitWords(to.Limit)+" now")
	}
	could := e.falls()
	before := e.s.Tier
	e.s.Tier, e.s.TierSince, e.s.TierSource, e.s.Before = to, at, source, Tier{}
	switch {
	case source != v1alpha1.FromReport:
		e.setConcluded(to, at)
	case e.s.ConcludedTier == (Tier{}):
		e.setConcluded(before, at)
	default:
		e.setConcluded(e.s.ConcludedTier, e.s.ConcludedSince)
	}
	e.s.EligibleSince = time.Time{}
	e.restartGrace(could, at)
}

// DeliveriesUntilDecision is how many deliveries may follow and certainly decide nothing, if none has since the state; negative if one may have.
// Each brings one user, conversation or message at most, and time alone takes some away. The state is one that Advance
// returned, and the next instant that it returned with it; its EvaluatedAt may be later by now, if everything but deliveries
// was looked at meanwhile: deadlines, reports, feedback and what is declared.
func DeliveriesUntilDecision(p *Policy, f *Facts, s State, next time.Time) int64 {
	e := evaluation{p: p, f: f, s: s, now: s.EvaluatedAt}
	missing := int64(math.MaxInt64)
	if p.role != member {
		missing = e.missingToLimit()
		up := e.missingForUpgrade()
		if up <= 0 && !next.IsZero() && !e.spanDue().Before(next) {
			up = math.MaxInt64 // only time is missing, and the rules run before it has passed
		}
		missing = min(missing, up)
	}
	if e.ratesFeedback() {
		missing = min(missing, e.missingForBetter())
	}
	return max(0, missing) - 1
}

// stretch is how long a stretch of deliveries is looked at as one.
const stretch = time.Hour

// crossing is the first instant in (from, to] at which deliveries newly reach the limit or what the next tier requires, to
// the second; to if they do not. Many deliveries may come at once, and each decision belongs to the one that brought it.
func (e *evaluation) crossing(from, first, to time.Time) time.Time {
	if first.Equal(to) {
		return to // there is no other, and no need to count what was before
	}
	then := evaluation{p: e.p, f: e.f, s: e.s, now: from}
	climbs := then.missingForUpgrade() > 0
	for {
		// Each delivery brings one at most, so none before as many as are missing can be the one.
		missing := then.missingToLimit()
		if climbs {
			missing = min(missing, then.missingForUpgrade())
		}
		if missing <= 0 && then.now.After(from) {
			return then.now
		}
		next := e.f.Usage.Nth(e.p.Measure, max(1, missing), then.now, to)
		if next.IsZero() {
			return to
		}
		then.now = next
	}
}

// earlier is the earlier of two instants, neither of them zero.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
