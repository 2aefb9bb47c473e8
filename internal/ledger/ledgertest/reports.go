package ledgertest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// A report that comes again gets no new sequence; sequences are the same after a restart; the latest of each kind stays.
func reportsKeepTheirSequence(t *testing.T, empty func() Store) {
	t.Helper()
	l := open(t, empty())
	now, subject := begin, report.ParseSubject(number)
	give := func(want counts.Outcome, reports ...report.Report) {
		t.Helper()
		if got := l.append(t, counts.Batch{Reports: reports}, now); got != want {
			t.Fatalf("of %v there are %+v", reports, got)
		}
	}
	high := report.Report{Subject: subject, Kind: report.Quality, At: now.Unix(), Value: "High"}
	low := report.Report{Subject: subject, Kind: report.Quality, At: now.Unix() + 5, Value: "Low", Reason: "blocks"}
	limit := report.Report{Subject: subject, Kind: report.Limit, At: now.Unix() + 3, Value: "Unlimited", Until: now.Unix() + 100}
	give(counts.Outcome{New: 2}, high, low)
	give(counts.Outcome{New: 1, Repeated: 2}, high, limit, low)
	want := []report.Report{high, low, limit}
	for i := range want {
		want[i].Sequence = int64(i + 1)
	}
	for _, step := range []struct {
		name                      string
		saved, restarted, crashed bool
	}{{name: "given"}, {"restarted", false, true, false}, {"crashed", false, true, true}, {"saved", true, false, false}, {"saved and restarted", true, true, false}} {
		if step.saved {
			l.save(t)
		}
		if step.restarted {
			l = l.restart(t, step.crashed, 1)
		}
		if got, last := l.Reports(subject, 0), l.LastReport(subject); !slices.Equal(got, want) || last != 3 {
			t.Fatalf("%s: %v, the last is %d", step.name, got, last)
		}
	}
	if got := l.Reports(subject, 2); !slices.Equal(got, want[2:]) {
		t.Fatalf("after the second there are %v", got)
	}
	now = now.Add(counts.Kept + counts.Lateness + 48*time.Hour)
	l.expire(t, now)
	if got := l.Reports(subject, 0); !slices.Equal(got, want[1:]) {
		t.Fatalf("of what is over there are left %v", got)
	}
	give(counts.Outcome{Expired: 2}, high, low)
	high.At = now.Unix()
	give(counts.Outcome{New: 1}, high)
	if high.Sequence = 4; !slices.Equal(l.Reports(subject, 3), []report.Report{high}) {
		t.Fatalf("after the third there are %v", l.Reports(subject, 3))
	}
	l.survives(t, "in the end")
	l.close(t)
}

// Whoever reports at once is told in one order, which is that of the journal.
func concurrentReportsKeepTheirSequence(t *testing.T, empty func() Store) {
	t.Helper()
	const writers, each = 8, 20
	l := open(t, empty())
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				r := report.Report{Subject: report.ParseSubject(number), Kind: report.Connection, At: begin.Unix(), Value: fmt.Sprint(w, i)}
				if _, err := l.Append(context.Background(), counts.Batch{Reports: []report.Report{r}}, begin); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	want := l.Reports(report.ParseSubject(number), 0)
	l = l.restart(t, true, 1)
	if got := l.Reports(report.ParseSubject(number), 0); len(want) != writers*each || !slices.Equal(got, want) {
		t.Fatalf("there are %v, and were %v", got, want)
	}
	l.close(t)
}
