package ledger

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
	testingclock "k8s.io/utils/clock/testing"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/ledger/journal/memory"
)

// A round waits for as many callers as the one before had, since these may come again at once.
func TestCallersWhoComeAgainShareARound(t *testing.T) {
	l := &Ledger{waiting: newRound()}
	l.replica = &replica{ledger: l, clock: testingclock.NewFakeClock(time.Time{}), rules: testingclock.NewFakePassiveClock(time.Time{})}
	proposes := func(when string, want int) {
		t.Helper()
		n := 0
		if next := l.replica.next(); next != nil {
			n = len(next.Records)
		}
		if n != want {
			t.Errorf("%s, a round of %d is proposed, not of %d", when, n, want)
		}
	}
	join := func() {
		if _, _, err := l.join(&counts.Record{}); err != nil {
			t.Fatal(err)
		}
	}
	l.replica.expected.Store(3)
	for _, come := range []struct {
		when string
		want int
	}{{"when one of three has come again", 0}, {"when two have", 0}, {"when all have", 3}} {
		join()
		proposes(come.when, come.want)
	}
	join()
	proposes("when one has come again", 0)
	l.replica.expectNone()
	proposes("when it has waited for the others", 1)
}

// A round waits for as long after each answer, however soon that came after the one before.
func TestEachAnswerIsWaitedAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReplica(&Ledger{waiting: newRound()}, nil, Options{Clock: clock.RealClock{}})
		answered := func() {
			r.batch++
			p := &proposal{round: newRound(), cancel: func() {}}
			p.Records = make([]*counts.Record, 2)
			r.underway[r.batch] = p
			r.answer(r.batch, 1, []counts.Applied{{}, {}}, nil)
		}
		waits := func(of time.Duration, want int64) {
			t.Helper()
			time.Sleep(of)
			synctest.Wait()
			if got := r.expected.Load(); got != want {
				t.Errorf("%d are waited for, not %d", got, want)
			}
		}
		answered()
		waits(gather/2, 2)
		answered()
		waits(gather*3/4, 2)
		waits(gather, 0)
	})
}

// gatedLog is a shared log that keeps rounds when it is told to by the test.
type gatedLog struct {
	journal.Shared
	begun chan int      // how many records a round has that is to be kept
	goOn  chan struct{} // it is kept
}

func (j *gatedLog) Append(ctx context.Context, r *counts.Round) error {
	j.begun <- len(r.Records)
	<-j.goOn
	return j.Shared.Append(ctx, r)
}

// Who calls alone is answered, though the round before had more callers.
func TestWhoCallsAloneIsAnswered(t *testing.T) {
	const more = 3
	at := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	j := &gatedLog{memory.NewLog().Open(), make(chan int, 9), make(chan struct{}, 9)}
	j.goOn <- struct{}{}
	l, err := Open(j, Options{Clock: testingclock.NewFakeClock(at), Rules: testingclock.NewFakePassiveClock(at)})
	if err != nil {
		t.Fatal(err)
	}
	var callers sync.WaitGroup
	call := func() {
		callers.Go(func() {
			if _, err := l.commit(t.Context(), &counts.Record{Clock: at.UnixMilli()}); err != nil {
				t.Error(err)
			}
		})
	}
	keeps := func(want int) {
		if n := <-j.begun; n != want {
			t.Errorf("a round of %d is proposed, not of %d", n, want)
		}
	}
	keeps(1)
	call()
	keeps(1)
	for range more {
		call()
	}
	for waiting := 0; waiting < more; time.Sleep(time.Millisecond) {
		l.joining.Lock()
		waiting = len(l.waiting.Records)
		l.joining.Unlock()
	}
	j.goOn <- struct{}{}
	keeps(more)
	j.goOn <- struct{}{}
	callers.Wait()
	call()
	keeps(1)
	j.goOn <- struct{}{}
	callers.Wait()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
