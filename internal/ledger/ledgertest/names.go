package ledgertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

const (
	brazilian          = "+5511987654321"
	brazilianDisplayed = "+551187654321" // without the ninth digit
	brazilianID        = "7001"
	someoneElses       = "+15550100002"
)

// Whatever comes under the id of a number, under the form that Meta displays and under the number itself counts as if all had come
// under the number: before and after a resource claims the id, over snapshots, crashes and restarts, and in a portfolio.
func numbersAreOne(t *testing.T, empty func() Store) {
	t.Helper()
	names := []string{brazilian, brazilianDisplayed, report.NumberIDSubject(brazilianID).String(), someoneElses}
	own := func(name string) string {
		if name == someoneElses {
			return name
		}
		return brazilian
	}
	rapid.Check(t, func(t *rapid.T) {
		l, want := open(t, empty()), open(t, empty())
		defer func() { _ = l.Close() }()
		defer func() { _ = want.Close() }()
		windows := someWindows(t)
		for _, l := range []*opened{l, want} {
			must(t, l.SetWindows(brazilian, windows))
			must(t, l.SetPortfolio("g", []string{brazilian, someoneElses}))
		}
		var all []counts.Entry
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			switch rapid.IntRange(0, 6).Draw(t, "step") {
			case 0, 1, 2, 3:
				b := counts.Batch{Displays: []counts.Display{{ID: brazilianID, Number: brazilianDisplayed}}}
				for range rapid.IntRange(1, 8).Draw(t, "entries") {
					e := someEntry(t, names, 6, someTime(t, begin.Add(-counts.Kept).Unix(), begin.Unix()))
					if e.Message != 0 {
						e.Message = counts.MessageKey(len(all) + 1)
					}
					if len(all) > 0 && rapid.IntRange(0, 4).Draw(t, "again") == 0 { // the same message, under another name
						if e = rapid.SampledFrom(all).Draw(t, "which"); e.Number != someoneElses {
							e.Number = rapid.SampledFrom(names[:3]).Draw(t, "name")
						}
					}
					all = append(all, e)
					b.Entries = append(b.Entries, e)
				}
				b.Reports = []report.Report{{Subject: report.ParseSubject(rapid.SampledFrom(names).Draw(t, "name")), Kind: report.Quality,
					At: someTime(t, begin.Add(-counts.Kept).Unix(), begin.Unix()), Value: "Low"}}
				l.append(t, b, begin)

				b.Entries, b.Reports, b.Displays = slices.Clone(b.Entries), slices.Clone(b.Reports), nil
				for i := range b.Entries {
					b.Entries[i].Number = own(b.Entries[i].Number)
				}
				b.Reports[0].Subject = report.ParseSubject(own(b.Reports[0].Subject.String()))
				want.append(t, b, begin)
			case 4:
				must(t, l.Claim(brazilianID, brazilian))
			case 5:
				l.save(t)
			case 6:
				reports := l.Reports(report.ParseSubject(brazilian), 0)
				l = l.restart(t, rapid.Bool().Draw(t, "crash"), rapid.Uint64().Draw(t, "lost"))
				if got := l.Reports(report.ParseSubject(brazilian), 0); !slices.Equal(got, reports) {
					t.Fatalf("after a restart the reports are %v, and were %v", got, reports)
				}
			}
		}
		must(t, l.Claim(brazilianID, brazilian))
		for _, name := range append(slices.Clone(names), counts.PortfolioKey("g")) {
			other := name
			if slices.Contains(names[:3], name) && (name != brazilianDisplayed || len(all) > 0) { // as which Meta displays it is known by then
				other = brazilian
			}
			if got, want := answers(l.Ledger, name, all), answers(want.Ledger, other, all); got != want {
				t.Fatalf("%s is\n%s, and all under the number is\n%s", name, got, want)
			}
		}
		if got := l.Numbers(); !slices.Equal(got, want.Numbers()) {
			t.Fatalf("numbers are %v", got)
		}
	})
}

// answers are what a ledger answers about a subject, at the times of some entries.
func answers(l *ledger.Ledger, subject string, entries []counts.Entry) string {
	var b strings.Builder
	since := begin.Add(-counts.Kept - counts.Lateness)
	for _, measure := range measures {
		fmt.Fprint(&b, measure, l.FallsBelow(subject, measure, counts.Kept, 1, begin))
		for _, e := range entries {
			fmt.Fprint(&b, " ", l.Count(subject, measure, since, time.Unix(e.At, 0)))
		}
		for n := int64(1); ; n++ {
			at := l.Nth(subject, measure, n, since, begin)
			if at.IsZero() {
				break
			}
			fmt.Fprint(&b, " ", at.Unix())
		}
		fmt.Fprintln(&b)
	}
	if !strings.HasPrefix(subject, counts.PortfolioKey("")) {
		fmt.Fprintln(&b, l.Deliveries(subject, since, begin), l.Known(subject))
	}
	var reports []int64
	for _, r := range l.Reports(report.ParseSubject(subject), 0) {
		reports = append(reports, r.At)
	}
	slices.Sort(reports)
	fmt.Fprintln(&b, l.Feedback(subject, since, begin), reports, l.LastReport(report.ParseSubject(subject)))
	return b.String()
}
