package counts

import (
	"slices"
	"sort"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// seriesKind distinguishes the series of a number or a portfolio.
type seriesKind uint8

const (
	countedSeries   seriesKind = iota // counted deliveries
	reachedSeries                     // deliveries of any kind, where Windows.Reach asks for them
	complaintSeries                   // complaints
	seriesKinds
)

// statistic is what of a series is counted.
type statistic uint8

const (
	everySample         statistic = iota
	distinctUsers                 // samples that the same user has no later one than
	openedConversations           // samples that are not inside a conversation
)

// seriesFor returns the series that a measure looks at, and the statistic: distinct users by the time of their last sample,
// conversations by the time they were opened, or messages.
func seriesFor(measure v1alpha1.Measure) (seriesKind, statistic) {
	switch measure {
	case v1alpha1.MeasureReached:
		return reachedSeries, distinctUsers
	case v1alpha1.MeasureComplaining:
		return complaintSeries, distinctUsers
	case v1alpha1.MeasureMessages:
		return countedSeries, everySample
	case v1alpha1.MeasureConversations:
		return countedSeries, openedConversations
	default:
		return countedSeries, distinctUsers
	}
}

// seriesSet is all series of a number or a portfolio.
type seriesSet [seriesKinds]series

func (l *seriesSet) replace(before, after *samples) {
	for i := range l {
		l[i].replace(before[i], after[i])
	}
}

func (l *seriesSet) drop(before int64) {
	for i := range l {
		l[i].drop(before)
	}
}

func (l *seriesSet) fill(from *samples) {
	for i := range l {
		l[i].fill(from[i])
	}
}

// samples are samples of each series.
type samples [seriesKinds][]sample

func (p *samples) reset() {
	for i := range p {
		p[i] = p[i][:0]
	}
}

// since returns the samples of one user that are not before a time.
func (p *samples) since(horizon int64) (some samples) {
	for i, all := range p {
		for len(all) > 0 && int64(all[0].at()) < horizon {
			all = all[1:]
		}
		some[i] = all
	}
	return some
}

func (p *samples) size() (n int) {
	for i := range p {
		n += len(p[i])
	}
	return n
}

// counter answers counts: a number or a portfolio. It is locked for reading.
type counter interface {
	rlock()
	runlock()
	allSeries() *seriesSet

	// supersededBefore calls with the last sample in (from, to] of each user who has a later one after to. In the series it is marked as
	// superseded, since the series only knows a user's last sample of all.
	supersededBefore(on seriesKind, from, to int64, call func(at uint32))

	// eachComplaint calls with every complaint and its user.
	eachComplaint(call func(user key, c delivery))
}

// count returns how much of a measure lies in (from, to], as it stood at to.
func count(s counter, measure v1alpha1.Measure, from, to int64) int64 {
	on, statistic := seriesFor(measure)
	n := s.allSeries()[on].count(statistic, from, to)
	eachSupersededBefore(s, on, statistic, from, to, func(uint32) { n++ })
	return n
}

// nth returns the time of the nth of what count counts. There must be as many.
func nth(s counter, measure v1alpha1.Measure, from, to, n int64) uint32 {
	on, statistic := seriesFor(measure)
	l := &s.allSeries()[on]
	var again []uint32
	eachSupersededBefore(s, on, statistic, from, to, func(at uint32) { again = append(again, at) })
	if len(again) == 0 {
		at, _ := l.nth(statistic, from, n)
		return at
	}
	slices.Sort(again)
	seconds := sort.Search(int(to-from), func(i int) bool {
		until := from + int64(i)
		behind, _ := slices.BinarySearchFunc(again, until+1, func(at uint32, t int64) int { return int(int64(at) - t) })
		return l.count(statistic, from, until)+int64(behind) >= n
	})
	return uint32(from + int64(seconds))
}

// eachSupersededBefore calls counter.supersededBefore if there can be such users. There are none in the common case, in which to is now.
func eachSupersededBefore(s counter, on seriesKind, of statistic, from, to int64, call func(at uint32)) {
	l := &s.allSeries()[on]
	if of != distinctUsers || l.count(distinctUsers, from, to) == l.count(everySample, from, to) {
		return
	}
	if _, later := l.nth(everySample, to, 1); later {
		s.supersededBefore(on, from, to, call)
	}
}

func (s *numberState) supersededBefore(on seriesKind, from, to int64, call func(at uint32)) {
	found := func(at uint32) {
		if at > 0 && int64(at) > from {
			call(at)
		}
	}
	if on == complaintSeries {
		for _, complaints := range s.complaints {
			found(lastBefore(complaints, to))
		}
		return
	}
	var h history // not the writer's: there are many readers
	for _, p := range s.users.all() {
		for _, is := range p.slots {
			if !is.isOverflow() || int64(p.lastDelivery(is)) <= to || on == countedSeries && int64(p.overflow(is)[overflowCounted]) <= to {
				continue
			}
			s.load(p, is, &h)
			found(h.lastBefore(on, s.windows, to))
		}
	}
}
