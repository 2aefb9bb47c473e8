package counts

import (
	"cmp"
	"slices"
	"sort"
)

// delivery is what is known about one message to a user.
type delivery struct {
	at          uint32  // Unix seconds: the earliest time that is known of its delivery; of one that is awaited, that it was told of
	fingerprint uint32  // the message's fingerprint, printBits wide
	reply       bool    // Meta says that it is a reply, so it does not count
	awaited     bool    // it was not delivered yet: all that is known is that it is a reply
	chat        ChatKey // that it was sent to, zero for none
}

func (d delivery) compare(o delivery) int {
	return cmp.Or(cmp.Compare(d.at, o.at), cmp.Compare(d.fingerprint, o.fingerprint))
}

// with is what is known about a message of which both are known. It is the same in either order, and however often.
func (d delivery) with(o delivery) delivery {
	switch {
	case d.awaited == o.awaited:
		d.at = min(d.at, o.at)
	case d.awaited:
		d.at = o.at
	}
	d.reply = d.reply || o.reply
	d.awaited = d.awaited && o.awaited
	if d.chat == 0 || o.chat != 0 && o.chat < d.chat {
		d.chat = o.chat
	}
	return d
}

// history is what is known about one user of one number. It is a set: adding in another order, or twice, gives the same.
type history struct {
	deliveries []delivery           // in order of time, one for every message
	inbounds   []uint32             // Unix seconds, rising
	written    map[ChatKey][]uint32 // the same of the number's chats, see chats
	complaints []delivery           // as deliveries; only where a group puts its numbers' together
}

func (h *history) reset() {
	h.deliveries, h.inbounds, h.complaints = h.deliveries[:0], h.inbounds[:0], h.complaints[:0]
}

// find is the index of a message, -1 if it is not known.
func (h *history) find(print uint32) int {
	for i, d := range slices.Backward(h.deliveries) {
		if d.fingerprint == print {
			return i
		}
	}
	return -1
}

// knows says whether the event would change nothing.
func (h *history) contains(e event) bool {
	if e.kind == Received {
		_, found := slices.BinarySearch(h.inbounds, e.at)
		return found
	}
	i := h.find(e.fingerprint)
	return i >= 0 && h.deliveries[i].with(e.delivery()) == h.deliveries[i]
}

// add adds an event.
func (h *history) add(e event) {
	if e.kind == Received {
		h.receive(e.at)
		return
	}
	h.deliver(e.delivery())
}

func (h *history) receive(at uint32) {
	if i, found := slices.BinarySearch(h.inbounds, at); !found {
		h.inbounds = slices.Insert(h.inbounds, i, at)
	}
}

func (h *history) deliver(d delivery) {
	if i := h.find(d.fingerprint); i >= 0 {
		d = d.with(h.deliveries[i])
		h.deliveries = slices.Delete(h.deliveries, i, i+1)
	}
	i, _ := slices.BinarySearchFunc(h.deliveries, d, delivery.compare)
	h.deliveries = slices.Insert(h.deliveries, i, d)
}

