package counts

import (
	"cmp"
	"slices"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// decide decides of an operation, and carries it out.
func (m *Machine) decide(o *Operation) Decision {
	switch o.Kind {
	case Confirm:
		return m.confirm(o)
	case Release:
		return m.release(o)
	default:
		return m.reserve(o)
	}
}

// request is a Reserve while it is decided of.
type request struct {
	*Operation
	number *numberState
	limit  *limit
	user   key    // of the limit's users
	place  *place // of the user; nil for none
	until  int64  // the user is counted until then; zero for a user who is not
	now    int64
}

// verdict is what is granted, or why nothing is.
type verdict struct {
	state ReservationState
	why   string
	until int64 // of a refusal
}

func refuse(o Obstacle) verdict {
	return verdict{state: Refused, why: string(o.Reason), until: o.Until}
}

// reserve decides of a Reserve by what is known at this position of the log.
func (m *Machine) reserve(o *Operation) Decision {
	if r := m.repeats(o); r != nil {
		return m.repeated(r)
	}
	if o.Pool != "" {
		return m.reserveFrom(o)
	}
	number := m.numbers[o.Number]
	if number == nil || number.sender == nil || !m.limitOf(number).isSet() {
		return Decision{ID: o.ID, State: Refused, Why: string(v1alpha1.RoomNotReady)}
	}
	m.limitOf(number).advance(m.now())
	q, template := m.request(o, number, m.now())
	return m.conclude(q, q.decide(template))
}

// request is a Reserve for a number, which has a limit, and the obstacle of its template.
func (v *View) request(o *Operation, number *numberState, now int64) (*request, Obstacle) {
	q := &request{Operation: o, number: number, limit: v.limitOf(number), now: now}
	q.user = q.limit.users.canonical(newKey(o.User), number)
	q.place, q.until = q.limit.places[q.user], q.limit.countedUntil(q.user, number, q.now)
	template := v.template(number, &o.Template)
	if o.Category == NoCategory {
		own := *o
		q.Operation = &own
		q.Category = template.Category
	}
	return q, template.Obstacle
}

// template is the setting of a template that a number sends; the zero value if there is none.
func (v *View) template(of *numberState, t *Template) TemplateSetting {
	if t.Name == "" || len(v.gate.templates) == 0 {
		return TemplateSetting{}
	}
	subject := report.TemplateSubject(cmp.Or(of.sender.Account, t.Account), t.Name, t.Language)
	return v.gate.templates[OfCluster(v.gate.owners[of.number], TemplateName(of.sender.Namespace, subject.String()))]
}

// conclude carries out a verdict.
func (m *Machine) conclude(q *request, v verdict) Decision {
	d := q.decision(v)
	if d.Granted() {
		r := q.grant(&d, m.time)
		m.gate.reservations.add(r)
		d.Expires = r.sendBy()
	}
	q.limit.report(&d, q.budget(), q.now)
	return d
}

// decision is what a verdict comes to. Where the limit is not enforced, what is refused is granted all the same.
func (q *request) decision(v verdict) Decision {
	d := Decision{ID: q.ID, State: v.state, Why: v.why, Until: v.until, Number: q.number.number}
	if v.state == Refused && !q.enforces(v) {
		d.State, d.Shadow, d.Until = Held, true, 0
	}
	return d
}

// enforces says whether a refusal stands, although the limit may not be enforced.
func (q *request) enforces(refusal verdict) bool {
	return refusal.why == Throttled || !q.limit.setting.Shadow
}

// obstacle is what is in the way of the number, or else of its limit.
func (q *request) obstacle() Obstacle {
	own, shared := q.number.sender.Obstacle, q.limit.setting.Obstacle
	if own.Reason == "" || shared.Replies && !own.Replies {
		return shared
	}
	return own
}

// decide is the decision of the gate. An obstacle of the template is in the way of all its messages. That Meta says that the limit is
// reached is in the way of messages to further users, and another obstacle of the number or the limit at least of those outside of
// customer service windows.
func (q *request) decide(template Obstacle) verdict {
	if q.number.reserved >= mostReservations {
		return verdict{state: Refused, why: Throttled}
	}
	if o := q.obstacle(); o.Replies {
		return refuse(o)
	}
	if template.Reason != "" {
		return refuse(template)
	}
	// A template may be delivered as late as it may be sent: its window must be open until then.
	freeForm := q.Free || q.Category == Service
	switch ends := q.number.windowEnds(newKey(q.User), q.now); {
	case ends > q.now && (freeForm || ends > q.now+int64(q.TTL)):
		return verdict{state: Free, why: InsideWindow}
	case freeForm:
		return refuse(Obstacle{Reason: v1alpha1.RoomOutsideWindow})
	}
	l, own := q.limit, q.budget()
	maximum := int64(-1)
	if own >= 0 {
		maximum = l.budgets[own].maximum
	}
	unlimited := l.setting.Limit == 0 && maximum < 0
	switch o := q.obstacle(); {
	case o.Reason != "" && o.Reason != v1alpha1.RoomLimitReached:
		return refuse(o)
	case !unlimited && q.until > 0:
		return verdict{state: Free, why: AlreadyCounted}
	case o.Reason != "":
		return refuse(o)
	case unlimited:
		return verdict{state: Free, why: Unlimited}
	case q.place != nil && len(q.place.holds) > 0:
		return verdict{state: Held, why: AlreadyHeld}
	}
	if maximum >= 0 {
		if b := &l.budgets[own]; b.used+b.held >= maximum {
			return verdict{state: Refused, why: string(v1alpha1.RoomBudgetReached), until: l.frees(q.now, own, b.used+b.held-maximum+1)}
		}
	}
	kept := int64(0)
	for i := range l.budgets {
		if i != own {
			kept += l.budgets[i].unkept()
		}
	}
	if used := l.used(q.now); l.setting.Limit > 0 && used+l.held+kept >= l.setting.Limit {
		return verdict{state: Refused, why: string(v1alpha1.RoomLimitReached), until: l.frees(q.now, -1, used+l.held+kept-l.setting.Limit+1)}
	}
	return verdict{state: Held, why: Reserved}
}

// budget is the budget that a request falls under: that of the user's place, if there is one; -1 for none.
func (q *request) budget() int {
	if q.place != nil {
		return q.place.budget
	}
	return q.limit.budgetOf(q.number, q.Category)
}

// grant makes the reservation of a decision. It holds the user's place unless the user needs none, however long it takes.
func (q *request) grant(d *Decision, at int64) *reservation {
	r := &reservation{
		id: q.ID, number: q.number, user: newKey(q.User), key: q.Key, state: d.State, granted: d.State, why: d.Why, shadow: d.Shadow,
		created: at, expires: at + 1000*int64(q.TTL),
	}
	r.endsAt(r.forgotten())
	if d.State == Held || d.Why == AlreadyCounted {
		if q.place == nil {
			q.place = q.limit.take(q.user, q.number, q.Category, q.until)
		}
		r.endsAt(r.unconfirmedEnds(q.limit.setting.ReleaseUnconfirmed))
		q.limit.hold(q.place, r)
	}
	q.limit.dirty = true
	return r
}

// mostSearched bounds the places among which it is looked for the one of a budget that is free first. Those that may be free at the same moment are
// looked at together, so that all machines find the same.
const mostSearched = 1000

// frees is when so many places may be free that are taken now, at the earliest: in a budget, or with -1 in all of the limit; zero where
// that is not known.
func (l *limit) frees(now int64, budget int, places int64) (at int64) {
	earlier := func(t int64) bool {
		sooner := t > now && (at == 0 || t < at)
		if sooner {
			at = t
		}
		return sooner
	}
	if budget < 0 {
		if n := min(places, l.used(now)); n > 0 {
			on, of := seriesFor(l.setting.Measure)
			second, _ := l.users.allSeries()[on].nth(of, now-l.window(), n)
			earlier(int64(second) + l.window())
		}
		if r, held := l.ending.first(); held {
			earlier(r.gone())
		}
		return at
	}
	left := mostSearched
	for in := range l.leaving.moments.inOrder() {
		if left < 0 {
			return 0
		}
		left -= len(in.items)
		if slices.ContainsFunc(in.items, func(p *place) bool { return p.budget == budget && len(p.holds) == 0 }) && earlier(in.at) {
			break
		}
	}
	for in := range l.ending.moments.inOrder() {
		if at != 0 && in.at >= 1000*at {
			break
		}
		if left < 0 {
			return 0
		}
		left -= len(in.items)
		if i := slices.IndexFunc(in.items, func(r *reservation) bool { return r.place.budget == budget }); i >= 0 && earlier(in.items[i].gone()) {
			break
		}
	}
	return at
}

// report adds to a decision how the limit and its budget stand.
func (l *limit) report(d *Decision, budget int, now int64) {
	d.Room = LimitUse{Limit: l.setting.Limit, Used: l.used(now), Held: l.held}
	for i := range l.budgets {
		d.Room.Guaranteed += l.budgets[i].unkept()
	}
	if budget >= 0 {
		d.Budget = l.budgetUse(budget)
	}
}

func (l *limit) budgetUse(i int) BudgetUse {
	b := &l.budgets[i]
	return BudgetUse{Name: l.setting.Budgets[i].Name, Used: b.used, Held: b.held, Guaranteed: b.guaranteed, Maximum: b.maximum}
}

// repeats is the reservation that a Reserve asks for again; nil for a new one. What is for another user or number is no repetition, though
// its key is the same: the place that is held is not theirs.
func (m *Machine) repeats(o *Operation) *reservation {
	if r := m.gate.reservations.byID[o.ID]; r != nil {
		return r
	}
	if r := m.gate.reservations.with(o.Key, m.time); r != nil && r.user == newKey(o.User) && (o.Pool != "" || r.number == m.numbers[o.Number]) {
		return r
	}
	return nil
}

// repeated is the decision of a reservation that is asked for again: as it was made, unless it has ended.
func (m *Machine) repeated(r *reservation) Decision {
	d := Decision{ID: r.id, State: r.granted, Why: r.why, Shadow: r.shadow, Number: r.number.number, Expires: r.sendBy()}
	if r.state == Ended {
		d.State = Ended
	}
	if l := m.limitOf(r.number); l.isSet() {
		l.advance(m.now())
		budget := -1
		if r.place != nil {
			budget = r.place.budget
		}
		l.report(&d, budget, m.now())
	}
	return d
}
