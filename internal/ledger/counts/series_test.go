package counts

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A series counts, finds and drops like a plain list of samples, whatever is added and removed.
func TestSeriesIsAListOfPoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var line series
		var list []sample
		const origin = 1_790_000_000
		spread := rapid.SampledFrom([]uint32{3, 3000, 40 * 86400}).Draw(t, "spread")
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1, 2:
				for range rapid.SampledFrom([]int{1, 20, 600}).Draw(t, "some") {
					mark := oneSample + oneSuperseded*bucket(rapid.IntRange(0, 1).Draw(t, "superseded")) +
						oneInside*bucket(rapid.IntRange(0, 1).Draw(t, "inside"))
					p := newSample(origin+rapid.Uint32Range(0, spread).Draw(t, "at"), mark)
					list = append(list, p)
					line.add(p.at(), p.bucket())
				}
			case 3:
				for range rapid.IntRange(0, len(list)).Draw(t, "fewer") {
					i := rapid.IntRange(0, len(list)-1).Draw(t, "which")
					line.remove(list[i].at(), list[i].bucket())
					list = slices.Delete(list, i, i+1)
				}
			case 4:
				before := origin + rapid.Uint32Range(0, spread/4).Draw(t, "before")
				line.drop(int64(before))
				list = slices.DeleteFunc(list, func(p sample) bool { return p.at() < before })
			case 5:
				line.fill(slices.Clone(list))
			}
			from := origin - 10 + int64(rapid.Uint32Range(0, spread+20).Draw(t, "from"))
			to := from + int64(rapid.Uint32Range(0, spread+20).Draw(t, "length"))
			slices.Sort(list)
			var last uint32
			for _, measure := range []statistic{distinctUsers, openedConversations, everySample} {
				var times []uint32
				var n int64
				for _, p := range list {
					if measure == distinctUsers && p.bucket()&oneSuperseded != 0 || measure == openedConversations && p.bucket()&oneInside != 0 {
						continue
					}
					if at := int64(p.at()); at > from && at <= to {
						n++
						last = max(last, p.at())
					}
					if int64(p.at()) > from {
						times = append(times, p.at())
					}
				}
				if got := line.count(measure, from, to); got != n {
					t.Fatalf("count of %d is %d, want %d", measure, got, n)
				}
				for _, k := range []int{1, 2, len(times) / 2, len(times), len(times) + 1} {
					got, found := line.nth(measure, from, int64(k))
					if k < 1 {
						continue
					}
					if want := k <= len(times); found != want || found && got != times[k-1] {
						t.Fatalf("nth %d of %d is %d, %t", k, measure, got, found)
					}
				}
			}
			if got, found := line.last(from, to); found != (last > 0) || found && got != last {
				t.Fatalf("last is %d, want %d", got, last)
			}
		}
	})
}

// A second with hundreds of thousands of samples is counted right, and so are those around it.
func TestSeriesOfABusySecond(t *testing.T) {
	var line series
	const busy, at = 300_000, 1_790_000_000
	for range busy {
		line.add(at, oneSample+oneSuperseded)
	}
	line.add(at-1, oneSample)
	line.add(at+1, oneSample)
	if n := line.count(everySample, at-1, at); n != busy {
		t.Fatalf("%d messages", n)
	}
	if n := line.count(distinctUsers, at-2, at+1); n != 2 {
		t.Fatalf("%d users", n)
	}
	if second, _ := line.nth(distinctUsers, at-2, 2); second != at+1 {
		t.Fatalf("the second user came at %d", second)
	}
	for range busy {
		line.remove(at, oneSample+oneSuperseded)
	}
	if n := line.count(everySample, 0, at+1); n != 2 {
		t.Fatalf("%d messages are left", n)
	}
}

const origin = 1_790_000_000

// room is what a series takes: chunks, buckets and room for buckets.
func (l *series) room() (chunks, ticks, room int) {
	for _, c := range l.chunks {
		ticks, room = ticks+len(c.buckets), room+cap(c.buckets)
	}
	return len(l.chunks), ticks, room
}

