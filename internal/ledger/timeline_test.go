package ledger

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A timeline counts, finds and drops like a plain list of points, whatever is added and removed.
func TestTimelineIsAListOfPoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var line timeline
		var list []point
		const origin = 1_790_000_000
		spread := rapid.SampledFrom([]uint32{3, 3000, 40 * 86400}).Draw(t, "spread")
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1, 2:
				for range rapid.SampledFrom([]int{1, 20, 600}).Draw(t, "some") {
					mark := onePoint + oneSuperseded*tick(rapid.IntRange(0, 1).Draw(t, "superseded")) +
						oneInside*tick(rapid.IntRange(0, 1).Draw(t, "inside"))
					p := newPoint(origin+rapid.Uint32Range(0, spread).Draw(t, "at"), mark)
					list = append(list, p)
					line.add(p.at(), p.mark())
				}
			case 3:
				for range rapid.IntRange(0, len(list)).Draw(t, "fewer") {
					i := rapid.IntRange(0, len(list)-1).Draw(t, "which")
					line.remove(list[i].at(), list[i].mark())
					list = slices.Delete(list, i, i+1)
				}
			case 4:
				before := origin + rapid.Uint32Range(0, spread/4).Draw(t, "before")
				line.drop(int64(before))
				list = slices.DeleteFunc(list, func(p point) bool { return p.at() < before })
			case 5:
				line.fill(slices.Clone(list))
			}
			from := origin - 10 + int64(rapid.Uint32Range(0, spread+20).Draw(t, "from"))
			to := from + int64(rapid.Uint32Range(0, spread+20).Draw(t, "length"))
			slices.Sort(list)
			var last uint32
			for _, measure := range []Measure{Users, Conversations, Messages} {
				var times []uint32
				var n int64
				for _, p := range list {
					if measure == Users && p.mark()&oneSuperseded != 0 || measure == Conversations && p.mark()&oneInside != 0 {
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

// A second with hundreds of thousands of points is counted right, and so are those around it.
func TestTimelineOfABusySecond(t *testing.T) {
	var line timeline
	const busy, at = 300_000, 1_790_000_000
	for range busy {
		line.add(at, onePoint+oneSuperseded)
	}
	line.add(at-1, onePoint)
	line.add(at+1, onePoint)
	if n := line.count(Messages, at-1, at); n != busy {
		t.Fatalf("%d messages", n)
	}
	if n := line.count(Users, at-2, at+1); n != 2 {
		t.Fatalf("%d users", n)
	}
	if second, _ := line.nth(Users, at-2, 2); second != at+1 {
		t.Fatalf("the second user came at %d", second)
	}
	for range busy {
		line.remove(at, onePoint+oneSuperseded)
	}
	if n := line.count(Messages, 0, at+1); n != 2 {
		t.Fatalf("%d messages are left", n)
	}
}
