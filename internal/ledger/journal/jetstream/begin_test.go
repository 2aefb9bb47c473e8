package jetstream

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/nats-io/nats.go/jetstream"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

// moving opens a new log to move a ledger into it.
func moving(t *testing.T, o Options) *Journal {
	t.Helper()
	o.Moving = In
	j := openTest(t, o)
	start(t, j)
	return j
}

// claim claims a log, and saves a snapshot of a row at the position of the claim.
func claim(t *testing.T, j *Journal, value string) {
	t.Helper()
	position, err := j.Claim(t.Context(), 0)
	must(t, err)
	must(t, j.Replay(j.position(), func(uint64, *counts.Round) error { return nil }))
	must(t, j.Save(t.Context(), position, whole(row("a", value))))
}

func isError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// Of two processes that move a ledger into a log, the one that claimed it last begins it, whatever the other one does, and when. After that nobody
// begins it again.
func TestOneProcessBeginsALog(t *testing.T) {
	o := onServer()
	early, late := moving(t, o), moving(t, o)
	claim(t, early, "early")
	claim(t, late, "late")
	isError(t, "one that was overtaken begins the log", early.Begin(t.Context()), ErrOvertaken)
	is, err := Begun(t.Context(), o)
	if must(t, err); is {
		t.Error("the log has begun before anyone began it")
	}
	must(t, late.Begin(t.Context()))
	_, err = early.Claim(t.Context(), 0)
	isError(t, "one claims a log that has begun", err, ErrBegun)
	is, err = Begun(t.Context(), o)
	if must(t, err); !is {
		t.Error("the log has not begun")
	}

	j := openTest(t, o)
	if rows, _ := start(t, j); text(rows) != "a=late" {
		t.Errorf("the log begins with %q", text(rows))
	}
	add(t, j, 1)
	isError(t, "one begins a log that is in use", late.Begin(t.Context()), ErrOvertaken)
	if rows, batches := start(t, openTest(t, o)); text(rows) != "a=late" || len(batches) != 1 {
		t.Errorf("a start reads %q and the rounds %d", text(rows), batches)
	}
}

// A process that has claimed a log may end at any time. Another one waits for it for a while, and then begins the log itself.
func TestAClaimIsWaitedFor(t *testing.T) {
	o := onServer()
	first, second, third := moving(t, o), moving(t, o), moving(t, o)
	claim(t, first, "first")
	position, err := second.Claim(t.Context(), time.Second)
	if must(t, err); position != 2 {
		t.Errorf("the second claim is at %d", position)
	}
	must(t, second.Replay(second.position(), func(uint64, *counts.Round) error { return nil }))
	must(t, second.Save(t.Context(), position, whole(row("a", "second"))))
	waits, waited := make(chan struct{}, 2), make(chan error, 1)
	third.options.Log = funcr.New(func(string, string) { waits <- struct{}{} }, funcr.Options{})
	go func() {
		_, err := third.Claim(t.Context(), time.Hour)
		waited <- err
	}()
	<-waits
	must(t, second.Begin(t.Context()))
	isError(t, "who waited", <-waited, ErrBegun)
	if rows, _ := start(t, openTest(t, o)); text(rows) != "a=second" {
		t.Errorf("the log begins with %q", text(rows))
	}
}

// A claim is renewed while its process writes the snapshot, which is at the position of the first claim. One that was overtaken renews nothing.
func TestAClaimIsRenewed(t *testing.T) {
	o := onServer()
	first, second := moving(t, o), moving(t, o)
	claim(t, first, "first")
	claim(t, second, "second")
	stopFirst, stop := first.Renew(t.Context(), time.Millisecond), second.Renew(t.Context(), time.Millisecond)
	for renewed := false; !renewed; {
		state, err := second.state(t.Context())
		must(t, err)
		renewed = state.LastSeq > 3
	}
	stop()
	must(t, second.Begin(t.Context()))
	stopFirst()
	if rows, _ := start(t, openTest(t, o)); text(rows) != "a=second" {
		t.Errorf("the log begins with %q", text(rows))
	}
}

// A message whose acknowledgement was lost is published again, and is there once.
func TestAClaimIsPublishedOnce(t *testing.T) {
	j := moving(t, onServer())
	s := seal{kind: claimed, id: unique()}
	for range 2 {
		position, err := j.publishAfter(t.Context(), 0, s)
		if must(t, err); position != 1 {
			t.Errorf("the claim is at %d", position)
		}
	}
	state, err := j.state(t.Context())
	if must(t, err); state.LastSeq != 1 {
		t.Errorf("the log has %d messages", state.LastSeq)
	}
}

