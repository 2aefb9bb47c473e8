package jetstream

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

// Where no process lived to keep anything, the newest snapshot is left of a log that ends before it. A log that has all that its snapshot has
// lost nothing as far as can be seen.
func TestWhatIsLeftWhereNobodyKeptAnything(t *testing.T) {
	o := onServer()
	j := openTest(t, o)
	start(t, j)
	add(t, j, 1, 2)
	must(t, j.Save(t.Context(), j.position(), whole(row("a", "1"))))
	add(t, j, 3)
	if _, err := OpenLeft(t.Context(), o); err == nil || !strings.Contains(err.Error(), "no process has kept anything") {
		t.Errorf("of a log that has lost nothing there is left: %v", err)
	}
	must(t, client(t, server.URL()).DeleteStream(t.Context(), o.stream()))
	left, err := OpenLeft(t.Context(), o)
	must(t, err)
	defer func() { must(t, left.Close()) }()
	var sources int
	for source := range left.Sources() {
		sources++
		var rows []counts.Row
		for row, err := range source.Load() {
			must(t, err)
			rows = append(rows, row)
		}
		if text(rows) != "a=1" {
			t.Errorf("%q is left", text(rows))
		}
	}
	if sources != 1 || left.Snapshot != 2 || left.Log != 0 {
		t.Errorf("there are %d sources of %+v", sources, left)
	}
}

// What a process kept and is not whole is left out, and the process is missing as one that has kept nothing.
func TestWhatIsLeftIsWhole(t *testing.T) {
	o := onServer()
	j := openTest(t, o)
	start(t, j)
	add(t, j, 1)
	for proposer, value := range map[uint64]string{1: "1", 2: "2"} {
		must(t, j.Keep(t.Context(), journal.Kept{Position: 1, Rows: whole(row("a", value)), Proposer: proposer, Beside: []uint64{3 - proposer}}))
	}
	store, err := j.js.ObjectStore(t.Context(), o.keptBucket())
	must(t, err)
	damaged, err := store.GetInfo(t.Context(), proposerName(2))
	must(t, err)
	stream, err := j.js.Stream(t.Context(), streamOf(o.keptBucket()))
	must(t, err)
	must(t, stream.Purge(t.Context(), jetstream.WithPurgeSubject(chunks(damaged))))
	_, err = j.js.Publish(t.Context(), chunks(damaged), make([]byte, damaged.Size))
	must(t, err)
	left, err := OpenLeft(t.Context(), o)
	must(t, err)
	defer func() { must(t, left.Close()) }()
	if len(left.Kept) != 2 || len(left.Missing) != 0 {
		t.Errorf("of what two processes kept is left: %d, and missing are %s", left.Kept, left.Missing)
	}
	must(t, left.DropDamaged(t.Context()))
	if len(left.Kept) != 1 || !slices.Equal(left.Missing, []string{proposerName(2)}) {
		t.Errorf("of what two processes kept, of which one is damaged, is left: %d, and missing are %s", left.Kept, left.Missing)
	}
}

// What a process kept is not left out because no server answers: the new log would begin without it.
func TestWhatIsLeftIsNotLeftOutForWantOfAnAnswer(t *testing.T) {
	t.Parallel()
	o := onServer()
	j := openTest(t, o)
	start(t, j)
	add(t, j, 1)
	must(t, j.Keep(t.Context(), journal.Kept{Position: 1, Rows: whole(row("a", "1")), Proposer: 1}))
	left, err := OpenLeft(t.Context(), o)
	must(t, err)
	must(t, left.Close())
	if err := left.DropDamaged(t.Context()); err == nil || len(left.kept) != 1 {
		t.Errorf("without a server %d copies are left, and the error is %v", len(left.kept), err)
	}
}

// comeBack has a log of the options be another one, of so many rounds, which anyone may remove from.
func comeBack(t *testing.T, o Options, rounds int) jetstream.Stream {
	t.Helper()
	must(t, o.complete())
	js, other := client(t, server.URL()), o.configuration()
	other.DenyDelete, other.DenyPurge = false, false
	_ = js.DeleteStream(t.Context(), o.stream())
	stream, err := js.CreateStream(t.Context(), other)
	must(t, err)
	for i := range rounds {
		_, err := js.Publish(t.Context(), o.rounds(), round(i+1).AppendRow(nil))
		must(t, err)
	}
	return stream
}

// openLeft opens what is left of a log that lost something, of which a process has kept what it knew.
func openLeft(t *testing.T, o Options) *Left {
	t.Helper()
	left, err := OpenLeft(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { must(t, left.Close()) })
	return left
}

// keep opens a log, and keeps what is known of it.
func keep(t *testing.T, o Options) {
	t.Helper()
	j := openTest(t, o)
	start(t, j)
	must(t, j.Keep(t.Context(), journal.Kept{Rows: whole(row("a", "1")), Proposer: 1}))
}

// batches are those of the rounds that are left in a log itself.
func (l *Left) batches() (all []uint64, err error) {
	for source := range l.Sources() {
		err = errors.Join(err, source.Replay(0, func(_ uint64, r *counts.Round) error {
			all = append(all, r.Batch)
			return nil
		}))
	}
	return all, err
}

