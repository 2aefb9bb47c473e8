package ledger

import (
	"context"
	"sync"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/report"
)

// gatedJournal is a journal that appends what it is told to by the test.
type gatedJournal struct {
	journal.Journal
	begun chan int      // how many records are to be appended at once
	goOn  chan struct{} // they are
}

func (j *gatedJournal) Append(_ context.Context, r *counts.Round) error {
	j.begun <- len(r.Records)
	<-j.goOn
	return nil
}

// Records that come while others are being appended are appended together, after these; each caller is told when its own are, in the
// order of the journal.
func TestWhatComesMeanwhileIsAppendedTogether(t *testing.T) {
	const more = 20
	j := &gatedJournal{journal.Discard, make(chan int), make(chan struct{})}
	l, err := Open(j, Options{})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	subject := report.ParseSubject("+15550100001")
	acknowledged := make(chan struct{}, 1+more)
	var callers sync.WaitGroup
	give := func(i int) {
		callers.Go(func() {
			r := report.Report{Subject: subject, Kind: report.Limit, At: at.Unix() + int64(i)}
			if _, err := l.Append(t.Context(), counts.Batch{Reports: []report.Report{r}}, at.Add(time.Hour)); err != nil {
				t.Error(err)
			}
			acknowledged <- struct{}{}
		})
	}
	give(0)
	if n := <-j.begun; n != 1 {
		t.Fatalf("%d records are appended", n)
	}
	for i := range more {
		give(i + 1)
	}
	for waiting := 0; waiting < more; time.Sleep(time.Millisecond) {
		l.joining.Lock()
		waiting = len(l.waiting.Records)
		l.joining.Unlock()
	}
	if n := len(acknowledged); n != 0 {
		t.Errorf("%d callers were told before anything was appended", n)
	}
	j.goOn <- struct{}{}
	if n := <-j.begun; n != more {
		t.Errorf("%d records are appended together, not %d", n, more)
	}
	<-acknowledged
	if n := len(acknowledged); n != 0 || l.LastReport(subject) != 1 {
		t.Errorf("%d callers more were told when one record was appended, and %d are applied", n, l.LastReport(subject))
	}
	close(j.goOn)
	callers.Wait()
	if n := l.LastReport(subject); n != 1+more {
		t.Errorf("%d records are applied", n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
