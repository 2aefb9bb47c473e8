package counts

import (
	"cmp"
	"context"
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// model counts some numbers together, mostly one, from nothing but the list of accepted entries, straight from the
// definitions.
type model struct {
	windows Windows
	entries []Entry
}

// add takes the entries that do not come too late.
func (m *model) add(entries []Entry, now time.Time) {
	for _, e := range entries {
		if e.At >= now.Add(-Kept-Lateness).Unix() {
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
func (m *model) person() func(UserKey) UserKey {
	person := map[UserKey]UserKey{}
	who := func(k UserKey) UserKey {
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
	delivered, counted, complained map[UserKey][]int64
}

func (m *model) happened() happened {
	who := m.person()
	type message struct {
		user   UserKey
		number string
		key    MessageKey
		did    Complaint
	}
	type place struct {
		user   UserKey // or else
		chat   ChatKey
		number string
	}
	first := map[message]int64{}
	received := map[place][]int64{}
	reply := map[message]bool{}
	chat := map[message]ChatKey{} // of several, which no message has, the least
	for _, e := range m.entries {
		user := who(e.User)
		if e.Kind == AliasLinked {
			continue
		}
		if e.Kind == Received {
			at := place{user: user, number: e.Number}
			if e.Chat != 0 {
				at = place{chat: e.Chat, number: e.Number}
			}
			received[at] = append(received[at], e.At)
			continue
		}
		is := message{user, e.Number, e.Message, e.Complaint}
		reply[is] = reply[is] || e.Reply || e.Kind == Replied
		if e.Chat != 0 && (chat[is] == 0 || e.Chat < chat[is]) {
			chat[is] = e.Chat
		}
		if e.Kind == Replied {
			continue
		}
		if at, found := first[is]; !found || e.At < at {
			first[is] = e.At
		}
	}
	h := happened{map[UserKey][]int64{}, map[UserKey][]int64{}, map[UserKey][]int64{}}
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
	for _, times := range []map[UserKey][]int64{h.delivered, h.counted, h.complained} {
		for _, list := range times {
			slices.Sort(list)
		}
	}
	return h
}

// events are the sorted times that a measure is about.
func (h happened) events(w Windows, measure v1alpha1.Measure) (all []int64) {
	of := h.counted
	switch {
	case measure == Complaining:
		of = h.complained
	case measure == Reached && w.CountReached:
		of = h.delivered
	case measure == Reached:
		return nil
	}
	for _, list := range of {
		all = append(all, list...)
	}
	slices.Sort(all)
	return all
}

// times are the sorted times of what a measure counts, users as of a time.
func (h happened) times(w Windows, to int64) map[v1alpha1.Measure][]int64 {
	times := map[v1alpha1.Measure][]int64{Messages: h.events(w, Messages)}
	last := func(measure v1alpha1.Measure, of map[UserKey][]int64) {
		for _, list := range of {
			if n, _ := slices.BinarySearch(list, to+1); n > 0 {
				times[measure] = append(times[measure], list[n-1])
			}
		}
	}
	last(Users, h.counted)
	last(Complaining, h.complained)
	if w.CountReached {
		last(Reached, h.delivered)
	}
	for _, counted := range h.counted {
		var opened []int64
		for _, at := range counted {
			if !slices.ContainsFunc(opened, func(o int64) bool { return o > at-int64(w.Conversation.Seconds()) }) {
				opened = append(opened, at)
			}
		}
		times[Conversations] = append(times[Conversations], opened...)
	}
	for _, list := range times {
		slices.Sort(list)
	}
	return times
}

// feedback is what Feedback should be.
func (m *model) feedback(from, to int64) (all []Insight) {
	who := m.person()
	type done struct {
		user UserKey
		did  Complaint
	}
	first := map[Entry]int64{}
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
	for _, kind := range complaintKinds {
		for _, reason := range complaintReasons {
			insight := Insight{Kind: kind, Reason: reason}
			for did, within := range once {
				if within && did.did == NewComplaint(kind, reason) {
					insight.Users++
				}
			}
			if insight.Users > 0 {
				all = append(all, insight)
			}
		}
	}
	slices.SortFunc(all, func(a, b Insight) int {
		return cmp.Or(cmp.Compare(b.Users, a.Users), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Reason, b.Reason))
	})
	return all
}

// measures are all of them, and settled those that are exact for a portfolio of which nothing before a time is kept: a
// conversation is if everybody whose deliveries led to it without a pause had the first of them since then.
var measures = []v1alpha1.Measure{Users, Conversations, Messages, Reached, Complaining}

func (m *model) settled(floor, since int64) []v1alpha1.Measure {
	for _, counted := range m.happened().counted {
		for i, at := range counted {
			first := i
			for first > 0 && counted[first-1] > counted[first]-int64(m.windows.Conversation.Seconds()) {
				first--
			}
			if at >= since && counted[first] < floor {
				return slices.DeleteFunc(slices.Clone(measures), func(is v1alpha1.Measure) bool { return is == Conversations })
			}
		}
	}
	return measures
}

func within(times []int64, from, to int64) (in []int64) {
	for _, at := range times {
		if at > from && at <= to {
			in = append(in, at)
		}
	}
	return in
}

func instantOf(times []int64, i int) time.Time {
	if len(times) == 0 {
		return time.Time{}
	}
	if i < 0 {
		i += len(times)
	}
	return time.Unix(times[i], 0).UTC()
}

// compare asks the ledger and the model the same questions, about times since one.
func (m *model) compare(t *rapid.T, l *applier, subject string, measures []v1alpha1.Measure, now time.Time, since time.Time, label string) {
	h := m.happened()
	label = subject + " " + label
	length := int64(now.Sub(since).Seconds())
	counted := h.events(m.windows, Messages)
	for range 12 {
		from := since.Unix() + rapid.Int64Range(0, length+3600).Draw(t, "from")
		to := from + rapid.Int64Range(-10, length).Draw(t, "length")
		if rapid.Bool().Draw(t, "edge") && len(counted) > 0 {
			edge := rapid.SampledFrom(counted).Draw(t, "at") + rapid.Int64Range(-1, 1).Draw(t, "beside")
			if edge >= since.Unix() {
				from, to = edge, max(to, edge)
			}
			if rapid.Bool().Draw(t, "end") {
				from, to = max(since.Unix(), edge-86400), edge
			}
		}
		start, end := time.Unix(from, 0), time.Unix(to, 0)
		times := h.times(m.windows, to)
		for _, measure := range measures {
			want := int64(len(within(times[measure], from, to)))
			if got := l.Count(subject, measure, start, end); got != want {
				t.Fatalf("%s: Count(%s, %d, %d) is %d, want %d", label, measure, from, to, got, want)
			}
			in := within(h.events(m.windows, measure), from, to)
			for _, n := range []int{1, rapid.IntRange(1, len(in)+1).Draw(t, "n")} {
				want := time.Time{}
				if n <= len(in) {
					want = time.Unix(in[n-1], 0).UTC()
				}
				if got := l.Nth(subject, measure, int64(n), start, end); !got.Equal(want) {
					t.Fatalf("%s: number %d of %s in (%d, %d] is at %s, want %s", label, n, measure, from, to, got, want)
				}
			}
			if got, want := l.Last(subject, measure, start, end), instantOf(in, -1); !got.Equal(want) {
				t.Fatalf("%s: Last(%s, %d, %d) is %s, want %s", label, measure, from, to, got, want)
			}
		}
		if subject[0] == '+' {
			want := 0
			for _, delivered := range h.delivered {
				want += len(within(delivered, from, to))
			}
			if got := l.Deliveries(subject, start, end); got != int64(want) {
				t.Fatalf("%s: Deliveries(%d, %d) is %d, want %d", label, from, to, got, want)
			}
		}
		if got, want := l.Feedback(subject, start, end), m.feedback(from, to); !slices.Equal(got, want) {
			t.Fatalf("%s: Feedback(%d, %d) is %v, want %v", label, from, to, got, want)
		}
	}
	for _, window := range []time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour} {
		if now.Add(-window).Before(since) {
			continue
		}
		var next time.Time
		for _, measure := range measures {
			// As it stood then: nothing is delivered after it.
			asked := now.Add(-time.Duration(rapid.Int64Range(0, max(0, length-int64(window.Seconds()))).Draw(t, "ago")) * time.Second)
			had := within(h.times(m.windows, asked.Unix())[measure], asked.Add(-window).Unix(), asked.Unix())
			limit := rapid.Int64Range(1, int64(len(had))+1).Draw(t, "limit")
			want := asked
			if n := int64(len(had)) - limit; n >= 0 {
				want = time.Unix(had[n], 0).Add(window)
			}
			if got := l.FallsBelow(subject, measure, window, limit, asked); !got.Equal(want) {
				t.Fatalf("%s: FallsBelow(%s, %s, %d, %s) is %s, want %s", label, measure, window, limit, asked, got, want)
			}
			if in := within(h.events(m.windows, measure), now.Add(-window).Unix(), now.Unix()+1e6); len(in) > 0 {
				if leaves := time.Unix(in[0], 0).Add(window); next.IsZero() || leaves.Before(next) {
					next = leaves
				}
			}
		}
		if got := l.NextExpiry(subject, now, window); !got.Equal(next) {
			t.Fatalf("%s: NextExpiry(%s) is %s, want %s", label, window, got, next)
		}
	}
}

// portfolios are portfolios as they should be, by name.
type portfolios map[string][]string

// regroup declares a portfolio of some of the numbers, or removes one.
func (p portfolios) regroup(t *rapid.T, l *applier, numbers []string) {
	name := rapid.SampledFrom([]string{"one", "two"}).Draw(t, "group")
	some := rapid.SliceOfDistinct(rapid.SampledFrom(numbers), func(n string) string { return n }).Draw(t, "of")
	for other, members := range p {
		p[other] = slices.DeleteFunc(members, func(n string) bool { return slices.Contains(some, n) })
	}
	p[name] = slices.Clone(some)
	if err := l.Group(name, some); err != nil {
		t.Fatal(err)
	}
}

// declare declares the portfolios again.
func (p portfolios) declare(t *rapid.T, l *applier) {
	for name, members := range p {
		if err := l.Group(name, members); err != nil {
			t.Fatal(err)
		}
	}
}

// compare asks about all numbers and portfolios.
func (p portfolios) compare(t *rapid.T, l *applier, m *model, numbers []string, now time.Time, since time.Time, label string) {
	for _, number := range numbers {
		m.of(number).compare(t, l, number, measures, now, since, label)
	}
	for _, name := range []string{"one", "two"} {
		all := m.of(p[name]...)
		exact := all.settled(now.Add(-Kept-Lateness).Unix(), since.Unix())
		all.compare(t, l, PortfolioKey(name), exact, now, since, fmt.Sprint(p[name], " ", label))
	}
}

// append appends entries in batches of some sizes.
func appendAll(t *rapid.T, l *applier, entries []Entry, now time.Time) (sum Outcome) {
	for len(entries) > 0 {
		n := rapid.IntRange(1, len(entries)).Draw(t, "batch")
		got, err := l.Append(context.Background(), Batch{Entries: entries[:n]}, now)
		if err != nil {
			t.Fatal(err)
		}
		sum.New, sum.Repeated, sum.Expired = sum.New+got.New, sum.Repeated+got.Repeated, sum.Expired+got.Expired
		entries = entries[n:]
	}
	return sum
}

// All answers are those of the definitions, whatever the order, the batches and the repetitions, and whenever numbers join
// portfolios and leave them.
func TestCountsAreAFunctionOfTheSetOfEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := begin.Add(40*24*time.Hour + 30*time.Minute)
		m := model{windows: someWindows(t)}
		spread := rapid.SampledFrom([]int64{2 * day, 10 * day, 40 * day}).Draw(t, "spread")
		people := rapid.Uint64Range(1, 6).Draw(t, "people")
		some := rapid.SampledFrom([]int{2, 12, 120}).Draw(t, "some")
		numbers := []string{number, "+15550100002", "+15550100003"}[:rapid.IntRange(1, 3).Draw(t, "numbers")]
		entries := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Entry {
			e := Entry{
				Number: rapid.SampledFrom(numbers).Draw(t, "number"),
				Kind:   rapid.SampledFrom([]Kind{Delivered, Delivered, Delivered, Received, Received, Complained, AliasLinked, Replied}).Draw(t, "kind"),
				User:   UserKey(rapid.Uint64Range(1, people).Draw(t, "user")),
				At:     someTime(t, now.Unix()-spread, now.Unix()+3600),
			}
			if rapid.IntRange(0, 9).Draw(t, "alias") == 0 || e.Kind == AliasLinked {
				e.Alias = UserKey(rapid.Uint64Range(1, people).Draw(t, "of"))
			}
			if e.Kind == Delivered || e.Kind == Complained || e.Kind == Replied {
				e.Message = MessageKey(rapid.Uint64Range(1, 30).Draw(t, "message"))
			}
			someWord(t, &e)
			if e.Kind == Complained {
				e.Complaint = someComplaint(t)
			}
			return e
		}), some, some).Draw(t, "entries")
		m.add(entries, now)

		again := rapid.SliceOfN(rapid.SampledFrom(entries), 0, 20).Draw(t, "again")
		shuffled := append(slices.Clone(entries), again...)
		rand.New(rand.NewSource(rapid.Int64().Draw(t, "order"))).Shuffle(len(shuffled), func(i, j int) {
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		})

		l := newApplier()
		groups := portfolios{}
		for i := range numbers {
			some := rapid.IntRange(0, len(shuffled)).Draw(t, "configured after")
			groups.regroup(t, l, numbers)
			appendAll(t, l, shuffled[:some], now)
			groups.regroup(t, l, numbers)
			shuffled = shuffled[some:]
			if rapid.Bool().Draw(t, "sweep") {
				l.Sweep(now)
			}
			if err := l.Configure(numbers[i], m.windows); err != nil {
				t.Fatal(err)
			}
		}
		appendAll(t, l, shuffled, now)
		groups.compare(t, l, &m, numbers, now, now.Add(-Kept-Lateness), "appended")

		if got := appendAll(t, l, entries, now); got.New != 0 {
			t.Fatalf("of a repetition %d are new", got.New)
		}
		groups.compare(t, l, &m, numbers, now, now.Add(-Kept-Lateness), "repeated")
		l.Sweep(now)
		groups.compare(t, l, &m, numbers, now, now.Add(-Kept-Lateness), "swept")
	})
}
