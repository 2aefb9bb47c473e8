package counts

import (
	"slices"
	"strings"
	"time"
)

// Machine is the state machine of the ledger: what it knows follows from the records that were applied, in their order, and from
// nothing else. It does no I/O, starts no goroutine and has no clock: its time is that of the records (see advance).
//
// One goroutine at a time calls Apply, Capture and Capture.End. The methods of View and Capture.Rows are safe beside them.
type Machine struct {
	View
	position uint64 // of the last record that was applied
	time     int64  // log time, Unix milliseconds: the latest of the records' clocks
	horizon  int64  // Unix seconds: sweeps forget what is earlier
	sweep    sweep
	shared   shared
	removed  [][]byte // keys of numbers and portfolios that are gone since the last snapshot that was kept
	sorted   []string // cache of sortedNumbers, nil if it is to be made
}

// NewMachine makes a machine to which nothing was applied.
func NewMachine() *Machine {
	return &Machine{View: View{numbers: map[string]*numberState{}, displayed: map[string]string{}, portfolios: map[string]*portfolioState{}}}
}

// Position is that of the last record that was applied, zero if there was none.
func (m *Machine) Position() uint64 { return m.position }

// Time is log time: the latest of the records' clocks.
func (m *Machine) Time() time.Time { return time.UnixMilli(m.time) }

// Outcome counts what became of the entries and reports of a record.
type Outcome struct {
	// New changed something; Repeated were known already; Expired came too late and were dropped. A message that failed, and that
	// nobody waited for, is none of them.
	New, Repeated, Expired int
	// Ahead lie further ahead of log time than Ahead, and were not recorded: the clock of a shared log is behind. They are to be given again.
	Ahead int
}

// Add adds what became of others.
func (o *Outcome) Add(other Outcome) {
	o.New, o.Repeated, o.Expired, o.Ahead = o.New+other.New, o.Repeated+other.Repeated, o.Expired+other.Expired, o.Ahead+other.Ahead
}

func (o *Outcome) add(of result) {
	switch of {
	case changed:
		o.New++
	case expired:
		o.Expired++
	default:
		o.Repeated++
	}
}

// Applied is what became of a record.
type Applied struct {
	Outcome
	Decisions []Decision // of the operations, in their order
	Changed   []string   // the sorted subjects about which something changed
	Fenced    bool       // the record would control the machine, and its proposer does not lead: of that nothing was applied
}

// Apply applies the round at a position of the log, which is greater than that of the round before, and returns what became of its records:
// nil if the round is to have no effect (see shared.admit).
func (m *Machine) Apply(position uint64, r *Round) []Applied {
	m.position = position
	if !m.admit(r) {
		return nil
	}
	applied := make([]Applied, len(r.Records))
	for i, record := range r.Records {
		applied[i] = m.applyRecord(record, r)
	}
	return applied
}

func (m *Machine) applyRecord(r *Record, of *Round) Applied {
	m.advance(of.time(r.Clock))
	m.gate.mu.Lock()
	defer m.gate.mu.Unlock()
	var o Outcome
	var about []string
	for _, d := range r.Displays {
		about = m.display(d, about)
	}
	about = m.applyEntries(r.Entries, &o, about)
	for _, said := range r.Reports {
		s := m.ensure(said.Subject.String())
		s.lock()
		was := s.report(said, m.oldest())
		s.unlock()
		if o.add(was); was == changed {
			about = append(about, s.number)
		}
	}
	fenced := r.control() && of.Term != m.shared.terms[of.Cluster]
	if !fenced {
		r = m.owned(r, of.Cluster)
	}
	if !fenced {
		about = m.applyControl(r, about)
	}
	about = m.endDue(about)
	if !fenced {
		about = m.applySettings(&r.Settings, about)
	}
	var decisions []Decision
	for i := range r.Operations {
		d := m.decide(&r.Operations[i])
		if d.Number != "" && d.State != Refused {
			about = append(about, d.Number)
		}
		decisions = append(decisions, d)
	}
	m.sweepStep()
	slices.Sort(about)
	return Applied{Outcome: o, Decisions: decisions, Changed: slices.Compact(about), Fenced: fenced}
}

