// Package ledgertest has the tests that every journal of the ledger passes: Run is called by a test of each. They look at a ledger from
// outside, through what it answers and through what its journal gives to the next start.
package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

// Store is where a journal keeps its records and snapshots. It outlives the journals that are opened on it.
type Store interface {
	// Open opens the journal as a start of the process does. The journal before it was closed.
	Open() (journal.Journal, error)
	// Crash is what the machine has after it failed at this moment: all that the journal has acknowledged and, of what it has not,
	// whatever follows from the seed. The store itself goes on.
	Crash(seed uint64) Store
}

// Run tests the journals that are opened on stores, each of which empty returns anew.
func Run(t *testing.T, empty func() Store) {
	t.Helper()
	for _, test := range []struct {
		promise string
		holds   func(t *testing.T, empty func() Store)
	}{
		{"counts follow from the set of events, whatever their order and repetition", countsFollowFromTheSet},
		{"counts survive crashes, and snapshots that fail", countsSurvive},
		{"a number is one under all its names", numbersAreOne},
		{"every record survives from when it is acknowledged", recordsSurvive},
		{"a record that comes during a snapshot survives", recordsDuringASnapshotSurvive},
		{"a snapshot is saved whole or not at all", snapshotsAreWhole},
		{"a start goes on where the one before ended", startsGoOn},
		{"a start replays the records after the snapshot, as they were appended", recordsAreReplayed},
		{"a snapshot replaces and removes the rows that it says", snapshotsReplaceRows},
		{"a report has one place for good", reportsKeepTheirSequence},
		{"reports that come at once have the same places after a crash", concurrentReportsKeepTheirSequence},
		{"users who become one during a snapshot are saved whole", usersJoinDuringASnapshot},
		{"a snapshot during appends is of one moment", snapshotsDuringAppends},
		{"what is granted survives from when it is answered", grantsSurvive},
		{"concurrent senders are answered as one after another", answersAreLinearizable},
	} {
		t.Run(test.promise, func(t *testing.T) {
			t.Parallel()
			test.holds(t, empty)
		})
	}
}

// opened is a ledger under test, with its store.
type opened struct {
	*ledger.Ledger
	store   Store
	journal *observed
	own     int   // rounds that the start appended itself,
	bytes   int64 // of rows
}

func open(t rapid.TB, store Store) *opened {
	t.Helper()
	return openAfter(t, store, &observed{rules: testingclock.NewFakePassiveClock(time.UnixMilli(1))})
}

// openAfter opens a store to which was appended what one before has noted.
func openAfter(t rapid.TB, store Store, before *observed) *opened {
	t.Helper()
	j, err := store.Open()
	if err != nil {
		t.Fatalf("open the journal: %v", err)
	}
	o := &opened{store: store, journal: &observed{Journal: j, appended: before.appended, rules: before.rules}}
	j = o.journal
	if shared, is := o.journal.Journal.(journal.Shared); is {
		j = &observedShared{o.journal, shared}
	}
	// Time stands still, so that nothing is recorded but what a test records, and is that of the last record.
	if o.Ledger, err = ledger.Open(j, ledger.Options{Clock: testingclock.NewFakeClock(begin), Rules: before.rules}); err != nil {
		t.Fatalf("open the ledger: %v", err)
	}
	must(t, o.Lead(context.Background()))
	for _, row := range o.journal.appended[len(before.appended):] {
		o.own, o.bytes = o.own+1, o.bytes+int64(len(row))
	}
	return o
}

func (o *opened) close(t rapid.TB) {
	t.Helper()
	must(t, o.Close())
}

// restart opens the store again, after a crash or not.
func (o *opened) restart(t rapid.TB, crashed bool, seed uint64) *opened {
	t.Helper()
	store := o.store
	if crashed {
		store = store.Crash(seed)
	}
	o.close(t)
	return openAfter(t, store, o.journal)
}

func (o *opened) append(t rapid.TB, batch counts.Batch, now time.Time) counts.Outcome {
	t.Helper()
	outcome, err := o.Append(context.Background(), batch, now)
	must(t, err)
	return outcome
}

func (o *opened) operate(t rapid.TB, now time.Time, operations ...counts.Operation) []counts.Decision {
	t.Helper()
	decisions, err := o.Operate(context.Background(), operations, now)
	must(t, err)
	return decisions
}

func (o *opened) save(t rapid.TB) {
	t.Helper()
	must(t, o.Snapshot(context.Background()))
}

// elsewhere is a number that is written about so that time passes for the others.
const elsewhere = "+15550199999"

// expire makes it so late that what is over is forgotten. Each record sweeps some thousand users.
func (o *opened) expire(t rapid.TB, now time.Time) {
	t.Helper()
	for i := range 4 {
		o.append(t, counts.Batch{Entries: []counts.Entry{{Number: elsewhere, Kind: counts.Received, User: counts.UserKey(i + 1), At: now.Unix()}}}, now)
	}
}

