package counts

import (
	"slices"
	"sort"
)

// A timeline holds the points that are counted, by the second: one for every counted delivery, or whatever else its line
// says. Some of them are marked: as superseded when the user has a later counted delivery, as inside when they fall in an
// open conversation. So users are the points less the superseded, conversations the points less those inside. A user with
// one delivery, the common case, takes one unmarked point for all three measures.
//
// Points are kept in chunks in time order. A new point at the end is appended; any other moves up to one chunk (4 KiB).
type timeline struct {
	chunks []chunk
}

// chunk is a run of ticks in time order. All of them lie in [start, start+chunkSpan) and not after the next chunk's
// start.
type chunk struct {
	start uint32 // Unix seconds; no tick is earlier
	total tally
	ticks []tick
}

const (
	chunkTicks = 1024
	chunkSpan  = 1 << 17 // seconds
)

// tick is some of the points of one second: from the top 17 bits of seconds since the chunk's start, 7 bits of points,
// 4 of them superseded, 4 of them inside. A second with more has several ticks; a mark may be in another tick of the
// second than the point it is about, only the sums mean something.
type tick uint32

const (
	onePoint      tick = 1 << 8
	oneSuperseded tick = 1 << 4
	oneInside     tick = 1

	mostPoints = 1<<7 - 1
	mostMarks  = 1<<4 - 1
	marks      = onePoint<<7 - 1
)

func (k tick) offset() uint32 { return uint32(k >> 15) }

// at moves marks to an offset from a chunk's start.
func (k tick) at(offset uint32) tick { return tick(offset)<<15 | k&marks }

func (k tick) tally() tally {
	return tally{points: uint32(k >> 8 & mostPoints), superseded: uint32(k >> 4 & mostMarks), inside: uint32(k & mostMarks)}
}

// holds says whether every mark of o can be taken from k.
func (k tick) holds(o tick) bool {
	a, b := k.tally(), o.tally()
	return a.points >= b.points && a.superseded >= b.superseded && a.inside >= b.inside
}

// takes says whether every mark of o can be added to k.
func (k tick) takes(o tick) bool {
	a, b := k.tally(), o.tally()
	return a.points+b.points <= mostPoints && a.superseded+b.superseded <= mostMarks && a.inside+b.inside <= mostMarks
}

// tally is a sum over ticks.
type tally struct {
	points, superseded, inside uint32
}

func (t *tally) add(o tally) {
	t.points += o.points
	t.superseded += o.superseded
	t.inside += o.inside
}

func (t *tally) subtract(o tally) {
	t.points -= o.points
	t.superseded -= o.superseded
	t.inside -= o.inside
}

// of may be negative for a part of a second: see tick.
func (t tally) of(statistic statistic) int64 {
	switch statistic {
	case eachUser:
		return int64(t.points) - int64(t.superseded)
	case eachConversation:
		return int64(t.points) - int64(t.inside)
	default:
		return int64(t.points)
	}
}

// find is the index of the last chunk that starts at or before the time, -1 if all start after it.
func (l *timeline) find(at int64) int {
	last := len(l.chunks) - 1
	if last < 0 || int64(l.chunks[last].start) <= at {
		return last
	}
	return sort.Search(last, func(i int) bool { return int64(l.chunks[i].start) > at }) - 1
}

// after is how many of the chunk's ticks lie at or before the time.
func (c *chunk) after(at int64) int {
	if at < int64(c.start) {
		return 0
	}
	offset := at - int64(c.start)
	n := len(c.ticks)
	if n == 0 || int64(c.ticks[n-1].offset()) <= offset {
		return n
	}
	return sort.Search(n, func(i int) bool { return int64(c.ticks[i].offset()) > offset })
}

