package counts

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// View answers what follows from the records that a Machine applied. Its methods are safe for concurrent use, also beside Apply; each
// answers for one moment of one subject, and hands out nothing that changes later.
//
// A subject is a number, under any of its names, or GroupSubject of a portfolio. Of an unknown one every count is zero.
type View struct {
	mu         sync.RWMutex               // guards the maps; the machine alone writes to them
	numbers    map[string]*numberState    // by their numbers, and by all other names of these
	displayed  map[string]string          // numbers in E.164, by Meta's ids
	portfolios map[string]*portfolioState // by their subjects

	gate gate

	present atomic.Int64 // log time, Unix milliseconds, see PresentSince; zero where the log never was shared
}

// Break is how long nobody may be there to receive and still count as present: senders try again, and within about twice that time they
// have.
const Break = time.Hour

// PresentSince is since when somebody has been there to receive, without a longer break than Break: of those who share a log, each that can
// receive proposes a round every second. It says nothing where the log is not shared.
func (v *View) PresentSince() time.Time { return time.UnixMilli(v.present.Load()).UTC() }

// number returns the state of a number, nil if nothing is known about it.
func (v *View) number(number string) *numberState {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.numbers[number]
}

// read calls with the state of a subject, locked for reading, unless nothing is known about it.
func (v *View) read(subject string, call func(counter)) {
	v.mu.RLock()
	s, g := v.numbers[subject], v.portfolios[subject]
	v.mu.RUnlock()
	var c counter = g
	switch {
	case g != nil:
	case s != nil:
		c = s
	default:
		return
	}
	c.rlock()
	defer c.runlock()
	call(c)
}

// Count returns how much of a measure lies in (from, to], as it stood at to: what happened later is no part of it. If there was more about some
// users after to, distinct users take a look at every user of the subject.
func (v *View) Count(subject string, measure v1alpha1.Measure, from, to time.Time) (n int64) {
	v.read(subject, func(c counter) { n = count(c, measure, from.Unix(), to.Unix()) })
	return n
}

// Nth returns the time of the nth event of a measure in (from, to], the first being 1; zero if there are fewer. Events are all deliveries for
// MeasureReached, complaints for MeasureComplaining, and else counted deliveries.
func (v *View) Nth(subject string, measure v1alpha1.Measure, n int64, from, to time.Time) (at time.Time) {
	v.read(subject, func(c counter) {
		on, _ := seriesFor(measure)
		l := &c.allSeries()[on]
		if n < 1 || n > l.count(everySample, from.Unix(), to.Unix()) {
			return
		}
		second, _ := l.nth(everySample, from.Unix(), n)
		at = instant(second)
	})
	return at
}

// Last returns the time of the last event of a measure in (from, to], as Nth has them; zero if there is none.
func (v *View) Last(subject string, measure v1alpha1.Measure, from, to time.Time) (at time.Time) {
	v.read(subject, func(c counter) {
		on, _ := seriesFor(measure)
		if second, found := c.allSeries()[on].last(from.Unix(), to.Unix()); found {
			at = instant(second)
		}
	})
	return at
}

func instant(at uint32) time.Time { return time.Unix(int64(at), 0).UTC() }

