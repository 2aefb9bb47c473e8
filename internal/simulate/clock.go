package simulate

import (
	"cmp"
	"container/heap"
	"time"
)

// clock runs numbers, templates, portfolios and pools in order of time. At one instant numbers run first, then templates, then
// portfolios, then pools: what the first conclude, the last are told.
type clock struct {
	now      time.Time // whole seconds: up to here all events have been read
	due      deadlines
	waiting  [kinds][]*scheduled
	settling bool
}

type kind int

const (
	numbers kind = iota
	templates
	portfolios
	pools
	kinds
)

// scheduled is what runs when something next changes by itself.
type scheduled struct {
	name    string
	kind    kind
	run     func(to time.Time) (next time.Time)
	next    time.Time // the next deadline; zero for none
	place   int       // among the deadlines, from 1; zero for none
	waiting bool
}

// wake runs what something happened to. What has a deadline at this instant waits for all events of the instant, for they
// come first.
func (c *clock) wake(t *scheduled) {
	if c.settling || t.waiting || t.next.Equal(c.now) {
		c.wait(t)
		return
	}
	c.run(t, c.now)
}

func (c *clock) wait(t *scheduled) {
	if !t.waiting {
		t.waiting = true
		c.waiting[t.kind] = append(c.waiting[t.kind], t)
	}
}

// reach lets everything happen that lies before an instant, which is not before now.
func (c *clock) reach(at time.Time) {
	for c.now.Before(at) {
		c.settle()
		if len(c.due) == 0 || !c.due[0].next.Before(at) {
			c.now = at
			return
		}
		c.now = c.due[0].next
	}
}

// settle lets the deadlines of now happen: its events are in.
func (c *clock) settle() {
	for len(c.due) > 0 && c.due[0].next.Equal(c.now) {
		c.wait(heap.Pop(&c.due).(*scheduled))
	}
	c.settling = true
	for k := kind(0); k < kinds; {
		if len(c.waiting[k]) == 0 {
			k++
			continue
		}
		t := c.waiting[k][0]
		c.waiting[k] = c.waiting[k][1:]
		t.waiting = false
		c.run(t, c.now)
		k = 0 // a template may have woken a number
	}
	c.settling = false
}

// run runs one up to an instant, which is now at most, and notes its next deadline.
func (c *clock) run(t *scheduled, to time.Time) {
	switch t.next = t.run(to); {
	case t.next.IsZero() && t.place > 0:
		heap.Remove(&c.due, t.place-1)
	case t.next.IsZero():
	case t.place > 0:
		heap.Fix(&c.due, t.place-1)
	default:
		heap.Push(&c.due, t)
	}
}

// deadlines are those who have one, as a heap: the earliest first, by name where several are at one instant.
type deadlines []*scheduled

func (d deadlines) Len() int { return len(d) }

func (d deadlines) Less(i, j int) bool {
	return cmp.Or(d[i].next.Compare(d[j].next), cmp.Compare(d[i].name, d[j].name)) < 0
}

func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i+1, j+1
}

// Push implements heap.Interface.
func (d *deadlines) Push(x any) {
	t := x.(*scheduled)
	*d = append(*d, t)
	t.place = len(*d)
}

// Pop implements heap.Interface.
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	t := (*d)[last]
	t.place = 0
	*d = (*d)[:last]
	return t
}
