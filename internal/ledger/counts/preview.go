package counts

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Preview is what a Reserve that repeats none would be answered at a time, by what is known here. Nothing is reserved: it has no Expires, and
// the place that it would take is not among those that it reports.
func (v *View) Preview(o *Operation, now time.Time) Decision {
	v.gate.mu.Lock() // nothing is changed, but decisions are made in the scratch space of numbers
	defer v.gate.mu.Unlock()
	if o.Pool != "" {
		q, would, refused := v.from(o, now.Unix(), v.requestAt)
		if q == nil {
			return refused
		}
		return q.preview(would)
	}
	number := v.numbers[o.Number]
	if number == nil || number.sender == nil || !v.limitOf(number).isSet() {
		return Decision{ID: o.ID, State: Refused, Why: string(v1alpha1.RoomNotReady)}
	}
	q, template := v.requestAt(o, number, now.Unix())
	return q.preview(q.decide(template))
}

// requestAt is a request of which nothing is carried out.
func (v *View) requestAt(o *Operation, number *numberState, now int64) (*request, Obstacle) {
	q, template := v.request(o, number, now)
	q.limit = q.limit.at(now)
	return q, template
}

// preview is the decision that a verdict comes to, with how the limit stands before it.
func (q *request) preview(v verdict) Decision {
	d := q.decision(v)
	q.limit.report(&d, q.budget(), q.now)
	return d
}
