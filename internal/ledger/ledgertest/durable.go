package ledgertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// What a ledger appended is there after each record, whether a snapshot came before it, after it, or not at all, and whether the process
// was started again meanwhile.
func recordsSurvive(t *testing.T, empty func() Store) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		l := open(t, empty())
		defer func() { _ = l.Close() }()
		numbers, now := append(someNumbers(t), brazilian), begin
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			switch rapid.IntRange(0, 8).Draw(t, "step") {
			case 0:
				l.save(t)
			case 1:
				l = l.restart(t, false, 0)
			case 2:
				now = now.Add(rapid.SampledFrom([]time.Duration{time.Hour, 7 * time.Hour, 40 * 24 * time.Hour}).Draw(t, "on"))
			default:
				l.record(t, someRecord(t, numbers, now), now)
			}
			l.survives(t, "after each step")
		}
	})
}

// record has a ledger append what a record is of.
func (o *opened) record(t rapid.TB, r *counts.Record, now time.Time) {
	t.Helper()
	must(t, give(o.Ledger, r, now))
}

// give gives a ledger what a record is of.
func give(l *ledger.Ledger, r *counts.Record, now time.Time) (err error) {
	if len(r.Entries)+len(r.Reports)+len(r.Displays) > 0 {
		_, err = l.Append(context.Background(), r.Batch, now)
	}
	err = errors.Join(err, l.Configure(r.Settings))
	if len(r.Operations) > 0 {
		_, failed := l.Operate(context.Background(), r.Operations, now)
		err = errors.Join(err, failed)
	}
	for _, w := range r.Windows {
		err = errors.Join(err, l.SetWindows(w.Number, w.Windows))
	}
	for _, p := range r.Portfolios {
		err = errors.Join(err, l.SetPortfolio(p.Name, p.Numbers))
	}
	for _, c := range r.Claims {
		err = errors.Join(err, l.Claim(c.ID, c.Number))
	}
	return err
}

// batchOf is a batch of deliveries, each to a user of its own.
func batchOf(i int) (b counts.Batch) {
	const deliveries = 7
	for j := range deliveries {
		id := uint64(i*deliveries + j + 1)
		b.Entries = append(b.Entries, counts.Entry{
			Number: number, Kind: counts.Delivered, User: counts.UserKey(id), Message: counts.MessageKey(id), At: begin.Add(time.Duration(i)*time.Second - counts.Kept).Unix(),
		})
	}
	return b
}

// What is appended while a snapshot is taken is in the journal that is left, though the snapshot has nothing of it.
func recordsDuringASnapshotSurvive(t *testing.T, empty func() Store) {
	t.Helper()
	for at := range 3 {
		l := open(t, empty())
		l.append(t, batchOf(0), begin)
		l.journal.row = func(row int) error {
			if row != at {
				return nil
			}
			_, err := l.Append(context.Background(), batchOf(1), begin)
			return err
		}
		l.save(t)
		if n := len(l.journal.appended) - l.own; n != 2 {
			t.Fatalf("%d records were appended", n)
		}
		l.survives(t, fmt.Sprintf("with a record before row %d", at))
		l.close(t)
	}
}

// A snapshot that fails at any row leaves what was there before, and the next one succeeds.
func snapshotsAreWhole(t *testing.T, empty func() Store) {
	t.Helper()
	for _, earlier := range []bool{false, true} { // snapshots
		for at := range 3 {
			l := open(t, empty())
			l.append(t, batchOf(0), begin)
			if earlier {
				l.save(t)
			}
			l.append(t, batchOf(1), begin)
			size := l.journal.Size()
			l.journal.row = failAt(at)
			if err := l.Snapshot(t.Context()); !errors.Is(err, errTest) {
				t.Fatalf("a snapshot that fails at row %d returns %v", at, err)
			}
			l.journal.row = nil
			if got := l.journal.Size(); got != size {
				t.Errorf("after a snapshot that failed at row %d the journal has %d bytes, not %d", at, got, size)
			}
			l.survives(t, fmt.Sprintf("after a snapshot that failed at row %d", at))
			l.append(t, batchOf(2), begin)
			l.save(t)
			l.survives(t, fmt.Sprintf("after a snapshot that followed one that failed at row %d", at))
			l.close(t)
		}
	}
}

