package counts

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"
)

// reservation is the right to send one message. It ends by a delivery, a failure, a release, or with time; a while after that it is
// forgotten.
type reservation struct {
	id      ReservationID
	number  *numberState
	user    key    // as it was asked for
	place   *place // that it holds; nil for none
	key     uint64 // idempotency key; zero for none
	state   ReservationState
	granted ReservationState // Held or Free
	why     string
	shadow  bool
	message uint32 // fingerprint of the message that was sent; once state is Confirmed, or was

	confirmed bool
	at        int                // in place.holds
	ending    spot[*reservation] // in limit.ending
	due       spot[*reservation] // in reservations.due

	// In milliseconds of log time.
	created int64
	expires int64 // until when the sender may begin to send
	next    int64 // when it ends or is forgotten
}

// In milliseconds.
const (
	unknownFor = int64(UnknownFor / time.Millisecond)
	keyKept    = int64(KeyKept / time.Millisecond)
	// endsEvery is how often reservations end: each up to as much later than it might, so that it costs little, and not all of a second at
	// once, for which everybody would wait.
	endsEvery = 100
)

// endsAt sets when it ends or is forgotten.
func (r *reservation) endsAt(at int64) { r.next = (at + endsEvery - 1) / endsEvery * endsEvery }

// sendBy is until when the sender may begin to send, Unix seconds: no later than that the hold ends.
func (r *reservation) sendBy() int64 { return r.expires / 1000 }

// gone is from when on it has ended or is forgotten, Unix seconds.
func (r *reservation) gone() int64 { return (r.next + 999) / 1000 }

// grantedBy says whether it was granted by a time, Unix seconds.
func (r *reservation) grantedBy(at int64) bool { return r.created/1000 <= at }

// mostReservations bounds the reservations of a number that are known: more than it can send in the default time by Meta's highest level,
// 1,000 messages a second.
const mostReservations = 1 << 20

// reservations are all that are known.
type reservations struct {
	byID  map[ReservationID]*reservation
	byKey map[uint64]*reservation
	due   queue[*reservation, byDue]
}

// add adds a new reservation.
func (all *reservations) add(r *reservation) {
	if all.byID == nil {
		all.byID, all.byKey = map[ReservationID]*reservation{}, map[uint64]*reservation{}
	}
	all.byID[r.id] = r
	r.number.reserved++
	if was := all.byKey[r.key]; r.key != 0 && (was == nil || was.compare(r) < 0) {
		all.byKey[r.key] = r
	}
	all.due.add(r)
}

// schedule sets when something happens to a reservation next.
func (m *Machine) schedule(r *reservation, at int64) {
	r.endsAt(at)
	m.gate.reservations.due.moved(r)
	l := m.limitOf(r.number)
	l.dirty = true
	if r.place != nil {
		l.ending.moved(r)
	}
}

// forget removes a reservation.
func (all *reservations) forget(r *reservation) {
	all.due.remove(r)
	delete(all.byID, r.id)
	r.number.reserved--
	if all.byKey[r.key] == r {
		delete(all.byKey, r.key)
	}
}

// with is the reservation that an idempotency key stands for; nil for none.
func (all *reservations) with(k uint64, now int64) *reservation {
	if r := all.byKey[k]; r != nil && now < r.created+keyKept {
		return r
	}
	return nil
}

// inOrder are all in a fixed order.
func (all *reservations) inOrder() []*reservation {
	return slices.SortedFunc(maps.Values(all.byID), (*reservation).compare)
}

// bySubject are all by the subjects of their limits, in a fixed order.
func (all *reservations) bySubject() map[string][]*reservation {
	of := map[string][]*reservation{}
	for _, r := range all.inOrder() {
		subject := r.number.limitSubject()
		of[subject] = append(of[subject], r)
	}
	return of
}

// unconfirmedEnds is when a reservation that holds a place and is not confirmed ends by itself. After the time to send its message may have
// been sent, and what may have been sent may be delivered.
func (r *reservation) unconfirmedEnds(release bool) int64 {
	if release {
		return r.expires
	}
	return r.expires + unknownFor
}

// forgotten is when an ended reservation is forgotten. Until then its operations are answered as before.
func (r *reservation) forgotten() int64 {
	if r.key != 0 {
		return max(r.expires, r.created+keyKept)
	}
	return r.expires
}

// end ends a reservation.
func (m *Machine) end(r *reservation) {
	if r.place != nil {
		m.limitOf(r.number).letGo(r)
	}
	r.state = Ended
	m.schedule(r, r.forgotten())
}

// endDue ends and forgets what is due by log time. It returns the numbers whose reservations ended.
func (m *Machine) endDue(about []string) []string {
	due := &m.gate.reservations.due
	for r, is := due.firstBy(m.time); is; r, is = due.firstBy(m.time) {
		if r.place == nil {
			m.limitOf(r.number).dirty = true
			m.gate.reservations.forget(r)
			continue
		}
		m.end(r)
		about = append(about, r.number.number)
	}
	return about
}

