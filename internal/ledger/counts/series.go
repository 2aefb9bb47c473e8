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
type series struct {
	chunks []chunk
}

// chunk is a run of ticks in time order. All of them lie in [start, start+chunkSpan) and not after the next chunk's
// start.
type chunk struct {
	start   uint32 // Unix seconds; no tick is earlier
	total   tally
	buckets []bucket
}

const (
	chunkBuckets = 1024
	chunkSpan    = 1 << 17 // seconds
)

// tick is some of the points of one second: from the top 17 bits of seconds since the chunk's start, 7 bits of points,
// 4 of them superseded, 4 of them inside. A second with more has several ticks; a mark may be in another tick of the
// second than the point it is about, only the sums mean something.
type bucket uint32

const (
	oneSample     bucket = 1 << 8
	oneSuperseded bucket = 1 << 4
	oneInside     bucket = 1

	mostSamples = 1<<7 - 1
	mostFlags   = 1<<4 - 1
	tallyBits   = oneSample<<7 - 1
)

func (k bucket) offset() uint32 { return uint32(k >> 15) }

// at moves marks to an offset from a chunk's start.
func (k bucket) at(offset uint32) bucket { return bucket(offset)<<15 | k&tallyBits }

func (k bucket) tally() tally {
	return tally{samples: uint32(k >> 8 & mostSamples), superseded: uint32(k >> 4 & mostFlags), inside: uint32(k & mostFlags)}
}

// holds says whether every mark of o can be taken from k.
func (k bucket) holds(o bucket) bool {
	a, b := k.tally(), o.tally()
	return a.samples >= b.samples && a.superseded >= b.superseded && a.inside >= b.inside
}

// takes says whether every mark of o can be added to k.
func (k bucket) takes(o bucket) bool {
	a, b := k.tally(), o.tally()
	return a.samples+b.samples <= mostSamples && a.superseded+b.superseded <= mostFlags && a.inside+b.inside <= mostFlags
}

// tally is a sum over ticks.
type tally struct {
	samples, superseded, inside uint32
}

func (t *tally) add(o tally) {
	t.samples += o.samples
	t.superseded += o.superseded
	t.inside += o.inside
}

func (t *tally) subtract(o tally) {
	t.samples -= o.samples
	t.superseded -= o.superseded
	t.inside -= o.inside
}

// of may be negative for a part of a second: see tick.
func (t tally) of(statistic statistic) int64 {
	switch statistic {
	case distinctUsers:
		return int64(t.samples) - int64(t.superseded)
	case openedConversations:
		return int64(t.samples) - int64(t.inside)
	default:
		return int64(t.samples)
	}
}

// find is the index of the last chunk that starts at or before the time, -1 if all start after it.
func (l *series) find(at int64) int {
	last := len(l.chunks) - 1
	if last < 0 || int64(l.chunks[last].start) <= at {
		return last
	}
	return sort.Search(last, func(i int) bool { return int64(l.chunks[i].start) > at }) - 1
}

// after is how many of the chunk's ticks lie at or before the time.
func (c *chunk) upTo(at int64) int {
	if at < int64(c.start) {
		return 0
	}
	offset := at - int64(c.start)
	n := len(c.buckets)
	if n == 0 || int64(c.buckets[n-1].offset()) <= offset {
		return n
	}
	return sort.Search(n, func(i int) bool { return int64(c.buckets[i].offset()) > offset })
}

// add puts marks, of one point at most, at a time.
func (l *series) add(at uint32, mark bucket) {
	i := l.find(int64(at))
	if i < 0 {
		// Room is left below, so that points that come in falling order share chunks.
		l.chunks = slices.Insert(l.chunks, 0, chunk{start: at - min(at, chunkSpan/2)})
		i = 0
	}
	if at-l.chunks[i].start >= chunkSpan {
		l.startChunk(i+1, at)
		i++
	}
	c := &l.chunks[i]
	n := c.upTo(int64(at))
	offset := at - c.start
	if n > 0 && c.buckets[n-1].offset() == offset && c.buckets[n-1].takes(mark) {
		c.buckets[n-1] += mark
		c.total.add(mark.tally())
		return
	}
	if len(c.buckets) == chunkBuckets {
		if n == chunkBuckets {
			l.startChunk(i+1, at)
		} else {
			l.splitChunk(i)
		}
		l.add(at, mark)
		return
	}
	if len(c.buckets) == cap(c.buckets) {
		grown := make([]bucket, len(c.buckets), min(chunkBuckets, len(c.buckets)+len(c.buckets)/4+4))
		copy(grown, c.buckets)
		c.buckets = grown
	}
	c.buckets = slices.Insert(c.buckets, n, mark.at(offset))
	c.total.add(mark.tally())
}

// begin puts a chunk after another, which is as good as full: points come mostly in order of time.
func (l *series) startChunk(i int, at uint32) {
	l.chunks[i-1].buckets = append([]bucket(nil), l.chunks[i-1].buckets...)
	l.chunks = slices.Insert(l.chunks, i, chunk{start: at})
}

// halve makes two chunks of one.
func (l *series) splitChunk(i int) {
	half := len(l.chunks[i].buckets) / 2
	first, second := l.chunks[i].buckets[:half], l.chunks[i].buckets[half:]
	shift := second[0].offset()
	upper := chunk{start: l.chunks[i].start + shift, buckets: make([]bucket, len(second), len(second)+len(second)/4)}
	for j, k := range second {
		upper.buckets[j] = k.at(k.offset() - shift)
		upper.total.add(k.tally())
	}
	lower := chunk{start: l.chunks[i].start, total: l.chunks[i].total, buckets: make([]bucket, half, half+half/4)}
	copy(lower.buckets, first)
	lower.total.subtract(upper.total)
	l.chunks[i] = lower
	l.chunks = slices.Insert(l.chunks, i+1, upper)
}

