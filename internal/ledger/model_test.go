package ledger

import (
	"context"
	"math"
	"math/rand"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model counts one number from nothing but its list of accepted entries, straight from the definitions.
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

// times are the sorted times of what a measure counts, users as of a time.
func (m *model) times(to int64) map[Measure][]int64 {
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
	type history struct {
		delivered map[MessageKey]int64
		received  []int64
	}
	histories := map[UserKey]*history{}
	for _, e := range m.entries {
		h := histories[who(e.User)]
		if h == nil {
			h = &history{delivered: map[MessageKey]int64{}}
			histories[who(e.User)] = h
		}
		if e.Kind == Received {
			h.received = append(h.received, e.At)
		} else if at, found := h.delivered[e.Message]; !found || e.At < at {
			h.delivered[e.Message] = e.At
		}
	}
	times := map[Measure][]int64{}
	for _, h := range histories {
		var counted, opened []int64
		for _, at := range h.delivered {
			inService := slices.ContainsFunc(h.received, func(in int64) bool {
				return in <= at && in > at-int64(m.windows.Service.Seconds())
			})
			if !inService {
				counted = append(counted, at)
			}
		}
		slices.Sort(counted)
		for _, at := range counted {
			if !slices.ContainsFunc(opened, func(o int64) bool { return o > at-int64(m.windows.Conversation.Seconds()) }) {
				opened = append(opened, at)
			}
		}
		times[Messages] = append(times[Messages], counted...)
		times[Conversations] = append(times[Conversations], opened...)
		if n, _ := slices.BinarySearch(counted, to+1); n > 0 {
			times[Users] = append(times[Users], counted[n-1])
		}
	}
	for _, list := range times {
		slices.Sort(list)
	}
	return times
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
func (m *model) compare(t *rapid.T, l Ledger, number string, now time.Time, since time.Time, label string) {
	times := m.times(math.MaxInt64 - 1)
	length := int64(now.Sub(since).Seconds())
	for range 12 {
		from := since.Unix() + rapid.Int64Range(0, length+3600).Draw(t, "from")
		to := from + rapid.Int64Range(-10, length).Draw(t, "length")
		if rapid.Bool().Draw(t, "edge") && len(times[Messages]) > 0 {
			edge := rapid.SampledFrom(times[Messages]).Draw(t, "at") + rapid.Int64Range(-1, 1).Draw(t, "beside")
			if edge >= since.Unix() {
				from, to = edge, max(to, edge)
			}
			if rapid.Bool().Draw(t, "end") {
				from, to = max(since.Unix(), edge-86400), edge
			}
		}
		for _, measure := range []Measure{Users, Conversations, Messages} {
			want := int64(len(within(m.times(to)[measure], from, to)))
			if got := l.Count(number, measure, time.Unix(from, 0), time.Unix(to, 0)); got != want {
				t.Fatalf("%s: Count(%d, %d, %d) is %d, want %d", label, measure, from, to, got, want)
			}
		}
		in := within(times[Messages], from, to)
		if got, want := l.Nth(number, 1, time.Unix(from, 0), time.Unix(to, 0)), instantOf(in, 0); !got.Equal(want) {
			t.Fatalf("%s: the first in (%d, %d] is at %s, want %s", label, from, to, got, want)
		}
		n := rapid.IntRange(1, len(in)+1).Draw(t, "n")
		want := time.Time{}
		if n <= len(in) {
			want = time.Unix(in[n-1], 0).UTC()
		}
		if got := l.Nth(number, int64(n), time.Unix(from, 0), time.Unix(to, 0)); !got.Equal(want) {
			t.Fatalf("%s: number %d in (%d, %d] is at %s, want %s", label, n, from, to, got, want)
		}
		if got, want := l.Last(number, time.Unix(from, 0), time.Unix(to, 0)), instantOf(in, -1); !got.Equal(want) {
			t.Fatalf("%s: Last(%d, %d) is %s, want %s", label, from, to, got, want)
		}
	}
	for _, window := range []time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour} {
		if now.Add(-window).Before(since) {
			continue
		}
		for _, measure := range []Measure{Users, Conversations, Messages} {
			// As it stood then: nothing is delivered after it.
			asked := now.Add(-time.Duration(rapid.Int64Range(0, max(0, length-int64(window.Seconds()))).Draw(t, "ago")) * time.Second)
			had := within(m.times(asked.Unix())[measure], asked.Add(-window).Unix(), asked.Unix())
			limit := rapid.Int64Range(1, int64(len(had))+1).Draw(t, "limit")
			want := asked
			if n := int64(len(had)) - limit; n >= 0 {
				want = time.Unix(had[n], 0).Add(window)
			}
			if got := l.FallsBelow(number, measure, window, limit, asked); !got.Equal(want) {
				t.Fatalf("%s: FallsBelow(%d, %s, %d, %s) is %s, want %s", label, measure, window, limit, asked, got, want)
			}
		}
		var next time.Time
		if in := within(times[Messages], now.Add(-window).Unix(), now.Unix()+1e6); len(in) > 0 {
			next = time.Unix(in[0], 0).Add(window)
		}
		if got := l.NextExpiry(number, now, window); !got.Equal(next) {
			t.Fatalf("%s: NextExpiry(%s) is %s, want %s", label, window, got, next)
		}
	}
}

const (
	number = "+15550100001"
	day    = 86400
)

var begin = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// someWindows are windows that make the edges of events meet.
func someWindows(t *rapid.T) Windows {
	length := rapid.SampledFrom([]time.Duration{24 * time.Hour, time.Hour, 72 * time.Hour, time.Second, 0})
	return Windows{Service: length.Draw(t, "service"), Conversation: length.Draw(t, "conversation")}
}

// someTime is often the same as others, or apart from them by a window.
func someTime(t *rapid.T, from, to int64) int64 {
	at := from + rapid.Int64Range(0, (to-from)/3600).Draw(t, "hour")*3600
	return min(to, at+rapid.SampledFrom([]int64{0, 0, 0, 1, 1800}).Draw(t, "second"))
}

// append appends entries in batches of some sizes.
func appendAll(t *rapid.T, l Ledger, entries []Entry, now time.Time) (sum Appended) {
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

// Counts, FallsBelow, First and Last are those of the definitions, whatever the order, the batches and the repetitions.
func TestCountsAreAFunctionOfTheSetOfEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := begin.Add(40*24*time.Hour + 30*time.Minute)
		m := model{windows: someWindows(t)}
		spread := rapid.SampledFrom([]int64{2 * day, 10 * day, 40 * day}).Draw(t, "spread")
		people := rapid.Uint64Range(1, 6).Draw(t, "people")
		some := rapid.SampledFrom([]int{2, 12, 120}).Draw(t, "some")
		entries := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Entry {
			e := Entry{
				Number: number,
				Kind:   rapid.SampledFrom([]Kind{Delivered, Delivered, Received}).Draw(t, "kind"),
				User:   UserKey(rapid.Uint64Range(1, people).Draw(t, "user")),
				At:     someTime(t, now.Unix()-spread, now.Unix()+3600),
			}
			if rapid.IntRange(0, 9).Draw(t, "alias") == 0 {
				e.Alias = UserKey(rapid.Uint64Range(1, people).Draw(t, "of"))
			}
			if e.Kind == Delivered {
				e.Message = MessageKey(rapid.Uint64Range(1, 30).Draw(t, "message"))
			}
			return e
		}), some, some).Draw(t, "entries")
		m.add(entries, now)

		again := rapid.SliceOfN(rapid.SampledFrom(entries), 0, 20).Draw(t, "again")
		shuffled := append(slices.Clone(entries), again...)
		rand.New(rand.NewSource(rapid.Int64().Draw(t, "order"))).Shuffle(len(shuffled), func(i, j int) {
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		})

		l := OpenMemory()
		defer func() { _ = l.Close() }()
		half := rapid.IntRange(0, len(shuffled)).Draw(t, "configured after")
		appendAll(t, l, shuffled[:half], now)
		if err := l.Configure(number, m.windows); err != nil {
			t.Fatal(err)
		}
		appendAll(t, l, shuffled[half:], now)
		m.compare(t, l, number, now, now.Add(-Kept-Lateness), "appended")

		if got := appendAll(t, l, entries, now); got.New != 0 {
			t.Fatalf("of a repetition %d are new", got.New)
		}
		m.compare(t, l, number, now, now.Add(-Kept-Lateness), "repeated")
		l.Sweep(now)
		m.compare(t, l, number, now, now.Add(-Kept-Lateness), "swept")
	})
}
