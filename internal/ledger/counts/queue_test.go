package counts

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// task is an item of a queue.
type task struct {
	at    int64
	where spot[*task]
}

type byTime struct{}

func (byTime) when(item *task) int64        { return item.at }
func (byTime) spot(item *task) *spot[*task] { return &item.where }

// A queue has the items that were added and not removed, each at the time that it was moved to last. What is first, and what a search finds by a
// time, is what happens by then. Nothing is kept of moments at which nothing happens any more.
func TestAQueueHasWhatHappensFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue[*task, byTime]
		var all []*task
		for range rapid.IntRange(1, 60).Draw(t, "changes") {
			at, i := rapid.Int64Range(0, 8).Draw(t, "at"), rapid.IntRange(0, max(0, len(all)-1)).Draw(t, "which")
			switch change := rapid.SampledFrom([]string{"add", "add", "move", "remove"}).Draw(t, "change"); {
			case change == "add" || len(all) == 0:
				all = append(all, &task{at: at})
				q.add(all[len(all)-1])
			case change == "move":
				all[i].at = at
				q.moved(all[i])
			default:
				q.remove(all[i])
				all = slices.Delete(all, i, i+1)
			}
			by := rapid.Int64Range(-1, 9).Draw(t, "by")
			var want []*task
			moments := map[int64]bool{}
			for _, item := range all {
				moments[item.at] = true
				if item.at <= by {
					want = append(want, item)
				}
			}
			got := slices.Collect(q.search(func(at int64) bool { return at <= by }))
			if !same(got, want) || !same(slices.Collect(q.all()), all) {
				t.Fatalf("by %d it has %d of %d items, not %d of %d", by, len(got), len(slices.Collect(q.all())), len(want), len(all))
			}
			first, is := q.firstBy(by)
			if is != (len(want) > 0) || is && slices.ContainsFunc(want, func(item *task) bool { return item.at < first.at }) {
				t.Fatalf("by %d it has %+v first (%t)", by, first, is)
			}
			inOrder := slices.Collect(q.moments.inOrder())
			if len(inOrder) != len(moments) || !slices.IsSortedFunc(inOrder, func(a, b *moment[*task]) int { return cmp.Compare(a.at, b.at) }) {
				t.Fatalf("%d of %d moments are in order", len(inOrder), len(moments))
			}
			if len(q.at) != len(moments) || len(q.moments) != len(moments) {
				t.Fatalf("%d and %d moments are kept, not %d", len(q.at), len(q.moments), len(moments))
			}
		}
	})
}

// same says whether two lists have the same items, each once.
func same(a, b []*task) bool {
	is := map[*task]bool{}
	for _, item := range a {
		is[item] = true
	}
	return len(a) == len(b) && len(is) == len(a) && !slices.ContainsFunc(b, func(item *task) bool { return !is[item] })
}