// What is left of a log may lack rounds at any place, also such as go by age while the others are merged. Those that are there are read.
func TestWhatIsLeftMayHaveGaps(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]struct {
		remove func(jetstream.Stream) error
		left   []uint64
	}{
		"the first": {func(s jetstream.Stream) error { return s.Purge(t.Context(), jetstream.WithPurgeSequence(3)) }, []uint64{3, 4, 5}},
		"a middle":  {func(s jetstream.Stream) error { return s.DeleteMsg(t.Context(), 3) }, []uint64{1, 2, 4, 5}},
		"the last":  {func(s jetstream.Stream) error { return s.DeleteMsg(t.Context(), 5) }, []uint64{1, 2, 3, 4}},
		"all":       {func(s jetstream.Stream) error { return s.Purge(t.Context()) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := onServer()
			keep(t, o)
			stream := comeBack(t, o, 5)
			left := openLeft(t, o)
			must(t, gone.remove(stream))
			if batches, err := left.batches(); err != nil || !slices.Equal(batches, gone.left) {
				t.Errorf("the rounds %d are read, %v", batches, err)
			}
		})
	}
}

// A log that came back from an older copy once more ends before what it had: whoever merges it says so, rather than to wait for the rest.
func TestWhatIsLeftIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	o := onServer()
	keep(t, o)
	comeBack(t, o, 5)
	left := openLeft(t, o)
	left.journal.created = comeBack(t, o, 4).CachedInfo().Created // a copy is of the same time
	if _, err := left.batches(); !errors.Is(err, ErrShortened) {
		t.Errorf("it is read with %v", err)
	}
}

// Whoever finds that the log lost something tells the others before it keeps what it knows, which takes minutes where that is much.
func TestOthersAreToldBeforeAnythingIsKept(t *testing.T) {
	o := onServer()
	first, other := openTest(t, o), openTest(t, o)
	start(t, first)
	start(t, other)
	must(t, first.Keep(t.Context(), journal.Kept{Proposer: 1, Rows: func(func(counts.Row) bool) {
		isError(t, "another process", failure(t, other), ErrGivenUp)
	}}))
}

// Nobody goes on with a log from which another one begins: it ends with the word that it lost something, and what is before that is read. Where that cannot be
// written no other log begins.
func TestNobodyGoesOnWithALogThatIsLeft(t *testing.T) {
	o := onServer()
	keep(t, o)
	stream := comeBack(t, o, 3)
	left := openLeft(t, o)
	js := client(t, server.URL())
	_, err := js.Publish(t.Context(), o.rounds(), round(4).AppendRow(nil))
	must(t, err)
	must(t, left.Choose(t.Context(), "next"))
	if batches, err := left.batches(); err != nil || !slices.Equal(batches, []uint64{1, 2, 3, 4}) {
		t.Errorf("the rounds %d are read, %v", batches, err)
	}
	last, err := stream.GetMsg(t.Context(), left.Log)
	must(t, err)
	if s, err := readSeal(last.Data); err != nil || s.kind != lost || left.Log != 5 {
		t.Errorf("the log ends at %d with %+v, %v", left.Log, s, err)
	}

	full := stream.CachedInfo().Config
	full.MaxMsgs = 5
	_, err = js.UpdateStream(t.Context(), full)
	must(t, err)
	if err := left.Choose(t.Context(), "next"); err == nil {
		t.Error("another log begins with one that may go on")
	}
}

// What is left was written with the log's secret. A process that has another one, in which all who were counted are strangers, begins nothing with it.
func TestWhatIsLeftOfAnotherSecretIsRefused(t *testing.T) {
	for of, leave := range map[string]func(*testing.T, Options){
		"the object 0000000000000001": keep,
		"the object 1 of": func(t *testing.T, o Options) {
			t.Helper()
			j := openTest(t, o)
			start(t, j)
			add(t, j, 1)
			must(t, j.Save(t.Context(), 1, whole(row("a", "1"))))
			must(t, j.js.DeleteStream(t.Context(), o.stream()))
		},
		"the stream": func(t *testing.T, o Options) {
			t.Helper()
			other := o
			other.Fingerprint = "another"
			keep(t, other)
			comeBack(t, o, 1)
		},
	} {
		o := onServer()
		leave(t, o)
		o.Fingerprint = "another"
		if _, err := OpenLeft(t.Context(), o); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), of) || !strings.Contains(err.Error(), "fingerprint") {
			t.Errorf("%s: %v", of, err)
		}
	}
}

// There is a place for what is kept as long as there is a log: when something is lost, nodes may be away that are needed to make one.
func TestThereIsAPlaceForWhatIsKept(t *testing.T) {
	o := onServer()
	j := openTest(t, o)
	if _, err := j.js.ObjectStore(t.Context(), o.keptBucket()); err != nil {
		t.Error(err)
	}
	openTest(t, o) // which nothing stands in the way of
}

// A log that says that it lost something has done so, though nobody lived to keep anything: a new one can begin with what is left, also when whoever began
// that ended before and is begun again.
func TestALogThatWasGivenUpIsLeft(t *testing.T) {
	o := onServer()
	j := openTest(t, o)
	start(t, j)
	add(t, j, 1, 2)
	must(t, j.Save(t.Context(), 2, whole(row("a", "1"))))
	comeBack(t, o, 1)
	for log := uint64(1); log <= 3; log++ {
		left := openLeft(t, o)
		if left.Log != log || left.Snapshot != 2 {
			t.Errorf("%+v is left", left)
		}
		must(t, left.Choose(t.Context(), "next"))
	}
}
