package rules

import (
	"cmp"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
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

// subject is what a chain runs for: a number or a portfolio, or a template.
type subject interface {
	progress() *run
	// lookahead is the first instant after now, until the given one, at which what is counted lets a rule decide. The rules run at
	// next anyway.
	lookahead(until, next time.Time) time.Time
	// observe notes what the subject contributes to its fleet now.
	observe()
}

// run is how far an evaluation has come, how far it goes, and what it came to.
type run struct {
	now, until  time.Time
	transitions []Transition

	member    string // the name as a member of a fleet; empty where nobody wants to know what it contributes
	qualities qualities
}

// progress implements subject.
func (r *run) progress() *run { return r }

func (r *run) emit(rule v1alpha1.Rule, at time.Time, reason v1alpha1.TransitionReason, from, to, message string) {
	r.transitions = append(r.transitions, Transition{Time: at, Rule: rule, Reason: reason, From: from, To: to, Message: message})
}

// advance runs a chain at every instant, until the last one of its run, at which something can have changed: each report, each
// deadline, each delivery that lets a rule decide, and the last. It returns the next instant at which a rule can decide by itself.
func advance[E subject](c chain[E], e E, reports []report.Report) time.Time {
	// Most calls bring no report; then there is nothing to copy or sort.
	if len(reports) > 1 {
		reports = slices.Clone(reports)
		slices.SortStableFunc(reports, func(a, b report.Report) int { return cmp.Compare(a.At, b.At) })
	}
	for r := e.progress(); ; {
		next := c.due(e, r.now)
		at := r.until
		if !next.IsZero() {
			at = earlier(at, next)
		}
		if len(reports) > 0 {
			at = earlier(at, latest(reports[0].Time(), r.now))
		}
		at = e.lookahead(at, next)
		r.now = at
		last := at.Equal(r.until)
		c.before(e)
		// A report from the future counts as of now: clocks differ, and Meta has made it.
		for len(reports) > 0 && (last || !reports[0].Time().After(at)) {
			c.report(e, reports[0], earlier(reports[0].Time(), at))
			reports = reports[1:]
			e.observe()
		}
		c.apply(e)
		e.observe()
		if last {
			return c.due(e, at)
		}
	}
}

// next is the earliest of some instants after now; zero if none is.
func next(now time.Time, instants ...time.Time) (next time.Time) {
	for _, at := range instants {
		if !at.IsZero() && at.After(now) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// seconds is an instant in whole seconds of UTC.
func seconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

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