// add puts marks, of one point at most, at a time.
func (l *timeline) add(at uint32, mark tick) {
	i := l.find(int64(at))
	if i < 0 {
		// Room is left below, so that points that come in falling order share chunks.
		l.chunks = slices.Insert(l.chunks, 0, chunk{start: at - min(at, chunkSpan/2)})
		i = 0
	}
	if at-l.chunks[i].start >= chunkSpan {
		l.begin(i+1, at)
		i++
	}
	c := &l.chunks[i]
	n := c.after(int64(at))
	offset := at - c.start
	if n > 0 && c.ticks[n-1].offset() == offset && c.ticks[n-1].takes(mark) {
		c.ticks[n-1] += mark
		c.total.add(mark.tally())
		return
	}
	if len(c.ticks) == chunkTicks {
		if n == chunkTicks {
			l.begin(i+1, at)
		} else {
			l.halve(i)
		}
		l.add(at, mark)
		return
	}
	if len(c.ticks) == cap(c.ticks) {
		grown := make([]tick, len(c.ticks), min(chunkTicks, len(c.ticks)+len(c.ticks)/4+4))
		copy(grown, c.ticks)
		c.ticks = grown
	}
	c.ticks = slices.Insert(c.ticks, n, mark.at(offset))
	c.total.add(mark.tally())
}

// begin puts a chunk after another, which is as good as full: points come mostly in order of time.
func (l *timeline) begin(i int, at uint32) {
	l.chunks[i-1].ticks = append([]tick(nil), l.chunks[i-1].ticks...)
	l.chunks = slices.Insert(l.chunks, i, chunk{start: at})
}

// halve makes two chunks of one.
func (l *timeline) halve(i int) {
	half := len(l.chunks[i].ticks) / 2
	first, second := l.chunks[i].ticks[:half], l.chunks[i].ticks[half:]
	shift := second[0].offset()
	upper := chunk{start: l.chunks[i].start + shift, ticks: make([]tick, len(second), len(second)+len(second)/4)}
	for j, k := range second {
		upper.ticks[j] = k.at(k.offset() - shift)
		upper.total.add(k.tally())
	}
	lower := chunk{start: l.chunks[i].start, total: l.chunks[i].total, ticks: make([]tick, half, half+half/4)}
	copy(lower.ticks, first)
	lower.total.subtract(upper.total)
	l.chunks[i] = lower
	l.chunks = slices.Insert(l.chunks, i+1, upper)
}

// remove takes marks that were added at a time.
func (l *timeline) remove(at uint32, mark tick) {
	if l.take(at, mark) {
		return
	}
	for _, one := range [...]tick{onePoint, oneSuperseded, oneInside} {
		if mark.holds(one) && !l.take(at, one) {
			panic("ledger: a timeline has lost a point")
		}
	}
}

// take removes marks from one tick of that second, if there is one that has them all.
func (l *timeline) take(at uint32, mark tick) bool {
	for i := l.find(int64(at)); i >= 0; i-- {
		c := &l.chunks[i]
		n := c.after(int64(at))
		for ; n > 0 && c.start+c.ticks[n-1].offset() == at; n-- {
			if !c.ticks[n-1].holds(mark) {
				continue
			}
			c.ticks[n-1] -= mark
			c.total.subtract(mark.tally())
			if c.ticks[n-1]&marks == 0 {
				c.ticks = slices.Delete(c.ticks, n-1, n)
			}
			if len(c.ticks) == 0 {
				l.chunks = slices.Delete(l.chunks, i, i+1)
			}
			return true
		}
		if n > 0 {
			return false
		}
	}
	return false
}

// until sums the chunk's ticks at or before the time.
func (c *chunk) until(at int64) tally {
	n := c.after(at)
	if n <= len(c.ticks)/2 {
		return sum(c.ticks[:n])
	}
	t := c.total
	t.subtract(sum(c.ticks[n:]))
	return t
}

func sum(ticks []tick) (t tally) {
	for _, k := range ticks {
		t.add(k.tally())
	}
	return t
}

// count is how much of the statistic lies in (from, to].
func (l *timeline) count(statistic statistic, from, to int64) (n int64) {
	first, last := l.find(from), l.find(to)
	if from >= to || last < 0 {
		return 0
	}
	for _, c := range l.chunks[first+1 : last+1] {
		n += c.total.of(statistic)
	}
	if first >= 0 {
		n += l.chunks[first].total.of(statistic) - l.chunks[first].until(from).of(statistic)
	}
	n -= l.chunks[last].total.of(statistic) - l.chunks[last].until(to).of(statistic)
	return n
}