// join adds another history of the same user.
func (h *history) merge(o *history) {
	for _, d := range o.deliveries {
		h.deliver(d)
	}
	for _, at := range o.inbounds {
		h.receive(at)
	}
	if len(o.complaints) > 0 {
		complaints := history{deliveries: h.complaints}
		complaints.merge(&history{deliveries: o.complaints})
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

// lengths are Windows in seconds.
type windowLengths struct {
	service, conversation int64
	countReached          bool
}

// outside says whether a time is outside of every service window that messages from the user opened.
func (w windowLengths) outside(inbounds []uint32, at uint32) bool {
	i := len(inbounds)
	if i > 0 && inbounds[i-1] > at {
		i = sort.Search(i, func(i int) bool { return inbounds[i] > at })
	}
	return i == 0 || int64(inbounds[i-1]) <= int64(at)-w.service
}

// counts says whether a delivery counts: Meta does not call it a reply, nothing came from the user in the service window before it
// and, where it was sent to a group, nothing from the group.
func (h *history) counts(w windowLengths, d delivery) bool {
	return !d.reply && w.outside(h.inbounds, d.at) && (d.chat == 0 || w.outside(h.written[d.chat], d.at))
}

// opens says whether a counted delivery opens a conversation, given the latest that was opened before; zero for none.
func (w windowLengths) opens(opened, at uint32) bool {
	return opened == 0 || int64(opened) <= int64(at)-w.conversation
}

// walk appends the user's points at or after the floor. It returns the times of the last counted delivery and of the
// last conversation's opening, zero for none.
func (h *history) appendCounted(w windowLengths, floor int64, points []sample) (_ []sample, counted, opened uint32) {
	k := sampler{windows: w, floor: floor, samples: points}
	for _, d := range h.deliveries {
		if h.counts(w, d) {
			k.step(d.at)
		}
	}
	return k.samples, k.counted, k.opened
}

// walkAll is walk where every delivery counts, and none is inside a conversation.
func (h *history) appendAll(floor int64, points []sample) []sample {
	k := sampler{floor: floor, samples: points}
	for _, d := range h.deliveries {
		if !d.awaited {
			k.step(d.at)
		}
	}
	return k.samples
}

// lastBefore is the last delivery up to a time that is on a timeline, if there is one after it; zero for none.
func (h *history) lastBefore(on seriesKind, w windowLengths, to int64) uint32 {
	later := false
	for _, d := range slices.Backward(h.deliveries) {
		if d.awaited || on == countedSeries && !h.counts(w, d) {
			continue
		}
		if int64(d.at) > to {
			later = true
			continue
		}
		if later {
			return d.at
		}
		break
	}
	return 0
}

// walker makes the points of one user from the times of what counts, which come in order.
type sampler struct {
	windows         windowLengths
	floor           int64 // there are no points before it
	samples         []sample
	last            int // one more than the index of the user's last point; zero for none
	counted, opened uint32
}

func (k *sampler) step(at uint32) {
	if k.last > 0 {
		k.samples[k.last-1] += sample(oneSuperseded)
		k.last = 0
	}
	mark := oneSample
	if k.windows.opens(k.opened, at) {
		k.opened = at
	} else {
		mark += oneInside
	}
	k.counted = at
	if int64(at) >= k.floor {
		k.samples = append(k.samples, newSample(at, mark))
		k.last = len(k.samples)
	}
}

// trim forgets what cannot change a point at or after the horizon, and says whether there was anything. Nothing earlier
// than the horizon is added later, so of the deliveries before it only the last opening of a conversation matters: it
// is kept as long as that conversation reaches over the horizon, and so the openings after it stay where they are.
func (h *history) trim(w windowLengths, horizon int64) bool {
	before := len(h.deliveries) + len(h.inbounds)
	if before == 0 {
		return false
	}
	var anchor delivery
	n := 0
	for ; n < len(h.deliveries) && int64(h.deliveries[n].at) < horizon; n++ {
		if d := h.deliveries[n]; h.counts(w, d) && w.opens(anchor.at, d.at) {
			anchor = d
		}
	}
	if anchor.at > 0 && int64(anchor.at) > horizon-w.conversation {
		n--
		h.deliveries[n] = anchor
	}
	h.deliveries = slices.Delete(h.deliveries, 0, n)
	h.inbounds = w.trim(h.inbounds, horizon)
	return len(h.deliveries)+len(h.inbounds) < before
}

// trim forgets the messages from users whose service window is over at the horizon.
func (w windowLengths) trim(inbounds []uint32, horizon int64) []uint32 {
	first := w.first(horizon)
	i := sort.Search(len(inbounds), func(i int) bool { return int64(inbounds[i]) >= first })
	return slices.Delete(inbounds, 0, i)
}

// first is the time of the first message from a user that is kept at a horizon: one from then on may come again, and is known then.
func (w windowLengths) first(horizon int64) int64 { return min(horizon, horizon-w.service+1) }
