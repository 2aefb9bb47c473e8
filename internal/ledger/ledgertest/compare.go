package ledgertest

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

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
func (m *model) compare(t *rapid.T, l *ledger.Ledger, subject string, measures []v1alpha1.Measure, now time.Time, since time.Time, label string) {
	h := m.happened()
	label = subject + " " + label
	length := int64(now.Sub(since).Seconds())
	counted := h.events(m.windows, v1alpha1.MeasureMessages)
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

// portfolios are the numbers of each portfolio, by its name.
type portfolios map[string][]string

// change gives a portfolio some of the numbers, or none.
func (p portfolios) change(t *rapid.T, l *ledger.Ledger, numbers []string) {
	name := rapid.SampledFrom([]string{"one", "two"}).Draw(t, "portfolio")
	some := rapid.SliceOfDistinct(rapid.SampledFrom(numbers), func(n string) string { return n }).Draw(t, "of")
	p.set(name, some)
	if err := l.SetPortfolio(name, some); err != nil {
		t.Fatal(err)
	}
}

// set gives a portfolio some numbers, which leave the others.
func (p portfolios) set(name string, numbers []string) {
	for other, members := range p {
		p[other] = slices.DeleteFunc(members, func(n string) bool { return slices.Contains(numbers, n) })
	}
	p[name] = slices.Clone(numbers)
}

// compare asks about all numbers and portfolios.
func (p portfolios) compare(t *rapid.T, l *ledger.Ledger, m *model, numbers []string, now time.Time, since time.Time, label string) {
	for _, number := range numbers {
		m.of(number).compare(t, l, number, measures, now, since, label)
	}
	for _, name := range []string{"one", "two"} {
		all := m.of(p[name]...)
		exact := all.settled(now.Add(-counts.Kept-counts.Lateness).Unix(), since.Unix())
		all.compare(t, l, counts.PortfolioKey(name), exact, now, since, fmt.Sprint(p[name], " ", label))
	}
}
