package ledger

import (
	"cmp"
	"slices"
	"sort"
)

// delivery is the delivery of one message: the earliest time that is known for it.
type delivery struct {
	at    uint32 // Unix seconds
	print uint32 // the message's fingerprint, printBits wide
}

func (d delivery) compare(o delivery) int {
	return cmp.Or(cmp.Compare(d.at, o.at), cmp.Compare(d.print, o.print))
}

// history is what is known about one user of one number. It is a set: adding in another order, or twice, gives the same.
type history struct {
	deliveries []delivery // in order of time, one for every message
	inbounds   []uint32   // Unix seconds, rising
	complaints []delivery // as deliveries; only where a group puts its numbers' together
}

func (h *history) reset() {
	h.deliveries, h.inbounds, h.complaints = h.deliveries[:0], h.inbounds[:0], h.complaints[:0]
}

// knows says whether the event would change nothing.
func (h *history) knows(e event) bool {
	if e.kind == Received {
		_, found := slices.BinarySearch(h.inbounds, e.at)
		return found
	}
	for _, d := range slices.Backward(h.deliveries) {
		if d.print == e.print {
			return d.at <= e.at
		}
	}
	return false
}

// add adds an event that it does not know.
func (h *history) add(e event) {
	if e.kind == Received {
		i, _ := slices.BinarySearch(h.inbounds, e.at)
		h.inbounds = slices.Insert(h.inbounds, i, e.at)
		return
	}
	h.deliveries = slices.DeleteFunc(h.deliveries, func(d delivery) bool { return d.print == e.print })
	d := delivery{at: e.at, print: e.print}
	i, _ := slices.BinarySearchFunc(h.deliveries, d, delivery.compare)
	h.deliveries = slices.Insert(h.deliveries, i, d)
}

// join adds another history of the same user.
func (h *history) join(o *history) {
	for _, d := range o.deliveries {
		if e := (event{kind: Delivered, print: d.print, at: d.at}); !h.knows(e) {
			h.add(e)
		}
	}
	for _, at := range o.inbounds {
		if e := (event{kind: Received, at: at}); !h.knows(e) {
			h.add(e)
		}
	}
	if len(o.complaints) > 0 {
		complaints := history{deliveries: h.complaints}
		complaints.join(&history{deliveries: o.complaints})
		h.complaints = complaints.deliveries
	}
}

// newest is the time of the last event, zero for none.
func (h *history) newest() (at uint32) {
	if n := len(h.deliveries); n > 0 {
		at = h.deliveries[n-1].at
	}
	if n := len(h.inbounds); n > 0 {
		at = max(at, h.inbounds[n-1])
	}
	return at
}

// lengths are Windows in seconds. Under those of zero every delivery counts, and none is inside a conversation.
type lengths struct {
	service, conversation int64
	reach                 bool
}

// counted says whether a delivery counts: nothing came from the user in the service window before it.
func (w lengths) counted(inbounds []uint32, at uint32) bool {
	i := len(inbounds)
	if i > 0 && inbounds[i-1] > at {
		i = sort.Search(i, func(i int) bool { return inbounds[i] > at })
	}
	return i == 0 || int64(inbounds[i-1]) <= int64(at)-w.service
}

// opens says whether a counted delivery opens a conversation, given the latest that was opened before; zero for none.
func (w lengths) opens(opened, at uint32) bool {
	return opened == 0 || int64(opened) <= int64(at)-w.conversation
}

// walk appends the user's points at or after the floor. It returns the times of the last counted delivery and of the
// last conversation's opening, zero for none.
func (h *history) walk(w lengths, floor int64, points []point) (_ []point, counted, opened uint32) {
	k := walker{windows: w, floor: floor, points: points}
	for _, d := range h.deliveries {
		if w.counted(h.inbounds, d.at) {
			k.step(d.at)
		}
	}
	return k.points, k.counted, k.opened
}

// walker makes the points of one user from the times of what counts, which come in order.
type walker struct {
	windows         lengths
	floor           int64 // there are no points before it
	points          []point
	last            int // one more than the index of the user's last point; zero for none
	counted, opened uint32
}

func (k *walker) step(at uint32) {
	if k.last > 0 {
		k.points[k.last-1] += point(oneSuperseded)
		k.last = 0
	}
	mark := onePoint
	if k.windows.opens(k.opened, at) {
		k.opened = at
	} else {
		mark += oneInside
	}
	k.counted = at
	if int64(at) >= k.floor {
		k.points = append(k.points, newPoint(at, mark))
		k.last = len(k.points)
	}
}

// trim forgets what cannot change a point at or after the horizon, and says whether there was anything. Nothing earlier
// than the horizon is added later, so of the deliveries before it only the last opening of a conversation matters: it
// is kept as long as that conversation reaches over the horizon, and so the openings after it stay where they are.
func (h *history) trim(w lengths, horizon int64) bool {
	before := len(h.deliveries) + len(h.inbounds)
	if before == 0 {
		return false
	}
	var anchor delivery
	n := 0
	for ; n < len(h.deliveries) && int64(h.deliveries[n].at) < horizon; n++ {
		if d := h.deliveries[n]; w.counted(h.inbounds, d.at) && w.opens(anchor.at, d.at) {
			anchor = d
		}
	}
	if anchor.at > 0 && int64(anchor.at) > horizon-w.conversation {
		n--
		h.deliveries[n] = anchor
	}
	h.deliveries = slices.Delete(h.deliveries, 0, n)
	i := sort.Search(len(h.inbounds), func(i int) bool { return int64(h.inbounds[i]) > horizon-w.service })
	h.inbounds = slices.Delete(h.inbounds, 0, i)
	return len(h.deliveries)+len(h.inbounds) < before
}
