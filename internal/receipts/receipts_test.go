package receipts

import (
	"slices"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/report"
)

const number, other = "+15550100001", "+15550100002"

var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// What a request was about was received at its time, be it known already.
func TestWhenSomethingWasReceived(t *testing.T) {
	r := New()
	r.Take(start, &counts.Batch{
		Entries: []counts.Entry{{Number: number, At: start.Add(-time.Hour).Unix()}},
		Reports: []report.Report{{Subject: report.AccountSubject("2001")}, {Subject: report.ParseSubject(other)}},
	}, &Request{})
	r.Take(start.Add(time.Minute), &counts.Batch{}, &Request{Failures: []Failure{{Number: number, Code: 131049, At: start}}})
	if at := r.Of(number).At; !at.Equal(start.Add(time.Minute)) {
		t.Errorf("of the number at %s", at)
	}
	if at := r.Of(other).At; !at.Equal(start) {
		t.Errorf("of the other number at %s", at)
	}
	if at := r.Of(report.AccountSubject("2001").String()).At; !at.Equal(start) {
		t.Errorf("of the account at %s", at)
	}
	if at := r.Of(report.AccountSubject("2002").String()).At; !at.IsZero() {
		t.Errorf("of what nothing was received about at %s", at)
	}
}

// Failures count by class, and the last one is that with the latest time.
func TestWhyMessagesFailed(t *testing.T) {
	r := New()
	failed := func(code int64, at time.Time) Failure { return Failure{Number: number, Code: code, At: at} }
	r.Take(start, &counts.Batch{}, &Request{Failures: []Failure{
		failed(131049, start), failed(131026, start.Add(-time.Minute)), failed(132015, start.Add(-time.Hour)), failed(132001, start.Add(-time.Hour)), failed(131049, start.Add(-time.Hour)),
	}})
	n := r.Of(number)
	for class, want := range map[meta.FailureClass]float64{meta.FailedEcosystem: 2, meta.FailedUndeliverable: 1, meta.FailedTemplate: 2, meta.FailedOther: 0} {
		if got := n.Failed[class]; got != want {
			t.Errorf("%v failed as %s, want %v", got, class, want)
		}
	}
	if n.LastFailure != failed(131049, start) {
		t.Errorf("the last failure is %v", n.LastFailure)
	}
	r.Take(start, &counts.Batch{}, &Request{Delivered: []Delivered{{number, meta.Marketing}, {number, meta.Marketing}, {number, meta.Utility}}})
	if n := r.Of(number); n.Delivered[meta.Marketing] != 2 || n.Delivered[meta.Utility] != 1 {
		t.Errorf("delivered by category: %v", n.Delivered)
	}
}

// It is told when something comes after an hour of nothing, and when messages fail for another reason.
func TestWhatIsTold(t *testing.T) {
	r := New()
	var told []string
	r.Subscribe(func(number string) { told = append(told, number) })
	entry := &counts.Batch{Entries: []counts.Entry{{Number: number}}}
	failed := func(code int64) *Request {
		return &Request{Failures: []Failure{{Number: number, Code: code, At: start}}}
	}
	for _, step := range []struct {
		what    string
		after   time.Duration
		batch   *counts.Batch
		request *Request
		want    []string
	}{
		{"the first", 0, entry, &Request{}, []string{number}},
		{"the next", time.Minute, entry, &Request{}, nil},
		{"one after a while", 61 * time.Minute, entry, &Request{}, []string{number}},
		{"a failure", 62 * time.Minute, &counts.Batch{}, failed(131026), []string{number}},
		{"another of the same kind", 63 * time.Minute, &counts.Batch{}, failed(131026), nil},
		{"one of another kind", 64 * time.Minute, &counts.Batch{}, failed(131049), []string{number}},
	} {
		told = nil
		if r.Take(start.Add(step.after), step.batch, step.request); !slices.Equal(told, step.want) {
			t.Errorf("%s: told of %v, want %v", step.what, told, step.want)
		}
	}
}