// Who has claimed a log that is deleted before it begins says so, also where another one has been made in its place.
func TestALogThatIsGoneDoesNotBegin(t *testing.T) {
	o := onServer()
	first := moving(t, o)
	claim(t, first, "first")
	must(t, first.js.DeleteStream(t.Context(), o.stream()))
	isError(t, "one begins a log that is gone", first.Begin(t.Context()), jetstream.ErrStreamNotFound)
	loseStore(t, first)
	moving(t, o)
	isError(t, "one begins a log that it has not claimed", first.Begin(t.Context()), ErrReplaced)
}

// A log whose first snapshot is lost is not read without it.
func TestALogWithoutItsBeginningIsRefused(t *testing.T) {
	o := onServer()
	first := moving(t, o)
	claim(t, first, "first")
	must(t, first.Begin(t.Context()))
	j := openTest(t, o)
	start(t, j)
	add(t, j, 1)
	loseStore(t, j)
	again := openTest(t, o)
	for _, err := range again.Load() {
		must(t, err)
	}
	isError(t, "a start", again.Replay(again.position(), func(uint64, *counts.Round) error { return nil }), ErrNoBeginning)
}

// A process waits for a log to begin. By the time that it opens the log others have found that it lost something: the process does not go on with it.
func TestALogThatLostSomethingMeanwhileIsNotOpened(t *testing.T) {
	o := onServer()
	mover := moving(t, o)
	claim(t, mover, "first")
	waiting := o
	waiting.Log = funcr.New(func(_, message string) {
		if !strings.Contains(message, "is being moved into the log") {
			return
		}
		must(t, mover.Begin(t.Context()))
		other := openTest(t, o)
		start(t, other)
		must(t, other.Keep(t.Context(), journal.Kept{Position: other.position(), Rows: whole(row("a", "1")), Proposer: 1}))
	}, funcr.Options{})
	_, err := Open(t.Context(), waiting)
	isError(t, "a start", err, ErrKept)
}

// A log that came back from an older copy while a ledger is moved into it does not begin: it lacks the claim.
func TestALogThatLacksItsClaimDoesNotBegin(t *testing.T) {
	j := moving(t, onServer())
	claim(t, j, "first")
	j.claimed = 7 // as if so many claims were in the log
	isError(t, "it begins", j.Begin(t.Context()), ErrShortened)
}

// Claims go by age as all that is in a log. A log of which claims alone are left has not begun, nor has one without any; where something else came after
// them it has.
func TestClaimsGoByAge(t *testing.T) {
	o := onServer()
	j := moving(t, o)
	stream := comeBack(t, o, 0)
	j.created = stream.CachedInfo().Created
	begins := func(claim uint64, begun bool) {
		t.Helper()
		at, has, err := j.beginning(t.Context())
		if err != nil || at != claim || has != begun {
			t.Errorf("the last claim is at %d, and the log has begun: %t, %v", at, has, err)
		}
	}
	for last := range uint64(3) {
		must(t, j.claimAfter(t.Context(), last))
	}
	must(t, stream.Purge(t.Context(), jetstream.WithPurgeSequence(3)))
	begins(3, false)
	must(t, stream.Purge(t.Context()))
	begins(3, false)
	must(t, j.Append(t.Context(), round(1)))
	begins(3, true)
}

// A process that moves a ledger ends when it is told to, whatever it reads.
func TestWhoMovesALedgerEndsWithItsContext(t *testing.T) {
	o := onServer()
	keep(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	next := onServer()
	next.Moving = In
	in, err := Open(ctx, next)
	must(t, err)
	defer func() { must(t, in.Close()) }()
	stream := comeBack(t, o, 2)
	left, err := OpenLeft(ctx, o)
	must(t, err)
	defer func() { must(t, left.Close()) }()
	must(t, stream.DeleteMsg(t.Context(), 2)) // which is looked for
	isError(t, "the log that is left", (&leftLog{left}).Replay(0, func(uint64, *counts.Round) error { cancel(); return nil }), context.Canceled)
	for source := range left.Sources() {
		err := source.Replay(0, func(uint64, *counts.Round) error { return nil })
		for _, rowErr := range source.Load() {
			err = errors.Join(err, rowErr)
		}
		isError(t, "a source of what is left", err, context.Canceled)
	}
	isError(t, "the log that begins", in.Replay(0, func(uint64, *counts.Round) error { return nil }), context.Canceled)
}