// applyControl sets windows, portfolios and claims.
func (m *Machine) applyControl(r *Record, about []string) []string {
	for _, w := range r.Windows {
		s := m.ensure(w.Number)
		s.lock()
		configured := s.configure(newWindowLengths(w.Windows))
		s.unlock()
		if configured {
			about = append(about, s.number)
			if l := m.limitOf(s); l.active() {
				l.refreshAll(m.now())
			}
		}
	}
	for _, p := range r.Portfolios {
		m.applyPortfolio(p)
	}
	for _, c := range r.Claims {
		about = m.claim(c, about)
	}
	for _, l := range r.links {
		if m.bind(l.name, m.ensure(l.number)) {
			about = append(about, l.number)
		}
	}
	return about
}

// applyEntries records entries, runs of entries about one number together.
func (m *Machine) applyEntries(rest []Entry, o *Outcome, about []string) []string {
	oldest, newest := m.oldest(), m.newest()
	counts := func(e *Entry) bool {
		switch {
		case e.At < oldest:
			o.Expired++
		case e.At > newest:
			o.Ahead++
		default:
			return true
		}
		return false
	}
	var some [prefetchSize]event
	for len(rest) > 0 {
		if !counts(&rest[0]) {
			rest = rest[1:]
			continue
		}
		name := rest[0].Number
		s := m.ensure(name)
		was := o.New
		l := m.limitOf(s)
		if l != nil {
			l.advance(m.now())
		}
		s.lock()
		for len(rest) > 0 && rest[0].Number == name {
			n := 0
			for ; n < len(some) && len(rest) > 0 && rest[0].Number == name; rest = rest[1:] {
				if !counts(&rest[0]) {
					continue
				}
				some[n] = newEvent(&rest[0])
				n++
			}
			s.prefetch(some[:n])
			for _, e := range some[:n] {
				is := m.recordEvent(s, l, e)
				if is == changed || e.kind != Failed { // nobody asked how many failed
					o.add(is)
				}
			}
		}
		s.unlock()
		if o.New > was {
			about = append(about, s.number)
		}
	}
	return about
}

// applyPortfolio sets the numbers of a portfolio. If they change, it looks at all users of the numbers.
func (m *Machine) applyPortfolio(p Portfolio) {
	name, numbers := PortfolioKey(p.Name), m.resolveAll(p.Numbers)
	g := m.portfolios[name]
	if g == nil {
		if len(numbers) == 0 {
			return
		}
		g = newPortfolioState(name)
	}
	if g.consistsOf(numbers) {
		return
	}
	members := make([]*numberState, 0, len(numbers))
	for _, number := range numbers {
		members = append(members, m.ensure(number))
	}
	limits := m.limitsOf(slices.Concat(g.members, members)...)
	if l := m.gate.limits[name]; l != nil && !slices.Contains(limits, l) {
		limits = append(limits, l)
	}
	for _, s := range members {
		if s.portfolio != nil && s.portfolio != g {
			s.portfolio.remove(s)
		}
	}
	g.set(members)
	m.mu.Lock()
	if m.portfolios[name] = g; len(members) == 0 {
		delete(m.portfolios, name)
		m.removed = append(m.removed, portfolioKey(name))
	}
	m.mu.Unlock()
	m.regroup(limits, nil, nil)
}

// ensure returns the state of a number, a new one if nothing is known about it.
func (m *Machine) ensure(number string) *numberState {
	if s := m.numbers[number]; s != nil { // nobody else writes
		return s
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := newNumberState(strings.Clone(number), m.horizon)
	m.numbers[s.number] = s
	m.sorted = nil
	return s
}

// sortedNumbers returns all numbers in order, without aliases.
func (m *Machine) sortedNumbers() []string {
	if m.sorted == nil {
		for name, s := range m.numbers {
			if s.number == name {
				m.sorted = append(m.sorted, name)
			}
		}
		slices.Sort(m.sorted)
	}
	return m.sorted
}

// oldest returns the time of the earliest entry or report that is recorded, Unix seconds.
func (m *Machine) oldest() int64 { return oldest(m.time / 1000) }

// newest returns the time of the latest entry that is recorded. A proposer takes none further ahead of its clock, which log time is behind
// only where the clock of a shared log is.
func (m *Machine) newest() int64 { return m.time/1000 + int64(Ahead/time.Second) }

// advance moves log time to the clock of a record. Log time never goes back. So whether an entry is too late follows from the
// log.
func (m *Machine) advance(clock int64) {
	if clock <= m.time {
		return
	}
	m.time = clock
	if oldest := m.oldest(); m.horizon == 0 || oldest-m.horizon >= sweepEvery {
		m.horizon = oldest
	}
}