// Each start goes on in the journal where the one before it ended, with a snapshot before it or not, and knows how many bytes a start
// would replay: nothing that was acknowledged is written over.
func startsGoOn(t *testing.T, empty func() Store) {
	t.Helper()
	l := open(t, empty())
	for i, saved := range []bool{false, false, true, false, true, true, false} {
		before := l.journal.Size()
		l.append(t, batchOf(i), begin)
		if l.journal.Size() <= before {
			t.Errorf("with record %d the journal grows from %d to %d bytes", i, before, l.journal.Size())
		}
		if saved {
			l.save(t)
			if l.journal.Size() != 0 {
				t.Errorf("of %d bytes nothing is to be replayed", l.journal.Size())
			}
		}
		size := l.journal.Size()
		l = l.restart(t, false, 0)
		if got := l.journal.Size() - l.bytes; got != size {
			t.Errorf("after start %d the journal has %d bytes, not %d", i, got, size)
		}
		l.survives(t, fmt.Sprintf("after start %d", i))
	}
	l.close(t)
}

// A start gets the records that the snapshot does not have, in their order, each as it was appended and at the next position: of several
// that were appended at once too.
func recordsAreReplayed(t *testing.T, empty func() Store) {
	t.Helper()
	rapid.Check(t, func(t *rapid.T) {
		store := empty()
		j, err := store.Open()
		must(t, err)
		for row, err := range j.Load() {
			must(t, err)
			t.Fatalf("an empty store has the row %q", row.Key)
		}
		must(t, j.Replay(0, func(uint64, *counts.Round) error { return errors.New("an empty store has records") }))
		numbers := append(someNumbers(t), brazilian)
		m := counts.NewMachine()
		var appended [][]byte // rows
		saved := uint64(0)
		for range rapid.IntRange(0, 6).Draw(t, "rounds") {
			var round counts.Round
			for range rapid.IntRange(1, 4).Draw(t, "records") {
				round.Records = append(round.Records, someRecord(t, numbers, begin))
			}
			appended = append(appended, round.AppendRow(nil))
			keep(t, j, &round)
			m.Apply(m.Position()+1, &round)
			if rapid.IntRange(0, 3).Draw(t, "save") == 0 {
				c := m.Capture(false)
				must(t, j.Save(t.Context(), c.Position(), c.Rows()))
				saved = c.Position()
				c.End(true)
			}
		}
		must(t, j.Close())
		j, err = store.Open()
		must(t, err)
		for _, err := range j.Load() {
			must(t, err)
		}
		next := saved
		must(t, j.Replay(saved, func(position uint64, r *counts.Round) error {
			if next++; position != next || !bytes.Equal(r.AppendRow(nil), appended[position-1]) {
				return fmt.Errorf("round %d is replayed as that of position %d: %+v", next, position, r)
			}
			return nil
		}))
		if int(next) != len(appended) {
			t.Errorf("%d of %d rounds are replayed up to %d", next-saved, len(appended), next)
		}
		must(t, j.Close())
	})
}

// A snapshot replaces the rows that it has, removes those before whose keys begin with that of a row without a value, and leaves the
// others.
func snapshotsReplaceRows(t *testing.T, empty func() Store) {
	t.Helper()
	store := empty()
	j, err := store.Open()
	must(t, err)
	for position, test := range []struct{ rows, want string }{
		{"m=1 na=2 nab=3 nb=4", "m=1 na=2 nab=3 nb=4"},
		{"", "m=1 na=2 nab=3 nb=4"},
		{"na=5 nc=6", "m=1 na=5 nab=3 nb=4 nc=6"},
		{"m=7 na nb=8", "m=7 nb=8 nc=6"},
		{"nb nb=9 nba=10 nc", "m=7 nb=9 nba=10"},
		{"x", "m=7 nb=9 nba=10"},
	} {
		var rows []counts.Row
		for row := range strings.FieldsSeq(test.rows) {
			key, value, has := strings.Cut(row, "=")
			is := counts.Row{Key: []byte(key)}
			if has {
				is.Value = []byte(value)
			}
			rows = append(rows, is)
		}
		keep(t, j, alone(&counts.Record{Clock: begin.UnixMilli()}))
		must(t, j.Save(t.Context(), uint64(position+1), slices.Values(rows)))
		must(t, j.Close())
		j, err = store.Open()
		must(t, err)
		var got []string
		for row, err := range j.Load() {
			must(t, err)
			got = append(got, fmt.Sprintf("%s=%s", row.Key, row.Value))
		}
		if is := strings.Join(got, " "); is != test.want {
			t.Errorf("after a snapshot of %q there is %q, not %q", test.rows, is, test.want)
		}
		must(t, j.Replay(uint64(position+1), func(uint64, *counts.Round) error { return errors.New("a round is replayed that the snapshot has") }))
	}
	must(t, j.Close())
}
