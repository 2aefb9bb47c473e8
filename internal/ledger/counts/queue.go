package counts

import (
	"cmp"
	"container/heap"
	"iter"
	"slices"
)

// queue has first what happens first. Items that happen at one moment are kept together: moments are few, and ordering items one by one would
// read and write the memory of many for each. Items know where they are, so that each can be moved and removed. The zero value is empty.
type queue[T any, O order[T]] struct {
	moments moments[T]
	at      map[int64]*moment[T]
}

// moment are the items of a queue that happen then, in no order.
type moment[T any] struct {
	at    int64
	items []T
	index int // in queue.moments
}

// spot is where in a queue an item is: the zero value says that it is in none.
type spot[T any] struct {
	*moment[T]
	i int // in items
}

// order says of a queue's items when they happen, and where an item keeps its spot.
type order[T any] interface {
	when(item T) int64
	spot(item T) *spot[T]
}

func (q *queue[T, O]) add(item T) {
	var o O
	at := o.when(item)
	in := q.at[at]
	if in == nil {
		in = &moment[T]{at: at}
		if q.at == nil {
			q.at = map[int64]*moment[T]{}
		}
		q.at[at] = in
		heap.Push(&q.moments, in)
	}
	*o.spot(item) = spot[T]{in, len(in.items)}
	in.items = append(in.items, item)
}

func (q *queue[T, O]) remove(item T) {
	var o O
	of := o.spot(item)
	in := of.moment
	if last := pop(&in.items); of.i < len(in.items) {
		in.items[of.i] = last
		o.spot(last).i = of.i
	}
	*of = spot[T]{}
	if len(in.items) == 0 {
		delete(q.at, in.at)
		heap.Remove(&q.moments, in.index)
	}
}

// moved is called after an item happens at another time.
func (q *queue[T, O]) moved(item T) {
	var o O
	if o.spot(item).at != o.when(item) {
		q.remove(item)
		q.add(item)
	}
}

// first is an item that happens first.
func (q *queue[T, O]) first() (first T, found bool) {
	if len(q.moments) == 0 {
		return first, false
	}
	items := q.moments[0].items
	return items[len(items)-1], true
}

// firstBy is an item that happens first, if it does so by a time.
func (q *queue[T, O]) firstBy(now int64) (first T, found bool) {
	if len(q.moments) == 0 || q.moments[0].at > now {
		return first, false
	}
	return q.first()
}

// all are the items in no order.
func (q *queue[T, O]) all() iter.Seq[T] { return q.search(func(int64) bool { return true }) }

// search are the items down to the moments for which it is not worth going on: those below happen no earlier.
func (q *queue[T, O]) search(worth func(at int64) bool) iter.Seq[T] {
	return func(yield func(T) bool) { q.moments.search(0, worth, yield) }
}

// moments are a heap.
type moments[T any] []*moment[T]

func (h moments[T]) search(i int, worth func(at int64) bool, yield func(T) bool) bool {
	if i >= len(h) || !worth(h[i].at) {
		return true
	}
	for _, item := range h[i].items {
		if !yield(item) {
			return false
		}
	}
	return h.search(2*i+1, worth, yield) && h.search(2*i+2, worth, yield)
}

// inOrder are the moments, the first first: each is less than the two below it.
func (h moments[T]) inOrder() iter.Seq[*moment[T]] {
	return func(yield func(*moment[T]) bool) {
		var next []int // in h, the first last
		if len(h) > 0 {
			next = append(next, 0)
		}
		for len(next) > 0 {
			i := pop(&next)
			if !yield(h[i]) {
				return
			}
			for below := 2*i + 1; below <= 2*i+2 && below < len(h); below++ {
				before, _ := slices.BinarySearchFunc(next, h[below].at, func(i int, at int64) int { return cmp.Compare(at, h[i].at) })
				next = slices.Insert(next, before, below)
			}
		}
	}
}

// Len implements heap.Interface, as the following methods do.
func (h moments[T]) Len() int { return len(h) }

// Less implements heap.Interface.
func (h moments[T]) Less(i, j int) bool { return h[i].at < h[j].at }

// Swap implements heap.Interface.
func (h moments[T]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *moments[T]) Push(item any) {
	in := item.(*moment[T])
	in.index = len(*h)
	*h = append(*h, in)
}

// Pop implements heap.Interface.
func (h *moments[T]) Pop() any { return pop((*[]*moment[T])(h)) }

// pop takes the last item off a list.
func pop[T any](list *[]T) T {
	last := len(*list) - 1
	item := (*list)[last]
	clear((*list)[last:])
	*list = (*list)[:last]
	return item
}
