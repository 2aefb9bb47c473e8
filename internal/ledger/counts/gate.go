package counts

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// gate is what reservations are decided by, and those that are known. The machine alone writes; it holds mu while it applies a record that
// may change anything of it, before it locks any number.
type gate struct {
	mu           sync.RWMutex
	limits       map[string]*limit // by their subjects
	templates    map[string]TemplateSetting
	pools        map[string]PoolSetting
	reservations reservations
	owners       owners
}

// now is log time in Unix seconds.
func (m *Machine) now() int64 { return m.time / 1000 }

// limitOf is the limit that a number's messages fall under; nil if there is none.
func (v *View) limitOf(s *numberState) *limit {
	if s.portfolio != nil {
		return s.portfolio.limit
	}
	return s.limit
}

// ensureLimit is the limit of a subject, a new one without a setting if there is none.
func (m *Machine) ensureLimit(subject string) *limit {
	l := m.gate.limits[subject]
	if l == nil {
		l = &limit{subject: subject, heldBy: map[*numberState]int64{}, dirty: true}
		if m.gate.limits == nil {
			m.gate.limits = map[string]*limit{}
		}
		m.gate.limits[subject] = l
	}
	m.attach(l)
	return l
}

// attach makes a limit that of its subject. The limit of a number that shares another has no users.
func (m *Machine) attach(l *limit) {
	l.users = nil
	if g := m.portfolios[l.subject]; g != nil {
		l.users, g.limit = g, l
	} else if s := m.numbers[l.subject]; s != nil && s.number == l.subject {
		if s.limit = l; s.portfolio == nil {
			l.users = s
		}
	}
}

// applySettings takes settings. Reservations that are granted stand.
func (m *Machine) applySettings(settings *Settings, about []string) []string {
	for _, t := range settings.Templates {
		if m.gate.templates == nil {
			m.gate.templates = map[string]TemplateSetting{}
		}
		if m.gate.templates[t.Name] = t; t.Removed {
			delete(m.gate.templates, t.Name)
		}
	}
	for _, p := range settings.Pools {
		if m.gate.pools == nil {
			m.gate.pools = map[string]PoolSetting{}
		}
		if m.gate.pools[p.Name] = p; p.Removed {
			delete(m.gate.pools, p.Name)
		}
	}
	for i := range settings.Senders {
		n := &settings.Senders[i]
		s := m.ensure(n.Number)
		was := s.namespace()
		s.sender, s.dirty = new(*n), true
		if n.Removed {
			s.sender, about = nil, append(about, s.number) // another cluster may have a resource for it
		}
		if l := m.limitOf(s); l.active() && s.namespace() != was {
			l.recount()
		}
	}
	for i := range settings.Limits {
		set := settings.Limits[i]
		subject := set.Subject
		if s := m.numbers[subject]; s != nil {
			subject = s.number
		}
		switch {
		case set.Removed && m.gate.limits[subject] == nil:
			continue
		case set.Removed:
			set = LimitSetting{}
		case !strings.HasPrefix(subject, portfolioPrefix):
			m.ensure(subject)
		}
		l := m.ensureLimit(subject)
		released := l.setting.ReleaseUnconfirmed != set.ReleaseUnconfirmed
		l.setting = set
		l.recount()
		l.refreshAll(m.now())
		if released {
			for _, r := range slices.Collect(l.ending.all()) {
				if !r.confirmed {
					m.schedule(r, r.unconfirmedEnds(set.ReleaseUnconfirmed))
				}
			}
		}
		about = append(about, subject)
	}
	return about
}

