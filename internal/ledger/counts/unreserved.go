package counts

import "time"

// Unreserved says of a Reserve that cannot be decided, since no record can be kept, whether its message may be sent without a reservation: by what
// is known here at a time, which may be less than all that was recorded.
//
//   - A message inside a customer service window may: it takes no place.
//   - Another one may if the budget that it falls under, or else the limit, lets messages through (AllowUnreserved) and would have a place for
//     it. The place is not held. So such messages can exceed the limit and the budget.
//
// All else is refused as Unavailable.
func (v *View) Unreserved(o *Operation, now time.Time) Decision {
	v.gate.mu.Lock() // nothing is changed, but decisions are made in the scratch space of numbers
	defer v.gate.mu.Unlock()
	if o.Pool != "" {
		return v.unreservedFrom(o, now.Unix())
	}
	number := v.numbers[o.Number]
	if number == nil || number.sender == nil || !v.limitOf(number).isSet() {
		return unavailable(o)
	}
	q, template := v.requestAt(o, number, now.Unix())
	return q.unreserved(q.decide(template))
}

// unreservedFrom says so of a Reserve from a pool.
func (v *View) unreservedFrom(o *Operation, now int64) Decision {
	p := v.gate.pools[o.Pool]
	for _, c := range v.choose(&p, newKey(o.User), now) {
		if c.state == nil {
			continue
		}
		q, template := v.requestAt(o, c.state, now)
		would, passed := q.decideFor(&p, &c, template)
		if d := q.unreserved(would); d.State == Unreserved && !passed {
			return d
		}
	}
	return unavailable(o)
}

// unreserved is the answer where v would be decided by what is known.
func (q *request) unreserved(v verdict) Decision {
	d := Decision{ID: q.ID, State: Unreserved, Number: q.number.number, Expires: q.now + int64(q.TTL)}
	switch {
	case v.why == InsideWindow:
		d.Why = InsideWindow
	case q.allowsUnreserved() && (v.state != Refused || !q.enforces(v)):
		d.Why = Allowed
	default:
		return unavailable(q.Operation)
	}
	return d
}

// allowsUnreserved says whether the budget that a message falls under, or else the limit, lets it through.
func (q *request) allowsUnreserved() bool {
	setting := &q.limit.setting
	if i := q.limit.budgetOf(q.number, q.Category); i >= 0 {
		return setting.Budgets[i].AllowUnreserved
	}
	return setting.AllowUnreserved
}

func unavailable(o *Operation) Decision {
	return Decision{ID: o.ID, State: Refused, Why: Unavailable}
}