// remove takes marks that were added at a time.
func (l *series) remove(at uint32, mark bucket) {
	if l.tryRemove(at, mark) {
		return
	}
	for _, one := range [...]bucket{oneSample, oneSuperseded, oneInside} {
		if mark.holds(one) && !l.tryRemove(at, one) {
			panic("ledger: a timeline has lost a point")
		}
	}
}

// take removes marks from one tick of that second, if there is one that has them all.
func (l *series) tryRemove(at uint32, mark bucket) bool {
	for i := l.find(int64(at)); i >= 0; i-- {
		c := &l.chunks[i]
		n := c.upTo(int64(at))
		for ; n > 0 && c.start+c.buckets[n-1].offset() == at; n-- {
			if !c.buckets[n-1].holds(mark) {
				continue
			}
			c.buckets[n-1] -= mark
			c.total.subtract(mark.tally())
			if c.buckets[n-1]&tallyBits == 0 {
				c.buckets = slices.Delete(c.buckets, n-1, n)
			}
			if len(c.buckets) == 0 {
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
	n := c.upTo(at)
	if n <= len(c.buckets)/2 {
		return sum(c.buckets[:n])
	}
	t := c.total
	t.subtract(sum(c.buckets[n:]))
	return t
}

func sum(ticks []bucket) (t tally) {
	for _, k := range ticks {
		t.add(k.tally())
	}
	return t
}

// count is how much of the statistic lies in (from, to].
func (l *series) count(statistic statistic, from, to int64) (n int64) {
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
func (l *series) nth(statistic statistic, after, n int64) (uint32, bool) {
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
		if passed+c.total.of(statistic) < n && !l.secondContinues(i) {
			passed += c.total.of(statistic)
			continue
		}
		for j, k := range c.buckets {
			passed += k.tally().of(statistic)
			last := j+1 < len(c.buckets) && c.buckets[j+1].offset() != k.offset() || j+1 == len(c.buckets) && !l.secondContinues(i)
			if last && passed >= n {
				return c.start + k.offset(), true
			}
		}
	}
	return 0, false
}

// shared says whether a second goes on in the next chunk.
func (l *series) secondContinues(i int) bool {
	if i+1 == len(l.chunks) {
		return false
	}
	c, next := &l.chunks[i], &l.chunks[i+1]
	return c.start+c.buckets[len(c.buckets)-1].offset() == next.start+next.buckets[0].offset()
}

// last is the time of the last point in (from, to]; false if there is none.
func (l *series) last(from, to int64) (uint32, bool) {
	for i := l.find(to); i >= 0; i-- {
		c := &l.chunks[i]
		for n := c.upTo(to); n > 0; n-- {
			at := c.start + c.buckets[n-1].offset()
			if int64(at) <= from {
				return 0, false
			}
			if c.buckets[n-1].tally().samples > 0 {
				return at, true
			}
		}
	}
	return 0, false
}

// drop forgets what lies before a time.
func (l *series) drop(before int64) {
	whole := 0
	for whole < len(l.chunks) && l.chunks[whole].upTo(before-1) == len(l.chunks[whole].buckets) {
		whole++
	}
	l.chunks = slices.Delete(l.chunks, 0, whole)
	if len(l.chunks) == 0 {
		return
	}
	c := &l.chunks[0]
	if n := c.upTo(before - 1); n > 0 {
		c.total.subtract(sum(c.buckets[:n]))
		c.buckets = slices.Clone(c.buckets[n:])
	}
}

// point is a point with its marks: Unix seconds above the 15 bits of a tick's marks. Points sort by time.
type sample uint64

func newSample(at uint32, mark bucket) sample { return sample(at)<<15 | sample(mark&tallyBits) }

func (p sample) at() uint32     { return uint32(p >> 15) }
func (p sample) bucket() bucket { return bucket(p) & tallyBits }

// replace takes a user's points away and puts others in their place. Most are the same; both are in order of time.
func (l *series) replace(before, after []sample) {
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0] < after[0]:
			l.remove(before[0].at(), before[0].bucket())
			before = before[1:]
		case len(before) == 0 || after[0] < before[0]:
			l.add(after[0].at(), after[0].bucket())
			after = after[1:]
		default:
			before, after = before[1:], after[1:]
		}
	}
}

// fill makes the timeline of points, which it sorts.
func (l *series) fill(points []sample) {
	slices.Sort(points)
	l.chunks = nil
	ticks := make([]bucket, 0, chunkBuckets)
	var start uint32
	flush := func() {
		if len(ticks) > 0 {
			l.chunks = append(l.chunks, chunk{start: start, total: sum(ticks), buckets: slices.Clone(ticks)})
			ticks = ticks[:0]
		}
	}
	for len(points) > 0 {
		at, t := points[0].at(), tally{}
		for len(points) > 0 && points[0].at() == at {
			t.add(points[0].bucket().tally())
			points = points[1:]
		}
		for t != (tally{}) {
			some := tally{min(t.samples, mostSamples), min(t.superseded, mostFlags), min(t.inside, mostFlags)}
			t.subtract(some)
			if len(ticks) == chunkBuckets || len(ticks) > 0 && at-start >= chunkSpan {
				flush()
			}
			if len(ticks) == 0 {
				start = at
			}
			mark := bucket(some.samples)*oneSample | bucket(some.superseded)*oneSuperseded | bucket(some.inside)*oneInside
			ticks = append(ticks, mark.at(at-start))
		}
	}
	flush()
	l.chunks = slices.Clip(l.chunks)
}
