package counts

import (
	"slices"
	"sort"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// line tells the timelines of a number or a group apart.
type line uint8

const (
	countedLine   line = iota // counted deliveries
	reachedLine               // deliveries of any kind, where Windows.Reach asks for them
	complaintLine             // complaints
	lineKinds
)

// statistic is what of a timeline is counted.
type statistic uint8

const (
	eachPoint        statistic = iota
	eachUser                   // points that the same user has no later one than
	eachConversation           // points that are not inside a conversation
)

// lineOf is the timeline that answers a measure, and what of it the measure counts: distinct users by the time of their last point up to
// the instant that is asked about, conversations by the time they were opened, or messages.
func lineOf(measure v1alpha1.Measure) (line, statistic) {
	switch measure {
	case v1alpha1.MeasureReached:
		return reachedLine, eachUser
	case v1alpha1.MeasureComplaining:
		return complaintLine, eachUser
	case v1alpha1.MeasureMessages:
		return countedLine, eachPoint
	case v1alpha1.MeasureConversations:
		return countedLine, eachConversation
	default:
		return countedLine, eachUser
	}
}

// timelines are all that belong to a number or a group.
type timelines [lineKinds]timeline

func (l *timelines) replace(before, after *points) {
	for i := range l {
		l[i].replace(before[i], after[i])
	}
}

func (l *timelines) drop(before int64) {
	for i := range l {
		l[i].drop(before)
	}
}

func (l *timelines) fill(from *points) {
	for i := range l {
		l[i].fill(from[i])
	}
}

// points are some of the points of each timeline.
type points [lineKinds][]point

func (p *points) reset() {
	for i := range p {
		p[i] = p[i][:0]
	}
}

// since are those of one user that are not before a time.
func (p *points) since(horizon int64) (some points) {
	for i, all := range p {
		for len(all) > 0 && int64(all[0].at()) < horizon {
			all = all[1:]
		}
		some[i] = all
	}
	return some
}

func (p *points) size() (n int) {
	for i := range p {
		n += len(p[i])
	}
	return n
}

// subject is what can be asked for counts: a number or a group.
type subject interface {
	rlock()
	runlock()
	timelines() *timelines

	// again calls with the users who are not on the timeline in (from, to], as it knows only which point is a user's last of
	// all: theirs came after to. Each comes with the last one up to then.
	again(on line, from, to int64, call func(at uint32))

	// complained calls with every complaint and its user.
	complained(call func(user key, c delivery))
}

// count is how many points lie in (from, to]. Users are those whose last point up to then lies there.
func count(s subject, measure v1alpha1.Measure, from, to int64) int64 {
	on, statistic := lineOf(measure)
	n := s.timelines()[on].count(statistic, from, to)
	pointedAgain(s, on, statistic, from, to, func(uint32) { n++ })
	return n
}

// nth is the time of the nth point in (from, to], of which there are as many at least.
func nth(s subject, measure v1alpha1.Measure, from, to, n int64) uint32 {
	on, statistic := lineOf(measure)
	l := &s.timelines()[on]
	var again []uint32
	pointedAgain(s, on, statistic, from, to, func(at uint32) { again = append(again, at) })
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
func pointedAgain(s subject, on line, of statistic, from, to int64, call func(at uint32)) {
	l := &s.timelines()[on]
	if of != eachUser || l.count(eachUser, from, to) == l.count(eachPoint, from, to) {
		return
	}
	if _, later := l.nth(eachPoint, to, 1); later {
		s.again(on, from, to, call)
	}
}

func (s *scope) timelines() *timelines { return &s.lines }

func (s *scope) again(on line, from, to int64, call func(at uint32)) {
	found := func(at uint32) {
		if at > 0 && int64(at) > from {
			call(at)
		}
	}
	if on == complaintLine {
		for _, complaints := range s.complaints {
			found(lastBefore(complaints, to))
		}
		return
	}
	var h history // not the scope's, as many ask at once
	for _, p := range s.users.all() {
		for _, is := range p.slots {
			if !is.isBlock() || int64(p.lastDelivery(is)) <= to || on == countedLine && int64(p.block(is)[blockCounted]) <= to {
				continue
			}
			s.load(p, is, &h)
			found(h.lastBefore(on, s.windows, to))
		}
	}
}

// lastBefore is the last up to a time, if there is one after it; zero for none.
func lastBefore(complaints []delivery, to int64) (last uint32) {
	for _, c := range complaints {
		if int64(c.at) > to {
			return last
		}
		last = c.at
	}
	return 0
}

func (s *scope) complained(call func(user key, c delivery)) {
	for user, complaints := range s.complaints {
		for _, c := range complaints {
			call(user, c)
		}
	}
}
