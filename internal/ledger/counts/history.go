package counts

import (
	"cmp"
	"slices"
	"sort"
)

// delivery is what is known about one message to a user.
type delivery struct {
	at          uint32  // Unix seconds: the earliest time of its delivery that is known; if awaited, when it was reported
	fingerprint uint32  // of the message, fingerprintBits wide
	reply       bool    // Meta says that it is a reply, so it does not count
	awaited     bool    // it was not delivered yet: it is only known to be a reply
	chat        ChatKey // that it was sent to, zero for none
}

func (d delivery) compare(o delivery) int {
	return cmp.Or(cmp.Compare(d.at, o.at), cmp.Compare(d.fingerprint, o.fingerprint))
}

// with merges what is known about one message. It is commutative, associative and idempotent.
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

// history is what is known about one user of one number. It is a set: events in any order and any number of times give the same history.
type history struct {
	deliveries []delivery           // in order of time, one for every message
	inbounds   []uint32             // Unix seconds, rising
	written    map[ChatKey][]uint32 // inbounds of the number's chats, see chats
	complaints []delivery           // sorted as deliveries; only in a portfolio's merged histories
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

// contains reports whether the event would change nothing.
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

// merge adds another history of the same user.
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

// windowLengths are Windows in seconds.
type windowLengths struct {
	service, conversation int64
	countReached          bool
}

// outside reports whether a time is outside of every service window that messages from the user opened.
func (w windowLengths) outside(inbounds []uint32, at uint32) bool {
	i := len(inbounds)
	if i > 0 && inbounds[i-1] > at {
		i = sort.Search(i, func(i int) bool { return inbounds[i] > at })
	}
	return i == 0 || int64(inbounds[i-1]) <= int64(at)-w.service
}

// counts reports whether a delivery counts: Meta does not call it a reply, and no service window is open, neither the user's nor,
// for a message to a chat, the chat's.
func (h *history) counts(w windowLengths, d delivery) bool {
	return !d.reply && w.outside(h.inbounds, d.at) && (d.chat == 0 || w.outside(h.written[d.chat], d.at))
}

// opens reports whether a counted delivery opens a conversation. opened is when the last one was opened, zero for none.
func (w windowLengths) opens(opened, at uint32) bool {
	return opened == 0 || int64(opened) <= int64(at)-w.conversation
}

// appendCounted appends the samples of the counted deliveries that are not before floor. It returns the times of the last counted
// delivery and of the last opening of a conversation, zero for none.
func (h *history) appendCounted(w windowLengths, floor int64, points []sample) (_ []sample, counted, opened uint32) {
	k := sampler{windows: w, floor: floor, samples: points}
	for _, d := range h.deliveries {
		if h.counts(w, d) {
			k.step(d.at)
		}
	}
	return k.samples, k.counted, k.opened
}

// appendAll appends a sample for each delivery that is not before floor, counted or not. None is inside a conversation.
func (h *history) appendAll(floor int64, points []sample) []sample {
	k := sampler{floor: floor, samples: points}
	for _, d := range h.deliveries {
		if !d.awaited {
			k.step(d.at)
		}
	}
	return k.samples
}

// lastBefore returns the time of the last delivery of a series up to a time if there is a later one, else zero.
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

// sampler makes the samples of one user from times that are given in order.
type sampler struct {
	windows         windowLengths
	floor           int64 // there are no samples before it
	samples         []sample
	last            int // one more than the index of the user's last sample; zero for none
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

// trim forgets what cannot change a sample at or after the horizon. It reports whether there was anything to forget.
//
// Nothing earlier than the horizon is added later. So of the deliveries before it only the last opening of a conversation
// matters, as long as that conversation reaches over the horizon: without it the openings after the horizon would move.
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

// trim forgets the messages from users whose service window has ended at the horizon.
func (w windowLengths) trim(inbounds []uint32, horizon int64) []uint32 {
	first := w.first(horizon)
	i := sort.Search(len(inbounds), func(i int) bool { return int64(inbounds[i]) >= first })
	return slices.Delete(inbounds, 0, i)
}

// first returns the time from which on messages from users are kept at a horizon. A later one may be delivered again, and is then
// known.
func (w windowLengths) first(horizon int64) int64 { return min(horizon, horizon-w.service+1) }
