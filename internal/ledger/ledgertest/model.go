package ledgertest

import (
	"cmp"
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// model counts some numbers together, mostly one, from nothing but the list of accepted entries, straight from the
// definitions.
type model struct {
	windows counts.Windows
	entries []counts.Entry
}

// add takes the entries that do not come too late.
func (m *model) add(entries []counts.Entry, now time.Time) {
	for _, e := range entries {
		if e.At >= now.Add(-counts.Kept-counts.Lateness).Unix() {
			m.entries = append(m.entries, e)
		}
	}
}

// of is the model of some of the numbers.
func (m *model) of(numbers ...string) *model {
	some := &model{windows: m.windows}
	for _, e := range m.entries {
		if slices.Contains(numbers, e.Number) {
			some.entries = append(some.entries, e)
		}
	}
	return some
}

// person is who a key stands for.
func (m *model) person() func(counts.UserKey) counts.UserKey {
	person := map[counts.UserKey]counts.UserKey{}
	who := func(k counts.UserKey) counts.UserKey {
		for person[k] != 0 {
			k = person[k]
		}
		return k
	}
	for _, e := range m.entries {
		if a, b := who(e.User), who(e.Alias); e.Alias != 0 && a != b {
			person[b] = a
		}
	}
	return who
}

// happened are the sorted times of deliveries, of counted ones and of complaints, by person.
type happened struct {
	delivered, counted, complained map[counts.UserKey][]int64
}

func (m *model) happened() happened {
	who := m.person()
	type message struct {
		user   counts.UserKey
		number string
		key    counts.MessageKey
		did    counts.Complaint
	}
	type place struct {
		user   counts.UserKey // or else
		chat   counts.ChatKey
		number string
	}
	first := map[message]int64{}
	received := map[place][]int64{}
	reply := map[message]bool{}
	chat := map[message]counts.ChatKey{} // of several, which no message has, the least
	for _, e := range m.entries {
		user := who(e.User)
		if e.Kind == counts.AliasLinked || e.Kind == counts.Failed {
			continue
		}
		if e.Kind == counts.Received {
			at := place{user: user, number: e.Number}
			if e.Chat != 0 {
				at = place{chat: e.Chat, number: e.Number}
			}
			received[at] = append(received[at], e.At)
			continue
		}
		is := message{user, e.Number, e.Message, e.Complaint}
		reply[is] = reply[is] || e.Reply || e.Kind == counts.Replied
		if e.Chat != 0 && (chat[is] == 0 || e.Chat < chat[is]) {
			chat[is] = e.Chat
		}
		if e.Kind == counts.Replied {
			continue
		}
		if at, found := first[is]; !found || e.At < at {
			first[is] = e.At
		}
	}
	h := happened{map[counts.UserKey][]int64{}, map[counts.UserKey][]int64{}, map[counts.UserKey][]int64{}}
	for is, at := range first {
		if is.did != 0 {
			h.complained[is.user] = append(h.complained[is.user], at)
			continue
		}
		h.delivered[is.user] = append(h.delivered[is.user], at)
		inService := func(where place) bool {
			return slices.ContainsFunc(received[where], func(in int64) bool { return in <= at && in > at-int64(m.windows.Service.Seconds()) })
		}
		ofChat := chat[is] != 0 && inService(place{chat: chat[is], number: is.number})
		if !reply[is] && !ofChat && !inService(place{user: is.user, number: is.number}) {
			h.counted[is.user] = append(h.counted[is.user], at)
		}
	}
	for _, times := range []map[counts.UserKey][]int64{h.delivered, h.counted, h.complained} {
		for _, list := range times {
			slices.Sort(list)
		}
	}
	return h
}

// events are the sorted times that a measure is about.
func (h happened) events(w counts.Windows, measure v1alpha1.Measure) (all []int64) {
	of := h.counted
	switch {
	case measure == v1alpha1.MeasureComplaining:
		of = h.complained
	case measure == v1alpha1.MeasureReached && w.CountReached:
		of = h.delivered
	case measure == v1alpha1.MeasureReached:
		return nil
	}
	for _, list := range of {
		all = append(all, list...)
	}
	slices.Sort(all)
	return all
}

// times are the sorted times of what a measure counts, users as of a time.
func (h happened) times(w counts.Windows, to int64) map[v1alpha1.Measure][]int64 {
	times := map[v1alpha1.Measure][]int64{v1alpha1.MeasureMessages: h.events(w, v1alpha1.MeasureMessages)}
	last := func(measure v1alpha1.Measure, of map[counts.UserKey][]int64) {
		for _, list := range of {
			if n, _ := slices.BinarySearch(list, to+1); n > 0 {
				times[measure] = append(times[measure], list[n-1])
			}
		}
	}
	last(v1alpha1.MeasureUniqueUsers, h.counted)
	last(v1alpha1.MeasureComplaining, h.complained)
	if w.CountReached {
		last(v1alpha1.MeasureReached, h.delivered)
	}
	for _, counted := range h.counted {
		var opened []int64
		for _, at := range counted {
			if !slices.ContainsFunc(opened, func(o int64) bool { return o > at-int64(w.Conversation.Seconds()) }) {
				opened = append(opened, at)
			}
		}
		times[v1alpha1.MeasureConversations] = append(times[v1alpha1.MeasureConversations], opened...)
	}
	for _, list := range times {
		slices.Sort(list)
	}
	return times
}

// feedback is what Feedback should be.
func (m *model) feedback(from, to int64) (all []counts.Insight) {
	who := m.person()
	type done struct {
		user counts.UserKey
		did  counts.Complaint
	}
	first := map[counts.Entry]int64{}
	for _, e := range m.entries {
		at := e.At
		e.User, e.Alias, e.At = who(e.User), 0, 0
		if was, found := first[e]; e.Complaint != 0 && (!found || at < was) {
			first[e] = at
		}
	}
	once := map[done]bool{}
	for e, at := range first {
		once[done{e.User, e.Complaint}] = once[done{e.User, e.Complaint}] || at > from && at <= to
	}
	for _, kind := range []v1alpha1.FeedbackKind{v1alpha1.FeedbackBlock, v1alpha1.FeedbackReport, v1alpha1.FeedbackMute, v1alpha1.FeedbackArchive} {
		for _, reason := range []v1alpha1.FeedbackReason{v1alpha1.FeedbackNoLongerNeeded, v1alpha1.FeedbackDidNotSignUp, v1alpha1.FeedbackSpam,
			v1alpha1.FeedbackOffensiveMessages, v1alpha1.FeedbackNoReason, v1alpha1.FeedbackOther} {
			insight := counts.Insight{Kind: kind, Reason: reason}
			for did, within := range once {
				if within && did.did == counts.NewComplaint(kind, reason) {
					insight.Users++
				}
			}
			if insight.Users > 0 {
				all = append(all, insight)
			}
		}
	}
	slices.SortFunc(all, func(a, b counts.Insight) int {
		return cmp.Or(cmp.Compare(b.Users, a.Users), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Reason, b.Reason))
	})
	return all
}

// measures are all of them.
var measures = []v1alpha1.Measure{v1alpha1.MeasureUniqueUsers, v1alpha1.MeasureConversations, v1alpha1.MeasureMessages, v1alpha1.MeasureReached, v1alpha1.MeasureComplaining}

// settled are the measures that are exact since a time for a portfolio of which nothing before the floor is kept. Conversations are if
// everybody whose deliveries led to one without a pause had the first of them since the floor.
func (m *model) settled(floor, since int64) []v1alpha1.Measure {
	for _, counted := range m.happened().counted {
		for i, at := range counted {
			first := i
			for first > 0 && counted[first-1] > counted[first]-int64(m.windows.Conversation.Seconds()) {
				first--
			}
			if at >= since && counted[first] < floor {
				return slices.DeleteFunc(slices.Clone(measures), func(is v1alpha1.Measure) bool { return is == v1alpha1.MeasureConversations })
			}
		}
	}
	return measures
}