// observed is a journal that notes what was appended, and that a test can make fail at a row of a snapshot.
type observed struct {
	journal.Journal
	appended [][]byte // the rows of the rounds
	rules    *testingclock.FakePassiveClock
	row      func(row int) error // called before each row of a snapshot, counted from zero; an error fails the snapshot
}

func (o *observed) Append(ctx context.Context, r *counts.Round) error {
	err := o.Journal.Append(ctx, r)
	o.appended = append(o.appended, r.AppendRow(nil))
	return err
}

// observedShared is a shared journal of which is noted what is followed: what was appended may be there twice, or else in another order.
type observedShared struct {
	*observed
	shared journal.Shared
}

var _ journal.Shared = (*observedShared)(nil)

func (o *observedShared) Append(ctx context.Context, r *counts.Round) error {
	return o.shared.Append(ctx, r)
}

func (o *observedShared) Seal(ctx context.Context) error { return o.shared.Seal(ctx) }

func (o *observedShared) Keep(ctx context.Context, k journal.Kept) error {
	return o.shared.Keep(ctx, k)
}

func (o *observedShared) Follow(ctx context.Context, call func(position uint64, r *counts.Round) error) error {
	return o.shared.Follow(ctx, func(position uint64, r *counts.Round) error {
		o.appended = append(o.appended, r.AppendRow(nil))
		for _, record := range r.Records {
			if at := time.UnixMilli(record.Clock); at.After(o.rules.Now()) {
				o.rules.SetTime(at)
			}
		}
		return call(position, r)
	})
}

// keep appends a round. It reads a shared journal up to there, as a ledger does before it takes a snapshot.
func keep(t rapid.TB, j journal.Journal, r *counts.Round) {
	t.Helper()
	must(t, j.Append(context.Background(), r))
	if shared, is := j.(journal.Shared); is {
		came := errors.New("the round came")
		if err := shared.Follow(context.Background(), func(uint64, *counts.Round) error { return came }); !errors.Is(err, came) {
			t.Fatal(err)
		}
	}
}

func (o *observed) Save(ctx context.Context, position uint64, rows iter.Seq[counts.Row]) error {
	if o.row == nil {
		return o.Journal.Save(ctx, position, rows)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err := o.Journal.Save(ctx, position, func(yield func(counts.Row) bool) {
		n := 0
		for row := range rows {
			if err := o.row(n); err != nil {
				cancel(err)
			}
			if n++; !yield(row) {
				return
			}
		}
	})
	return errors.Join(err, context.Cause(ctx))
}

// errTest fails a snapshot.
var errTest = errors.New("as the test wants")

// failAt fails a snapshot at a row.
func failAt(at int) func(int) error {
	return func(row int) error {
		if row == at {
			return errTest
		}
		return nil
	}
}

// state is a snapshot of all that a machine knows. Two machines with the same state give the same answers.
func state(m *counts.Machine) string {
	c := m.Capture(true)
	defer c.End(false)
	return printed(slices.Collect(c.Rows()))
}

// printed are the rows of a whole snapshot.
func printed(rows []counts.Row) string {
	var b strings.Builder
	for _, row := range rows {
		if row.Value != nil { // else it removes rows that were saved before, which another machine may not have saved
			fmt.Fprintf(&b, "%q %x\n", row.Key, row.Value)
		}
	}
	return b.String()
}

// started is the machine that a start would have after a crash at this moment.
func started(t rapid.TB, store Store) *counts.Machine {
	t.Helper()
	j, err := store.Crash(0).Open()
	must(t, err)
	m, err := counts.Restore(j.Load(), inTurn)
	must(t, err)
	must(t, j.Replay(m.Position(), func(position uint64, r *counts.Round) error {
		if want := m.Position() + 1; position != want {
			return fmt.Errorf("record %d comes after record %d", position, want-1)
		}
		m.Apply(position, r)
		return nil
	}))
	must(t, j.Close())
	return m
}

// applied is the machine to which the records were applied that rows are of.
func applied(t rapid.TB, rows [][]byte) *counts.Machine {
	t.Helper()
	m := counts.NewMachine()
	for _, row := range rows {
		var r counts.Round
		must(t, r.ReadRow(row))
		m.Apply(m.Position()+1, &r)
	}
	return m
}

// survives fails the test unless a start after a crash would have all that was appended.
func (o *opened) survives(t rapid.TB, when string) {
	t.Helper()
	if got, want := state(started(t, o.store)), state(applied(t, o.journal.appended)); got != want {
		t.Fatalf("%s, a start has\n%.400s\nand what was appended comes to\n%.400s", when, got, want)
	}
}

// alone is the round of one record in a log of one process.
func alone(r *counts.Record) *counts.Round { return &counts.Round{Records: []*counts.Record{r}} }

// applyTo applies the round of one record.
func applyTo(m *counts.Machine, r *counts.Record) counts.Applied {
	return m.Apply(m.Position()+1, alone(r))[0]
}

func inTurn(n int, task func(int)) {
	for i := range n {
		task(i)
	}
}

// rowsOf are rows as a journal loads them.
func rowsOf(rows []counts.Row) iter.Seq2[counts.Row, error] {
	return func(yield func(counts.Row, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

func must(t rapid.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
