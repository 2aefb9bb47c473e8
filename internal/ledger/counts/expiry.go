package counts

import (
	"maps"
	"slices"

	"numberfleet.dev/numberfleet/internal/report"
)

// oldest returns the time of the earliest entry that is recorded at a time, Unix seconds.
func oldest(now int64) int64 { return now - int64((Kept + Lateness).Seconds()) }

// earliestNow returns a time that log time had reached when an event was recorded.
func earliestNow(at uint32) int64 { return int64(at) - int64(Ahead.Seconds()) }

// ensureSpan returns the shard of a user, swept if it could not hold a time otherwise.
func (s *numberState) ensureSpan(user key, at uint32) *shard {
	p := s.users.shard(user)
	if !p.spans(at) {
		s.raiseHorizon(oldest(earliestNow(at)))
		s.sweep(p, false)
		p.touch()
		p.horizon = s.horizon
	}
	return p
}

// raiseHorizon raises the horizon and forgets what is earlier, but for users' histories (see sweep).
func (s *numberState) raiseHorizon(horizon int64) {
	if horizon <= s.horizon {
		return
	}
	s.horizon = horizon
	s.series.drop(horizon)
	if s.portfolio != nil {
		s.portfolio.raiseHorizon(horizon)
	}
	s.forgetComplaints(horizon)
	maps.DeleteFunc(s.linked, func(_ key, at uint32) bool { return int64(at) < horizon })
	latest := map[report.Kind]int64{}
	for _, r := range s.reports {
		latest[r.Kind] = max(latest[r.Kind], r.At)
	}
	s.reports = slices.DeleteFunc(s.reports, func(r report.Report) bool { return r.At < horizon && r.At < latest[r.Kind] })
	s.dirty = true
}

// forgetComplaints forgets the complaints before the horizon. In a portfolio the same complaint may be left under another key, at
// a later time.
func (s *numberState) forgetComplaints(horizon int64) {
	var users []key
	for user, complaints := range s.complaints {
		if int64(complaints[0].at) < horizon {
			users = append(users, user)
		}
	}
	if len(users) > 0 {
		defer s.portfolio.beginAll(s, users...).end()
	}
	for _, user := range users {
		kept := slices.DeleteFunc(s.complaints[user], func(c delivery) bool { return int64(c.at) < horizon })
		s.complaints[user] = kept
		if len(kept) == 0 {
			delete(s.complaints, user)
		}
	}
}

// sweep forgets what has expired in a shard, and gives back its memory. With aliases it also removes aliases of users who are
// forgotten. That is not done while an event is recorded: the user of an alias that was just learned may follow.
func (s *numberState) sweep(p *shard, names bool) {
	stale := func(is slot) bool {
		if is.isAlias() {
			return names && s.isOrphanAlias(is)
		}
		return s.isStale(p, is)
	}
	if !slices.ContainsFunc(p.slots, stale) {
		return
	}
	if s.portfolio != nil {
		var users []key
		for _, is := range p.slots {
			if !is.empty() && !is.isAlias() && stale(is) {
				users = append(users, is.rank().key())
			}
		}
		defer s.portfolio.beginAll(s, users...).end()
	}
	p.touch()
	kept := make([]slot, 0, p.used)
	h := &s.scratch
	for _, is := range p.slots {
		switch {
		case is.empty():
			continue
		case !stale(is):
		case is.isAlias():
			continue
		default:
			s.load(p, is, h)
			h.trim(s.windows, s.horizon)
			if len(h.deliveries)+len(h.inbounds) == 0 {
				s.chats.setMessages(is.rank().key(), h)
				p.free(is)
				continue
			}
			s.after.reset()
			counted, opened := s.appendSamples(h, &s.after)
			is = s.storeSlot(p, is, h, counted, opened)
		}
		kept = append(kept, is)
	}
	p.layOut(kept, len(kept), capacityFor(len(kept)))
	p.compact()
	p.horizon = s.horizon
}

