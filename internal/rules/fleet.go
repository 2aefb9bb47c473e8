package rules

import (
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// Fleet is a portfolio, its numbers, and the templates that they send. A number that has its limit itself is a fleet of one.
//
// Dependencies go one way: the portfolio depends on the ratings of its numbers and templates and on whether a number can send; they do
// not depend on the portfolio.
type Fleet struct {
	// Portfolio has the limit that the numbers share; nil if a number has it itself.
	Portfolio *Unit
	Numbers   []*Unit
	Templates []*TemplateUnit
}

// Unit is a number or a portfolio: the policy that governs it, what is known of it, and what the rules make of that.
type Unit struct {
	// Name is what people call it: "number shop".
	Name string
	// Policy is that of its role: of a number that shares a limit Policy.Member, of a portfolio Policy.Portfolio.
	Policy *Policy
	Facts  Facts
	State  State
	// Transitions are what has happened, in order of time. Advance adds to them.
	Transitions []Transition
	// Next is the next instant at which something can change by itself; zero if there is none. Advance sets it.
	Next time.Time
	// AtRest says that nothing has come to it since the instant of its state, and that Next is later than now. Advance leaves it out, so
	// that a large fleet costs no more than what moves in it.
	AtRest bool

	qualities qualities
}

// TemplateUnit is a message template, like a Unit.
type TemplateUnit struct {
	Name        string // "template order_update"
	Policy      *Policy
	Reports     []report.Report
	State       TemplateState
	Transitions []Transition
	Next        time.Time
	AtRest      bool

	qualities qualities
}

// Advance runs the rules of every unit up to now. It returns the next instant at which something can change by itself; zero if there is
// none.
//
// Every unit starts at the instant of its own state. Numbers and templates run first, and each change of what they contribute takes
// effect on the portfolio at its instant.
//
// Invariant: the state of the portfolio includes all that its members contributed up to its instant. So its status is written first, and
// theirs are not written if that fails. If one of theirs is not written, the member runs from its older state again and comes to the
// same: rules are deterministic. Of that, the portfolio takes only the changes after its own instant, and decides nothing twice.
func (f *Fleet) Advance(now time.Time) time.Time {
	now = seconds(now)
	var due []time.Time
	for _, t := range f.Templates {
		t.Advance(now)
		due = append(due, t.Next)
	}
	if f.Portfolio != nil {
		for _, n := range f.Numbers {
			n.Advance(now)
			due = append(due, n.Next)
		}
	}
	for _, u := range f.limited() {
		f.tellSince(u, now)
		u.Advance(now)
		due = append(due, u.Next)
	}
	return next(now, due...)
}

// tellSince gives a unit that has the limit what the members contributed from each change after its instant on, and contribute now. A
// template that two portfolios send may have been rated in a run of the other.
func (f *Fleet) tellSince(u *Unit, now time.Time) {
	type change struct {
		member int
		QualityAt
	}
	var current []MemberQuality
	var changes []change
	for i, q := range f.qualities() {
		current = append(current, q[0].MemberQuality)
		for _, to := range q {
			changes = append(changes, change{i, to})
		}
	}
	slices.SortStableFunc(changes, func(a, b change) int { return a.At.Compare(b.At) })
	for ; len(changes) > 0 && !changes[0].At.After(u.State.EvaluatedAt); changes = changes[1:] {
		current[changes[0].member] = changes[0].MemberQuality // the state includes it
	}
	if f.Portfolio == nil {
		u.State.Members = lowestQuality(current) // no status keeps it
	}
	for _, c := range changes {
		current[c.member] = c.MemberQuality
		u.Facts.Members = append(u.Facts.Members, QualityAt{c.At, lowestQuality(current)})
	}
	u.Facts.Members = append(u.Facts.Members, QualityAt{now, lowestQuality(current)})
}

// qualities are what the members contributed in their last runs: the templates, and the numbers of a portfolio.
func (f *Fleet) qualities() []qualities {
	var all []qualities
	if f.Portfolio != nil {
		for _, n := range f.Numbers {
			all = append(all, n.qualities)
		}
	}
	for _, t := range f.Templates {
		all = append(all, t.qualities)
	}
	return all
}

// Tell gives who has the limit what the members contribute at an instant, which is that of their last runs.
func (f *Fleet) Tell(at time.Time) {
	var current []MemberQuality
	if f.Portfolio != nil {
		for _, n := range f.Numbers {
			current = append(current, n.State.quality(n.Name))
		}
	}
	for _, t := range f.Templates {
		current = append(current, t.State.quality(t.Name))
	}
	for _, u := range f.limited() {
		u.Facts.Members = append(u.Facts.Members, QualityAt{at, lowestQuality(current)})
	}
}

// limited are those that have a limit.
func (f *Fleet) limited() []*Unit {
	if f.Portfolio != nil {
		return []*Unit{f.Portfolio}
	}
	return f.Numbers
}

// Limited is who has the limit of a number: the portfolio, or the number.
func (f *Fleet) Limited(n *Unit) *Unit {
	if f.Portfolio != nil {
		return f.Portfolio
	}
	return n
}

// Room is what a number may send at an instant, with other obstacles besides its own.
func (f *Fleet) Room(n *Unit, now time.Time, others ...Obstacle) Room {
	limited := f.Limited(n)
	return RoomOf(LimitAt(limited.Policy, &limited.Facts, &limited.State, now), append([]Obstacle{n.State.Obstacle()}, others...)...)
}

// SharedRoom is what the numbers of the portfolio may send together.
func (f *Fleet) SharedRoom(now time.Time) Room {
	obstacles := make([]Obstacle, 0, len(f.Numbers))
	for _, n := range f.Numbers {
		obstacles = append(obstacles, n.State.Obstacle())
	}
	return RoomOf(LimitAt(f.Portfolio.Policy, &f.Portfolio.Facts, &f.Portfolio.State, now), Every(obstacles))
}

// Shown is the state to show of a number: the highest of those that hold of it and of its limit.
func (f *Fleet) Shown(n *Unit) v1alpha1.State {
	if f.Limited(n).State.Restricted() && n.State.Connection == v1alpha1.StateConnected {
		return v1alpha1.StateRestricted
	}
	return n.State.Shown()
}

// DeclaredVerification is that of a portfolio: its own, or Verified if one of its numbers declares it.
func DeclaredVerification(own v1alpha1.Verification, numbers ...v1alpha1.Verification) v1alpha1.Verification {
	switch {
	case own != "":
		return own
	case slices.Contains(numbers, v1alpha1.Verified):
		return v1alpha1.Verified
	default:
		return v1alpha1.Unverified
	}
}

// Sends says whether a number sends a template of its namespace: one of its account that names no numbers, or this one.
func Sends(n *v1alpha1.PhoneNumber, t *v1alpha1.MessageTemplate) bool {
	account, names := n.Spec.Business.WhatsAppBusinessAccountID, t.Spec.PhoneNumberNames
	return account != "" && account == t.Spec.WhatsAppBusinessAccountID && (len(names) == 0 || slices.Contains(names, n.Name))
}

// Advance runs the rules up to now, and takes the reports and what the members contributed out of the facts. It says whether what the
// unit contributes to its fleet has changed.
func (u *Unit) Advance(now time.Time) (changed bool) {
	u.qualities = append(u.qualities[:0], QualityAt{u.State.RatingSince, u.State.quality(u.Name)})
	if u.AtRest {
		return false
	}
	e := evaluate(u.Policy, &u.Facts, &u.State, u.State.EvaluatedAt)
	defer e.release()
	e.member, e.qualities = u.Name, u.qualities
	u.Next = e.advance(now)
	u.State, u.qualities = e.s, e.qualities
	u.Transitions = append(u.Transitions, e.transitions...)
	u.Facts.Reports, u.Facts.Members = u.Facts.Reports[:0], u.Facts.Members[:0]
	return len(u.qualities) > 1
}

// Advance runs the rules up to now, and takes the reports. It says whether what the template contributes to its fleet has changed.
func (t *TemplateUnit) Advance(now time.Time) (changed bool) {
	t.qualities = append(t.qualities[:0], QualityAt{t.State.RatingSince, t.State.quality(t.Name)})
	if t.AtRest {
		return false
	}
	e := &templateEvaluation{p: t.Policy, s: t.State, run: run{member: t.Name, qualities: t.qualities}}
	t.Next = e.advance(t.Reports, now)
	t.State, t.qualities = e.s, e.qualities
	t.Transitions = append(t.Transitions, e.transitions...)
	t.Reports = t.Reports[:0]
	return len(t.qualities) > 1
}
