package counts

import (
	"slices"
	"sort"
)

// series has one sample for each event that is counted, by the second. A sample is superseded if its user has a later one, and
// inside if it is inside an open conversation. So distinct users are the samples that are not superseded, and conversations those
// that are not inside. A user with one delivery, the common case, has one sample for all three statistics.
//
// Samples are kept in chunks, in order of time. A new sample is usually the last one and is appended. Any other moves up to one
// chunk (4 KiB).
type series struct {
	chunks []chunk
}

// chunk is a run of buckets in order of time. Invariant: all lie in [start, start+chunkSpan), and none after the start of the
// next chunk.
type chunk struct {
	start   uint32 // Unix seconds; no bucket is earlier
	total   tally
	buckets []bucket
}

const (
	chunkBuckets = 1024
	chunkSpan    = 1 << 17 // seconds
)

// bucket counts samples of one second. From the highest bit on: 17 bits of seconds since the start of the chunk, 7 bits for the
// number of samples, 4 for those superseded, 4 for those inside. A second with more has several buckets. A flag may be in another
// bucket of the second than its sample: only the sums over a second mean something.
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

// at returns the bucket at an offset from the start of a chunk.
func (k bucket) at(offset uint32) bucket { return bucket(offset)<<15 | k&tallyBits }

func (k bucket) tally() tally {
	return tally{samples: uint32(k >> 8 & mostSamples), superseded: uint32(k >> 4 & mostFlags), inside: uint32(k & mostFlags)}
}

// holds reports whether all counts of o can be subtracted from k.
func (k bucket) holds(o bucket) bool {
	a, b := k.tally(), o.tally()
	return a.samples >= b.samples && a.superseded >= b.superseded && a.inside >= b.inside
}

// takes reports whether all counts of o can be added to k.
func (k bucket) takes(o bucket) bool {
	a, b := k.tally(), o.tally()
	return a.samples+b.samples <= mostSamples && a.superseded+b.superseded <= mostFlags && a.inside+b.inside <= mostFlags
}

// tally is a sum over buckets.
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

// of returns a statistic. It may be negative for a part of a second (see bucket).
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

// find returns the index of the last chunk that starts at or before a time, -1 if all start after it.
func (l *series) find(at int64) int {
	last := len(l.chunks) - 1
	if last < 0 || int64(l.chunks[last].start) <= at {
		return last
	}
	return sort.Search(last, func(i int) bool { return int64(l.chunks[i].start) > at }) - 1
}

// upTo returns how many of the chunk's buckets lie at or before a time.
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

// add adds the counts of a bucket, of one sample at most, at a time.
func (l *series) add(at uint32, mark bucket) {
	i := l.find(int64(at))
	if i < 0 {
		// Room is left below, so that samples that come in falling order share chunks.
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

// startChunk inserts a chunk after another, and gives back the unused capacity of that: samples mostly come in order of time.
func (l *series) startChunk(i int, at uint32) {
	l.chunks[i-1].buckets = append([]bucket(nil), l.chunks[i-1].buckets...)
	l.chunks = slices.Insert(l.chunks, i, chunk{start: at})
}

// splitChunk splits a chunk in two.
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

// remove subtracts counts that were added at a time.
func (l *series) remove(at uint32, mark bucket) {
	if l.tryRemove(at, mark) {
		return
	}
	for _, one := range [...]bucket{oneSample, oneSuperseded, oneInside} {
		if mark.holds(one) && !l.tryRemove(at, one) {
			panic("ledger: a series has lost a sample")
		}
	}
}

// tryRemove subtracts counts from one bucket of a second. It reports whether there was a bucket that holds them all.
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

// until sums the buckets at or before a time.
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

// count returns a statistic of the samples in (from, to].
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

// nth returns the time of the nth sample of a statistic after a time, from 1; false if there are fewer.
func (l *series) nth(statistic statistic, after, n int64) (uint32, bool) {
	i := l.find(after)
	if i >= 0 {
		n += l.chunks[i].until(after).of(statistic)
	} else {
		i = 0
	}
	// A second's buckets may be spread over chunks, with the marks in another chunk than the samples. The running sum is
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

// secondContinues reports whether the last second of a chunk goes on in the next chunk.
func (l *series) secondContinues(i int) bool {
	if i+1 == len(l.chunks) {
		return false
	}
	c, next := &l.chunks[i], &l.chunks[i+1]
	return c.start+c.buckets[len(c.buckets)-1].offset() == next.start+next.buckets[0].offset()
}

// last returns the time of the last sample in (from, to]; false if there is none.
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

// drop forgets the samples before a time.
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

// sample is one sample with its flags: Unix seconds above the 15 low bits of a bucket. So samples sort by time.
type sample uint64

func newSample(at uint32, mark bucket) sample { return sample(at)<<15 | sample(mark&tallyBits) }

func (p sample) at() uint32     { return uint32(p >> 15) }
func (p sample) bucket() bucket { return bucket(p) & tallyBits }

// replace replaces samples of a user by others. Both are in order of time, and most are the same.
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

// fill makes the series anew of samples, which it sorts.
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