// nth is the time of the nth of the statistic's points after a time, from 1; false if there are fewer.
func (l *timeline) nth(statistic statistic, after, n int64) (uint32, bool) {
	i := l.find(after)
	if i >= 0 {
		n += l.chunks[i].until(after).of(statistic)
	} else {
		i = 0
	}
	// A second's ticks may be spread over chunks, with the marks in another chunk than the points. The running sum is
	// right only at the end of a second, so the second that reaches n is looked at as a whole.
	var passed int64
	for ; i < len(l.chunks); i++ {
		c := &l.chunks[i]
		if passed+c.total.of(statistic) < n && !l.shared(i) {
			passed += c.total.of(statistic)
			continue
		}
		for j, k := range c.ticks {
			passed += k.tally().of(statistic)
			last := j+1 < len(c.ticks) && c.ticks[j+1].offset() != k.offset() || j+1 == len(c.ticks) && !l.shared(i)
			if last && passed >= n {
				return c.start + k.offset(), true
			}
		}
	}
	return 0, false
}

// shared says whether a second goes on in the next chunk.
func (l *timeline) shared(i int) bool {
	if i+1 == len(l.chunks) {
		return false
	}
	c, next := &l.chunks[i], &l.chunks[i+1]
	return c.start+c.ticks[len(c.ticks)-1].offset() == next.start+next.ticks[0].offset()
}

// last is the time of the last point in (from, to]; false if there is none.
func (l *timeline) last(from, to int64) (uint32, bool) {
	for i := l.find(to); i >= 0; i-- {
		c := &l.chunks[i]
		for n := c.after(to); n > 0; n-- {
			at := c.start + c.ticks[n-1].offset()
			if int64(at) <= from {
				return 0, false
			}
			if c.ticks[n-1].tally().points > 0 {
				return at, true
			}
		}
	}
	return 0, false
}

// drop forgets what lies before a time.
func (l *timeline) drop(before int64) {
	whole := 0
	for whole < len(l.chunks) && l.chunks[whole].after(before-1) == len(l.chunks[whole].ticks) {
		whole++
	}
	l.chunks = slices.Delete(l.chunks, 0, whole)
	if len(l.chunks) == 0 {
		return
	}
	c := &l.chunks[0]
	if n := c.after(before - 1); n > 0 {
		c.total.subtract(sum(c.ticks[:n]))
		c.ticks = slices.Clone(c.ticks[n:])
	}
}

// point is a point with its marks: Unix seconds above the 15 bits of a tick's marks. Points sort by time.
type point uint64

func newPoint(at uint32, mark tick) point { return point(at)<<15 | point(mark&marks) }

func (p point) at() uint32 { return uint32(p >> 15) }
func (p point) mark() tick { return tick(p) & marks }

// replace takes a user's points away and puts others in their place. Most are the same; both are in order of time.
func (l *timeline) replace(before, after []point) {
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0] < after[0]:
			l.remove(before[0].at(), before[0].mark())
			before = before[1:]
		case len(before) == 0 || after[0] < before[0]:
			l.add(after[0].at(), after[0].mark())
			after = after[1:]
		default:
			before, after = before[1:], after[1:]
		}
	}
}

// fill makes the timeline of points, which it sorts.
func (l *timeline) fill(points []point) {
	slices.Sort(points)
	l.chunks = nil
	ticks := make([]tick, 0, chunkTicks)
	var start uint32
	flush := func() {
		if len(ticks) > 0 {
			l.chunks = append(l.chunks, chunk{start: start, total: sum(ticks), ticks: slices.Clone(ticks)})
			ticks = ticks[:0]
		}
	}
	for len(points) > 0 {
		at, t := points[0].at(), tally{}
		for len(points) > 0 && points[0].at() == at {
			t.add(points[0].mark().tally())
			points = points[1:]
		}
		for t != (tally{}) {
			some := tally{min(t.points, mostPoints), min(t.superseded, mostMarks), min(t.inside, mostMarks)}
			t.subtract(some)
			if len(ticks) == chunkTicks || len(ticks) > 0 && at-start >= chunkSpan {
				flush()
			}
			if len(ticks) == 0 {
				start = at
			}
			mark := tick(some.points)*onePoint | tick(some.superseded)*oneSuperseded | tick(some.inside)*oneInside
			ticks = append(ticks, mark.at(at-start))
		}
	}
	flush()
	l.chunks = slices.Clip(l.chunks)
}