// confirm records which message was sent under a reservation. The message may be delivered or failed already.
func (m *Machine) confirm(o *Operation) Decision {
	r := m.gate.reservations.byID[o.ID]
	if r == nil {
		return Decision{ID: o.ID, State: Ended, Why: Unknown}
	}
	d := Decision{ID: r.id, Number: r.number.number, State: r.state, Expires: r.sendBy()}
	message := newFingerprint(o.Message)
	if r.confirmed {
		if r.message != message {
			d.Why = OtherMessage
		}
		return d
	}
	r.confirmed, r.message = true, message
	m.limitOf(r.number).dirty = true
	switch {
	case r.isSettled():
		m.end(r)
	case r.place != nil:
		r.state = Confirmed
		m.schedule(r, m.time+unknownFor)
	case r.state == Free:
		r.state = Confirmed
	}
	d.State = r.state
	return d
}

// isSettled says whether a reservation holds a place for a message that is delivered or failed.
func (r *reservation) isSettled() bool {
	return r.place != nil && r.confirmed && (slices.Contains(r.place.failed, r.message) || r.number.isDelivered(r.user, r.message))
}

// release ends a reservation under which nothing was sent.
func (m *Machine) release(o *Operation) Decision {
	r := m.gate.reservations.byID[o.ID]
	if r == nil {
		return Decision{ID: o.ID, State: Ended, Why: Unknown}
	}
	if r.state != Ended {
		m.end(r)
	}
	return Decision{ID: r.id, Number: r.number.number, State: Ended, Expires: r.sendBy()}
}

// mostFailed bounds the failed messages that a place remembers: of those that are confirmed after they failed.
const mostFailed = 8

// fail takes that a message failed. It ends the reservation that was confirmed with it; the message of one that is not confirmed yet may be
// this one. It reports whether that changed anything.
func (m *Machine) fail(l *limit, s *numberState, user key, message uint32) bool {
	p := l.places[user]
	if p == nil || len(p.holds) == 0 {
		return false
	}
	if r := p.confirmedWith(s, message); r != nil {
		m.end(r)
		return true
	}
	waits := slices.ContainsFunc(p.holds, func(r *reservation) bool { return r.number == s && !r.confirmed })
	if !waits || slices.Contains(p.failed, message) {
		return false
	}
	p.remember(message)
	l.dirty = true
	return true
}

// remember adds messages that failed.
func (p *place) remember(failed ...uint32) {
	for _, message := range failed {
		if !slices.Contains(p.failed, message) {
			p.failed = append(p.failed, message)
		}
	}
	p.failed = p.failed[max(0, len(p.failed)-mostFailed):]
}

// deliver takes that a message was delivered. It ends the reservation that was confirmed with it. A counted delivery that none was confirmed
// with ends the only one that is not confirmed. Of several it cannot be known which is of that message: they wait for their senders.
func (m *Machine) deliver(l *limit, s *numberState, user key, e *event, counted bool) bool {
	p := l.places[user]
	if p == nil {
		return false
	}
	r := p.confirmedWith(s, e.fingerprint)
	if r == nil && counted {
		r = p.unconfirmed(s, int64(e.at))
	}
	if r == nil {
		return false
	}
	m.end(r)
	return true
}

// confirmedWith is the first reservation of a number that was confirmed with a message; nil for none.
func (p *place) confirmedWith(s *numberState, message uint32) (first *reservation) {
	for _, r := range p.holds {
		if r.number == s && r.confirmed && r.message == message && (first == nil || r.compare(first) < 0) {
			first = r
		}
	}
	return first
}

// unconfirmed is the reservation of a number that is not confirmed and was granted by a time; nil for none, and for several: a hold that
// ended by the delivery of another's message would be lost.
func (p *place) unconfirmed(s *numberState, by int64) (only *reservation) {
	for _, r := range p.holds {
		if r.number != s || r.confirmed || !r.grantedBy(by) {
			continue
		}
		if only != nil {
			return nil
		}
		only = r
	}
	return only
}

func (r *reservation) compare(o *reservation) int {
	return cmp.Or(cmp.Compare(r.created, o.created), bytes.Compare(r.id[:], o.id[:]))
}

// byDue orders reservations by when something happens to them, among all that are known.
type byDue struct{}

func (byDue) when(r *reservation) int64               { return r.next }
func (byDue) spot(r *reservation) *spot[*reservation] { return &r.due }

// byEnding is as byDue, among those that hold places of one limit.
type byEnding struct{}

func (byEnding) when(r *reservation) int64               { return r.next }
func (byEnding) spot(r *reservation) *spot[*reservation] { return &r.ending }