// sweepFrom sweeps the shard that has a key. It returns how many users were looked at, and where the next shard begins: zero at
// the end.
func (s *numberState) sweepFrom(from key, horizon int64) (looked int, next key) {
	s.raiseHorizon(horizon)
	if s.users.shards == nil {
		return 0, 0
	}
	p := s.users.shard(from)
	looked = p.used
	s.sweep(p, true)
	if next = p.end(); next <= keyMask {
		return looked, next
	}
	if s.chats.trim(s.windows, horizon) {
		s.dirty = true
	}
	if all := s.users.all(); len(all) > 1 && !slices.ContainsFunc(all, func(p *shard) bool { return p.used > 0 }) {
		s.users.clear(s.horizon)
	}
	return looked, 0
}

// isOrphanAlias reports whether nothing is known any more about the user that an alias refers to, neither here nor in the
// portfolio.
func (s *numberState) isOrphanAlias(is slot) bool {
	user := s.users.resolve(is.alias())
	return !s.knowsUser(user) && (s.portfolio == nil || !s.portfolio.knowsUser(user))
}

// isStale reports whether there may be something to forget about the user in a slot.
func (s *numberState) isStale(p *shard, is slot) bool {
	var d delivery
	var in uint32
	switch {
	case is.isOverflow():
		b := p.overflow(is)
		if b.deliveries() > 0 {
			d = b.delivery(0)
		}
		if b.inbounds() > 0 {
			in = b.inbound(0)
		}
	case is.inline():
		if is[1]&delivered != 0 {
			d = p.deliveryOf(is)
		}
		if is[1]&received != 0 {
			in = p.inboundOf(is)
		}
	}
	return d.at > 0 && int64(d.at) < s.horizon || in > 0 && int64(in) < s.windows.first(s.horizon)
}

// sweep is the progress of forgetting what has expired. Every six hours of log time it goes through all numbers and then all
// portfolios, in the order of their names. Each record that is applied advances it by some shards, so that none takes long. So
// what is forgotten follows from the log, too.
type sweep struct {
	begun      int64 // the horizon that it sweeps to; zero when none is under way
	done       int64 // the horizon that the last one swept to
	portfolios bool  // numbers are swept already
	name       string
	from       key // where it goes on in the table of name
}

const (
	sweepEvery = 6 * 60 * 60    // seconds
	sweepUsers = shardSlots / 2 // about as many users are looked at after one record
)

// sweepStep advances the sweep, and begins the next one when it is due.
func (m *Machine) sweepStep() {
	w := &m.sweep
	if w.begun == 0 {
		if w.done == m.horizon {
			return
		}
		*w = sweep{begun: m.horizon, done: w.done}
	}
	for left := sweepUsers; left > 0; {
		var looked int
		if looked, w.from = m.sweepShard(); w.from == 0 && !m.sweepNextName() {
			*w = sweep{done: w.begun}
			return
		}
		left -= max(looked, shardSlots/256)
	}
}

// sweepShard sweeps the next shard. It returns how many users were looked at, and where the following shard begins: zero at the
// end.
func (m *Machine) sweepShard() (looked int, next key) {
	if m.sweep.portfolios {
		if g := m.portfolios[m.sweep.name]; g != nil {
			return g.sweep(m.sweep.from)
		}
		return 0, 0
	}
	s := m.numbers[m.sweep.name]
	if s == nil || s.number != m.sweep.name {
		return 0, 0
	}
	s.lock()
	defer s.unlock()
	return s.sweepFrom(m.sweep.from, m.sweep.begun)
}

// sweepNextName goes on to the next name. It reports whether there is one.
func (m *Machine) sweepNextName() bool {
	w := &m.sweep
	if !w.portfolios {
		if w.name = nextName(m.sortedNumbers(), w.name); w.name != "" {
			return true
		}
		w.portfolios = true
	}
	w.name = nextName(slices.Sorted(maps.Keys(m.portfolios)), w.name)
	return w.name != ""
}

// nextName returns the first name after another, empty if there is none.
func nextName(sorted []string, name string) string {
	i, found := slices.BinarySearch(sorted, name)
	if found {
		i++
	}
	if i == len(sorted) {
		return ""
	}
	return sorted[i]
}