// recordEvent records an event of a number, and what becomes of the places of its limit, which may be nil.
func (m *Machine) recordEvent(s *numberState, l *limit, e event) result {
	if !l.active() {
		return s.record(e)
	}
	before, other := l.users.canonical(e.user, s), key(0)
	if e.alias != 0 {
		other = l.users.canonical(e.alias, s)
	}
	again := e.kind == Delivered && (s.isDelivered(e.user, e.fingerprint) || e.alias != 0 && s.isDelivered(e.alias, e.fingerprint))
	is := s.record(e)
	user := l.users.canonical(e.user, s)
	l.rename(before, user)
	l.rename(other, user)
	l.refresh(user, s, e.category, m.now())
	ended := false
	switch e.kind {
	case Failed:
		ended = m.fail(l, s, user, e.fingerprint)
	case Delivered:
		ended = m.deliver(l, s, user, &e, !again && is == changed && s.countsMessage(e.user, e.fingerprint))
	case Received:
		for _, participant := range slices.Sorted(maps.Keys(s.chats.of[e.chat])) {
			l.refresh(l.users.canonical(participant, s), s, NoCategory, m.now())
		}
	case Complained, AliasLinked, Replied: // concern no reservation
	}
	if ended {
		return max(is, changed)
	}
	return is
}

// regroup gives the places of limits to the limits that their numbers have now, after numbers have come to portfolios or left them. What one
// number was known as is another.
func (m *Machine) regroup(limits []*limit, from, to *numberState) {
	is := func(s *numberState) *numberState {
		if s == from {
			return to
		}
		return s
	}
	var places []*place
	for _, l := range limits {
		m.attach(l)
		places = append(places, l.placesByUser()...)
		l.places, l.leaving, l.ending = nil, queue[*place, byLeaving]{}, queue[*reservation, byEnding]{}
		l.recount()
	}
	for _, r := range m.gate.reservations.byID {
		r.number.reserved--
		r.number = is(r.number)
		r.number.reserved++
		m.ensureLimit(r.number.limitSubject()).dirty = true // its row has the reservation from now on
	}
	affected := map[*limit]bool{}
	for _, l := range limits {
		affected[l] = true
	}
	for _, p := range places {
		p.number = is(p.number)
		slices.SortFunc(p.holds, (*reservation).compare)
		for _, r := range p.holds {
			l := m.ensureLimit(r.number.limitSubject())
			m.holdAt(l, r, p)
			if !r.confirmed {
				m.schedule(r, r.unconfirmedEnds(l.setting.ReleaseUnconfirmed))
			}
			affected[l] = true
		}
		if l := m.limitOf(p.number); l.active() {
			l.refresh(l.users.canonical(p.user, p.number), p.number, p.category, m.now())
		}
	}
	for l := range affected {
		l.recount()
		l.refreshAll(m.now())
	}
}

// holdAt has a reservation hold a place of the limit that its number has now, for which it held another one before.
func (m *Machine) holdAt(l *limit, r *reservation, before *place) {
	user := l.users.canonical(r.user, r.number)
	p := l.places[user]
	if p == nil {
		by := before.number
		if m.limitOf(by) != l {
			by = r.number // each limit has the places of its own numbers
		}
		p = l.take(user, by, before.category, l.countedUntil(user, r.number, m.now()))
	}
	l.hold(p, r)
	p.remember(before.failed...)
}

// inherit gives to a number what another had of the gate that is the same number.
func (m *Machine) inherit(from, to *numberState, limits []*limit) {
	if to.sender == nil && from.sender != nil {
		to.sender, to.dirty = from.sender, true
	}
	if from.limit.isSet() && !to.limit.isSet() {
		l := m.ensureLimit(to.number)
		l.setting = from.limit.setting
		limits = append(limits, l)
	}
	m.regroup(limits, from, to)
	if from.limit != nil {
		delete(m.gate.limits, from.number)
		m.removed = append(m.removed, limitKey(from.number))
	}
}

// limitSubject is the subject whose limit a number's messages fall under.
func (s *numberState) limitSubject() string {
	if s.portfolio != nil {
		return s.portfolio.subject
	}
	return s.number
}

// namespace is that of the number's resource; empty where there is none.
func (s *numberState) namespace() string {
	if s.sender == nil {
		return ""
	}
	return s.sender.Namespace
}

// limitsOf are the limits of some numbers, their own and those that they share, each once.
func (m *Machine) limitsOf(numbers ...*numberState) (all []*limit) {
	for _, s := range numbers {
		for _, l := range []*limit{m.limitOf(s), s.limit} {
			if l != nil && !slices.Contains(all, l) {
				all = append(all, l)
			}
		}
	}
	return all
}
