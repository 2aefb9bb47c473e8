package counts

import "container/heap"

// queue has first what happens first. Its items know where in it they are, so that each can be moved and removed. The zero value is empty.
type queue[T any, O order[T]] []T

// order says of a queue's items when they happen, and where an item keeps its index: -1 once it has left the queue.
type order[T any] interface {
	when(item T) int64 // Unix seconds
	index(item T) *int
}

func (q *queue[T, O]) add(item T)    { heap.Push(q, item) }
func (q *queue[T, O]) remove(item T) { var o O; heap.Remove(q, *o.index(item)) }

// moved is called after an item happens at another time.
func (q *queue[T, O]) moved(item T) { var o O; heap.Fix(q, *o.index(item)) }

// firstBy is the item that happens first, if it does so by a time.
func (q queue[T, O]) firstBy(now int64) (first T, found bool) {
	var o O
	if len(q) == 0 || o.when(q[0]) > now {
		return first, false
	}
	return q[0], true
}

// search visits the items down to those for which it is not worth going on: those below happen no earlier.
func (q queue[T, O]) search(worth func(T) bool, visit func(T)) { q.searchFrom(0, worth, visit) }

func (q queue[T, O]) searchFrom(i int, worth func(T) bool, visit func(T)) {
	if i < len(q) && worth(q[i]) {
		visit(q[i])
		q.searchFrom(2*i+1, worth, visit)
		q.searchFrom(2*i+2, worth, visit)
	}
}

// Len implements heap.Interface, as the following methods do.
func (q queue[T, O]) Len() int { return len(q) }

// Less implements heap.Interface.
func (q queue[T, O]) Less(i, j int) bool { var o O; return o.when(q[i]) < o.when(q[j]) }

// Swap implements heap.Interface.
func (q queue[T, O]) Swap(i, j int) {
	var o O
	q[i], q[j] = q[j], q[i]
	*o.index(q[i]), *o.index(q[j]) = i, j
}

// Push implements heap.Interface.
func (q *queue[T, O]) Push(item any) {
	var o O
	*o.index(item.(T)) = len(*q)
	*q = append(*q, item.(T))
}

// Pop implements heap.Interface.
func (q *queue[T, O]) Pop() any {
	var o O
	item := pop((*[]T)(q))
	*o.index(item) = -1
	return item
}

// pop takes the last item off a list.
func pop[T any](list *[]T) T {
	last := len(*list) - 1
	item := (*list)[last]
	clear((*list)[last:])
	*list = (*list)[:last]
	return item
}
