package counts

import (
	"slices"
	"sort"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// line tells the timelines of a number or a group apart.
type seriesKind uint8

const (
	countedSeries   seriesKind = iota // counted deliveries
	reachedSeries                     // deliveries of any kind, where Windows.Reach asks for them
	complaintSeries                   // complaints
	seriesKinds
)

// statistic is what of a timeline is counted.
type statistic uint8

const (
	everySample         statistic = iota
	distinctUsers                 // points that the same user has no later one than
	openedConversations           // points that are not inside a conversation
)

// lineOf is the timeline that answers a measure, and what of it the measure counts: distinct users by the time of their last point up to
// the instant that is asked about, conversations by the time they were opened, or messages.
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

// timelines are all that belong to a number or a group.
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

// points are some of the points of each timeline.
type samples [seriesKinds][]sample

func (p *samples) reset() {
	for i := range p {
		p[i] = p[i][:0]
	}
}

// since are those of one user that are not before a time.
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

// subject is what can be asked for counts: a number or a group.
type counter interface {
	rlock()
	runlock()
	allSeries() *seriesSet

	// again calls with the users who are not on the timeline in (from, to], as it knows only which point is a user's last of
	// all: theirs came after to. Each comes with the last one up to then.
	supersededBefore(on seriesKind, from, to int64, call func(at uint32))

	// complained calls with every complaint and its user.
	eachComplaint(call func(user key, c delivery))
}

// count is how many points lie in (from, to]. Users are those whose last point up to then lies there.
func count(s counter, measure v1alpha1.Measure, from, to int64) int64 {
	on, statistic := seriesFor(measure)
	n := s.allSeries()[on].count(statistic, from, to)
	eachSupersededBefore(s, on, statistic, from, to, func(uint32) { n++ })
	return n
}

// nth is the time of the nth point in (from, to], of which there are as many at least.
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

// pointedAgain is subject.again where there can be such users. There are none in the common case, in which to is now.
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
	var h history // not the scope's, as many ask at once
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