// A bucket holds as many samples and marks of a second as it has bits for; the next ones begin another.
func TestTicksOfASecondAreFull(t *testing.T) {
	for _, test := range []struct {
		mark bucket
		most int64
	}{{oneSample, mostSamples}, {oneSample + oneSuperseded, mostFlags}, {oneSample + oneInside, mostFlags}} {
		var line series
		for n := int64(1); n <= 3*test.most; n++ {
			line.add(origin, test.mark)
			if _, ticks, _ := line.room(); int64(ticks) != (n+test.most-1)/test.most {
				t.Fatalf("%d points of mark %#x take %d ticks", n, test.mark, ticks)
			}
			one := test.mark.tally()
			if got := line.count(everySample, origin-1, origin); got != n {
				t.Fatalf("%d points are %d", n, got)
			}
			if got, want := line.count(distinctUsers, origin-1, origin), n-n*int64(one.superseded); got != want {
				t.Fatalf("of %d points of mark %#x %d are users", n, test.mark, got)
			}
			if got, want := line.count(openedConversations, origin-1, origin), n-n*int64(one.inside); got != want {
				t.Fatalf("of %d points of mark %#x %d are conversations", n, test.mark, got)
			}
		}
	}
}

// A series has little more room than its buckets need, in whatever order they come, and none once they are taken away.
func TestSeriesRoom(t *testing.T) {
	const points = 4 * chunkBuckets
	for name, at := range map[string]func(i int) uint32{
		"rising":    func(i int) uint32 { return origin + uint32(i) },
		"falling":   func(i int) uint32 { return origin - uint32(i) },
		"in any":    func(i int) uint32 { return origin + uint32(i*1237%points) },
		"far apart": func(i int) uint32 { return origin + uint32(i)*1000 },
	} {
		t.Run(name, func(t *testing.T) {
			var line series
			for i := range points {
				line.add(at(i), oneSample)
				chunks, ticks, room := line.room()
				if most := ticks + ticks/3 + 16*chunks; ticks != i+1 || room > most {
					t.Fatalf("%d points take %d ticks in room for %d", i+1, ticks, room)
				}
				if name == "rising" && chunks != i/chunkBuckets+1 {
					t.Fatalf("%d points in order take %d chunks", i+1, chunks)
				}
			}
			for i := range points {
				if first, _ := line.nth(everySample, 0, int64(i+1)); name == "rising" && first != at(i) {
					t.Fatalf("point %d is at %d", i, first)
				}
			}
			for i := range points {
				line.remove(at(i), oneSample)
				if _, ticks, _ := line.room(); ticks != points-1-i {
					t.Fatalf("%d points take %d ticks", points-1-i, ticks)
				}
			}
			if chunks, _, _ := line.room(); chunks != 0 {
				t.Errorf("nothing takes %d chunks", chunks)
			}
		})
	}
	var filled series
	var all []sample
	const more = 5 * chunkBuckets // for which there is room for eight as a list grows
	for i := range uint32(more) {
		all = append(all, newSample(origin+i, oneSample))
	}
	filled.fill(all)
	if chunks, ticks, room := filled.room(); chunks != 5 || ticks != more || room != more || cap(filled.chunks) != chunks {
		t.Errorf("filled with %d points it has %d chunks in room for %d, and %d ticks in room for %d", more, chunks, cap(filled.chunks), ticks, room)
	}
	// The room that a chunk had for more is given back when another begins.
	var line series
	for grown := 0; grown < 12; {
		line.add(origin+uint32(line.count(everySample, 0, origin+chunkSpan)), oneSample)
		if _, ticks, room := line.room(); room > ticks+ticks/5 {
			grown++
		}
	}
	_, ticks, before := line.room()
	line.add(origin+chunkSpan, oneSample)
	if _, _, room := line.room(); before <= ticks+ticks/8 || cap(line.chunks[0].buckets) > ticks+ticks/8 {
		t.Errorf("of room for %d of %d ticks %d is left", before, ticks, room)
	}
}