// FallsBelow returns the first instant t at or after now at which Count(subject, measure, t-window, t) < limit, if nothing happens after now;
// zero if limit is not positive.
func (v *View) FallsBelow(subject string, measure v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time {
	if limit <= 0 {
		return time.Time{}
	}
	falls := now
	v.read(subject, func(c counter) {
		from, to := now.Add(-window).Unix(), now.Unix()
		if excess := count(c, measure, from, to) - limit + 1; excess > 0 {
			falls = instant(nth(c, measure, from, to, excess)).Add(window)
		}
	})
	return falls
}

// NextExpiry returns the first instant after now at which any count over one of the windows falls by itself; zero if there is none.
func (v *View) NextExpiry(subject string, now time.Time, windows ...time.Duration) (next time.Time) {
	v.read(subject, func(c counter) {
		for _, window := range windows {
			for i := range c.allSeries() {
				at, found := c.allSeries()[i].nth(everySample, now.Add(-window).Unix(), 1)
				if !found {
					continue
				}
				if leaves := instant(at).Add(window); next.IsZero() || leaves.Before(next) {
					next = leaves
				}
			}
		}
	})
	return next
}

// Feedback returns what users did in (from, to] and why, the most frequent first.
func (v *View) Feedback(subject string, from, to time.Time) (all []Insight) {
	v.read(subject, func(c counter) { all = insights(c, from.Unix(), to.Unix()) })
	return all
}

// Activity is when something last happened between the number and a user, by its own time, and on how many days of 24 hours up to then
// something did, one day before the other, by the hour and at most ten; zero if nothing ever did.
func (v *View) Activity(number string) (last time.Time, days int) {
	s := v.number(number)
	if s == nil {
		return time.Time{}, 0
	}
	s.rlock()
	defer s.runlock()
	if s.activity.last == 0 {
		return time.Time{}, 0
	}
	return instant(s.activity.last), s.activity.days()
}

// Deliveries is how many messages were delivered in (from, to], each counted once, in a customer service window or not. It looks at
// every user of the number, some thousands at a time, so that no record waits for long.
func (v *View) Deliveries(number string, from, to time.Time) int64 {
	s := v.number(number)
	if s == nil {
		return 0
	}
	var n int64
	for next := key(0); next <= keyMask; {
		s.rlock()
		if s.users.shards == nil {
			s.runlock()
			return 0
		}
		p := s.users.shard(next)
		n += p.deliveriesWithin(from.Unix(), to.Unix())
		next = p.end() // where the next shard begins, be it that this one is split meanwhile
		s.runlock()
	}
	return n
}

// Reports are the reports about the subject with a sequence after the given one, by sequence. They are kept as long as entries are, but
// for the last of each kind, which stays; at most 1,024 of a kind about a subject.
func (v *View) Reports(subject report.Subject, after int64) []report.Report {
	s := v.number(subject.String())
	if s == nil {
		return nil
	}
	s.rlock()
	defer s.runlock()
	i, _ := slices.BinarySearchFunc(s.reports, after+1, func(r report.Report, sequence int64) int { return int(r.Sequence - sequence) })
	return slices.Clone(s.reports[i:])
}

// LastReport is the sequence number of the subject's last report; zero if it never had one. It never falls.
func (v *View) LastReport(subject report.Subject) int64 {
	s := v.number(subject.String())
	if s == nil {
		return 0
	}
	s.rlock()
	defer s.runlock()
	return s.sequence
}

// Known says whether anything is known about the subject: of a number an entry or a report, of a portfolio which numbers it has. Windows
// alone do not make a number known.
func (v *View) Known(subject string) bool {
	v.mu.RLock()
	s, g := v.numbers[subject], v.portfolios[subject]
	v.mu.RUnlock()
	if s == nil {
		return g != nil
	}
	s.rlock()
	defer s.runlock()
	return s.known()
}

// Numbers are all numbers, and other subjects of reports, that are known, in order.
func (v *View) Numbers() []string {
	v.mu.RLock()
	all := slices.Collect(maps.Values(v.numbers))
	v.mu.RUnlock()
	var numbers []string
	for _, s := range all {
		s.rlock()
		if s.known() {
			numbers = append(numbers, s.number)
		}
		s.runlock()
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// Windows are those of a number.
func (v *View) Windows(number string) Windows {
	s := v.number(number)
	if s == nil {
		return DefaultWindows
	}
	s.rlock()
	defer s.runlock()
	return s.windows.windows()
}

// Portfolios are the names of all portfolios, in order.
func (v *View) Portfolios() []string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var names []string
	for subject := range v.portfolios {
		names = append(names, strings.TrimPrefix(subject, PortfolioKey("")))
	}
	slices.Sort(names)
	return names
}

// HasPortfolio says whether what a cluster gave a portfolio are just these numbers, but for those that others set. One without numbers is none.
func (v *View) HasPortfolio(p Portfolio, cluster string) bool {
	v.gate.mu.RLock()
	defer v.gate.mu.RUnlock()
	v.mu.RLock()
	defer v.mu.RUnlock()
	g := v.portfolios[PortfolioKey(p.Name)]
	if g == nil {
		return len(p.Numbers) == 0
	}
	g.rlock()
	defer g.runlock()
	numbers := slices.DeleteFunc(slices.Clone(p.Numbers), func(number string) bool { return v.gate.owners.foreign(v.resolved(number), cluster) })
	if slices.ContainsFunc(numbers, func(number string) bool { return v.gate.owners.free(v.resolved(number), cluster) }) {
		return false // the cluster is to own them
	}
	return g.consistsOf(v.resolveNames(v.withForeign(Portfolio{Name: p.Name, Numbers: numbers}, cluster).Numbers))
}
