package counts

import (
	"bytes"
	"time"
)

// Reservation is one that was granted.
type Reservation struct {
	ID      ReservationID
	Number  string // the own name of the number that is to send
	State   ReservationState
	Expires time.Time // until when the sender may begin to send
}

// Holds says how the reservations of a limit stand.
type Holds struct {
	Open    int64     // that hold a place
	Unknown int64     // of these: past their time to send and not confirmed
	Oldest  time.Time // when the oldest of them was granted; zero for none
}

// readLimit calls with the limit of a subject, unless there is none.
func (v *View) readLimit(subject string, call func(*limit)) {
	if s := v.number(subject); s != nil {
		subject = s.number
	}
	v.gate.mu.RLock()
	defer v.gate.mu.RUnlock()
	if l := v.gate.limits[subject]; l != nil {
		call(l)
	}
}

// LimitOwner is the subject whose limit a number's messages fall under: the number itself, or its portfolio.
func (v *View) LimitOwner(number string) string {
	s := v.number(number)
	if s == nil {
		return number
	}
	v.gate.mu.RLock()
	defer v.gate.mu.RUnlock()
	return s.limitSubject()
}

// Reserved is how many places of a limit are held at a time for users who are not counted.
func (v *View) Reserved(subject string, now time.Time) (held int64) {
	v.readLimit(subject, func(l *limit) { held = l.at(now.Unix()).held })
	return held
}

// NumberReserved is how many of the places that are held were taken for messages of a number, whoever has the limit.
func (v *View) NumberReserved(number string, now time.Time) (held int64) {
	s := v.number(number)
	if s == nil {
		return 0
	}
	v.readLimit(v.LimitOwner(number), func(l *limit) {
		held = l.heldBy[s]
		for p := range l.left(now.Unix()) {
			if p.number == s && len(p.holds) > 0 {
				held++
			}
		}
	})
	return held
}

// Budgets are how the budgets of a limit stand at a time, in the order of the setting.
func (v *View) Budgets(subject string, now time.Time) (all []BudgetUse) {
	v.readLimit(subject, func(l *limit) {
		l = l.at(now.Unix())
		for i := range l.budgets {
			all = append(all, l.budgetUse(i))
		}
	})
	return all
}

// Reservation is the one with an id; false where there is none, or none any more.
func (v *View) Reservation(id ReservationID) (Reservation, bool) {
	v.gate.mu.RLock()
	defer v.gate.mu.RUnlock()
	r := v.gate.reservations.byID[id]
	if r == nil {
		return Reservation{}, false
	}
	return Reservation{ID: r.id, Number: r.number.number, State: r.state, Expires: time.Unix(r.sendBy(), 0).UTC()}, true
}

// Holds are the reservations of a limit.
func (v *View) Holds(subject string, now time.Time) (h Holds) {
	v.readLimit(subject, func(l *limit) {
		oldest := int64(0)
		for r := range l.ending.all() {
			h.Open++
			if !r.confirmed && r.expires <= now.UnixMilli() {
				h.Unknown++
			}
			if oldest == 0 || r.created < oldest {
				oldest = r.created
			}
		}
		if oldest != 0 {
			h.Oldest = time.UnixMilli(oldest).UTC()
		}
	})
	return h
}

// EndsBy says whether a reservation ends, or is forgotten, by itself by a time.
func (v *View) EndsBy(now time.Time) bool {
	v.gate.mu.RLock()
	defer v.gate.mu.RUnlock()
	_, ends := v.gate.reservations.due.firstBy(now.UnixMilli())
	return ends
}

// HasLimit says whether a subject has a limit, as a LimitSetting has one.
func (v *View) HasLimit(subject string) bool {
	v.gate.mu.RLock()
	defer v.gate.mu.RUnlock()
	return v.gate.limits[subject].isSet()
}

// Changes are the settings that differ from those that are known, or that the cluster does not own yet.
func (v *View) Changes(s Settings, cluster string) (some Settings) {
	v.gate.mu.RLock()
	defer v.gate.mu.RUnlock()
	v.mu.RLock()
	defer v.mu.RUnlock()
	o := v.gate.owners
	for _, set := range s.Limits {
		subject := v.resolved(set.Subject)
		l := v.gate.limits[subject]
		if !o.foreign(subject, cluster) && (set.Removed && l.isSet() || !set.Removed && (o.free(subject, cluster) || !l.isSet() || !l.setting.equal(&set))) {
			some.Limits = append(some.Limits, set)
		}
	}
	for _, set := range s.Senders {
		var known *SenderSetting
		if n := v.numbers[set.Number]; n != nil {
			known = n.sender
		}
		subject := v.resolved(set.Number)
		if !o.foreign(subject, cluster) && (set.Removed && known != nil || !set.Removed && (o.free(subject, cluster) || known == nil || *known != set)) {
			some.Senders = append(some.Senders, set)
		}
	}
	for _, set := range s.Templates {
		known, found := v.gate.templates[set.Name]
		if set.Removed && found || !set.Removed && (!found || known != set) {
			some.Templates = append(some.Templates, set)
		}
	}
	for _, set := range s.Pools {
		known, found := v.gate.pools[set.Name]
		if set.Removed && found || !set.Removed && (!found || !bytes.Equal(set.appendRow(nil), known.appendRow(nil))) {
			some.Pools = append(some.Pools, set)
		}
	}
	return some
}

// Settings are all that are known, in no order.
func (v *View) Settings() (s Settings) {
	v.gate.mu.RLock()
	defer v.gate.mu.RUnlock()
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, l := range v.gate.limits {
		if l.isSet() {
			s.Limits = append(s.Limits, l.setting)
		}
	}
	for name, n := range v.numbers {
		if n.sender != nil && name == n.number {
			s.Senders = append(s.Senders, *n.sender)
		}
	}
	for _, t := range v.gate.templates {
		s.Templates = append(s.Templates, t)
	}
	for _, p := range v.gate.pools {
		s.Pools = append(s.Pools, p)
	}
	return s
}