// Samples as far apart as a chunk spans, to the second, are counted at their times.
func TestSeriesOfFarPoints(t *testing.T) {
	for _, apart := range []uint32{chunkSpan/2 - 1, chunkSpan / 2, chunkSpan/2 + 1, chunkSpan - 1, chunkSpan, chunkSpan + 1} {
		var added, filled series
		times := []uint32{origin, origin + apart, origin + 2*apart}
		var points []sample
		for _, at := range times {
			added.add(at, oneSample)
			points = append(points, newSample(at, oneSample))
		}
		filled.fill(points)
		for _, line := range []*series{&added, &filled} {
			for i, at := range times {
				if got, found := line.nth(everySample, origin-1, int64(i+1)); !found || got != at {
					t.Errorf("%d apart, point %d is at %d, not %d", apart, i+1, got, at)
				}
				if got := line.count(everySample, origin-1, int64(at)); got != int64(i+1) {
					t.Errorf("%d apart, %d points come up to point %d", apart, got, i+1)
				}
			}
		}
	}
}

// What is dropped ends a second before the time that is given, wherever that is in a chunk.
func TestSeriesDropsToTheSecond(t *testing.T) {
	for before := int64(origin - 1); before <= origin+4; before++ {
		var line series
		for at := range uint32(4) {
			line.add(origin+at, oneSample)
		}
		line.drop(before)
		for at := range uint32(4) {
			want := int64(0)
			if int64(origin+at) >= before {
				want = 1
			}
			if got := line.count(everySample, origin+int64(at)-1, origin+int64(at)); got != want {
				t.Errorf("dropped before second %d, there are %d points at second %d", before-origin, got, at)
			}
		}
	}
}

// Samples and marks of one second that fill several chunks are one second: what was marked is no user, and all of it can be taken
// away again.
func TestASecondOverSeveralChunks(t *testing.T) {
	var line series
	const busy, at = 20_000, origin + 5
	line.add(at+1, oneSample)
	for range busy {
		line.add(at, oneSample)
	}
	for range busy {
		line.add(at, oneSuperseded)
	}
	if len(line.chunks) < 2 {
		t.Fatalf("it is in %d chunk", len(line.chunks))
	}
	if got, _ := line.nth(distinctUsers, origin, 1); got != at+1 {
		t.Errorf("the user came at %d", got-origin)
	}
	for _, n := range []int64{1, 127, 128, busy / 2, busy} {
		if got, _ := line.nth(everySample, origin, n); got != at {
			t.Errorf("message %d came at %d", n, got-origin)
		}
	}
	if got, _ := line.nth(everySample, origin, busy+1); got != at+1 {
		t.Errorf("the last message came at %d", got-origin)
	}
	if got, found := line.last(origin, at); !found || got != at {
		t.Errorf("the last in the second is at %d", got)
	}
	for left := int64(busy); left > 0; left-- {
		line.remove(at, oneSample+oneSuperseded)
		if left%1000 == 0 && (line.count(everySample, origin, at) != left-1 || line.count(distinctUsers, origin, at) != 0) {
			t.Fatalf("of %d points %d are left, %d of them users", left-1, line.count(everySample, origin, at), line.count(distinctUsers, origin, at))
		}
	}
	if _, ticks, _ := line.room(); ticks != 1 {
		t.Errorf("one point takes %d ticks", ticks)
	}
}

// A second that stands before a chunk's start as far as another after it is not that one.
func TestNthAtTheEndOfAChunk(t *testing.T) {
	var line series
	for i := range uint32(chunkBuckets + 2) {
		line.add(origin+3*i, oneSample)
	}
	line.remove(origin+3*chunkBuckets, oneSample) // with which the second chunk began
	if got, _ := line.nth(everySample, 0, chunkBuckets); got != origin+3*(chunkBuckets-1) {
		t.Errorf("the last of the first chunk is at %d", got-origin)
	}
}
