package ledgertest

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Machines to which the same records were applied have the same snapshot, byte for byte, after each of them: one that applied them all,
// one that is restored from its own snapshot now and then, and one that read each record from its row.
func TestMachinesThatAppliedTheSameRecordsAreTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one, restored, read := counts.NewMachine(), counts.NewMachine(), counts.NewMachine()
		numbers, now := append(someNumbers(t), brazilian), begin
		for position := range uint64(rapid.IntRange(1, 40).Draw(t, "records")) {
			now = now.Add(rapid.SampledFrom([]time.Duration{0, time.Minute, -time.Minute, 7 * time.Hour, 40 * 24 * time.Hour}).Draw(t, "on"))
			r := someRecord(t, numbers, now)
			var copied counts.Round
			must(t, copied.ReadRow(alone(r).AppendRow(nil)))
			want := one.Apply(position+1, alone(r))
			for _, m := range []struct {
				*counts.Machine
				r *counts.Round
			}{{restored, alone(r)}, {read, &copied}} {
				if got := m.Apply(position+1, m.r); !reflect.DeepEqual(got, want) {
					t.Fatalf("of record %d there is %+v, and elsewhere %+v", position+1, want, got)
				}
			}
			if rapid.IntRange(0, 3).Draw(t, "restore") == 0 {
				restored = again(t, restored)
			}
			stands := state(one)
			for name, m := range map[string]*counts.Machine{"restored": restored, "read": read} {
				if got := state(m); got != stands || m.Position() != one.Position() {
					t.Fatalf("after record %d the machine that was %s has\n%s\nand the other\n%s", position+1, name, got, stands)
				}
			}
		}
	})
}

// again is a machine that is restored from the snapshot of another.
func again(t rapid.TB, m *counts.Machine) *counts.Machine {
	t.Helper()
	c := m.Capture(true)
	var rows []counts.Row
	for row := range c.Rows() {
		if row.Value != nil {
			rows = append(rows, counts.Row{Key: bytes.Clone(row.Key), Value: bytes.Clone(row.Value)})
		}
	}
	c.End(true)
	is, err := counts.Restore(rowsOf(rows), inTurn)
	must(t, err)
	return is
}

// Of every few events of a user, in every order, each second is counted as the definitions say: of the number, and of a portfolio with
// another number.
func TestEveryFewEvents(t *testing.T) {
	const base = 100 // seconds of the epoch: what is kept at no time would be seen
	const other = "+2"
	d := func(at int64, message counts.MessageKey) counts.Entry {
		return counts.Entry{Number: number, Kind: counts.Delivered, User: 1, Message: message, At: base + at}
	}
	r := func(at int64) counts.Entry {
		return counts.Entry{Number: number, Kind: counts.Received, User: 1, At: base + at}
	}
	c := func(at int64, message counts.MessageKey) counts.Entry {
		return counts.Entry{Number: number, Kind: counts.Complained, Complaint: 0x11, User: 1, Message: message, At: base + at}
	}
	replied := func(at int64, message counts.MessageKey) counts.Entry {
		return counts.Entry{Number: number, Kind: counts.Replied, User: 1, Message: message, At: base + at}
	}
	reply := func(e counts.Entry) counts.Entry {
		e.Reply = true
		return e
	}
	chat := func(e counts.Entry) counts.Entry {
		e.Chat = 1
		return e
	}
	elsewhere := [][]counts.Entry{
		{},
		{{Number: other, Kind: counts.Delivered, User: 1, Message: 1, At: base + 1}, {Number: other, Kind: counts.Received, User: 1, At: base + 2}},
		{{Number: other, Kind: counts.Delivered, User: 2, Message: 1, At: base}, {Number: other, Kind: counts.AliasLinked, User: 1, Alias: 2, At: base}, {Number: other, Kind: counts.Complained, Complaint: 0x11, User: 1, Message: 9, At: base + 1}},
	}
	first := [][]counts.Entry{
		{},
		{d(1, 1)},
		{d(0, 1), d(1, 2)},
		{r(0), r(1)},
		{r(0), r(1), r(2), r(3)},
		{d(0, 1), d(1, 2), r(1), r(2)},
		{d(0, 1), d(0, 2), d(1, 3), d(0, 4)},
		{r(1), d(1, 1), d(2, 2), c(1, 1)},
		{reply(d(1, 1))},
		{replied(1, 1), d(2, 2)},
		{chat(d(1, 1)), d(2, 2), chat(r(3))},
	}
	then := func(message counts.MessageKey) (some []counts.Entry) {
		for at := range int64(4) {
			some = append(some, d(at, 1), d(at, message), r(at), c(at, 1), replied(at, 1), reply(d(at, message)), chat(d(at, message)), chat(r(at)))
		}
		return some
	}
	for _, windows := range []counts.Windows{{Service: 2 * time.Second, Conversation: 2 * time.Second, CountReached: true}, {Service: time.Second, Conversation: 3 * time.Second}} {
		for where, others := range elsewhere {
			for _, first := range first {
				for _, one := range then(7) {
					for _, two := range then(8) {
						all := &model{windows: windows, entries: slices.Concat(others, first, []counts.Entry{one, two})}
						m := counts.NewMachine()
						applyTo(m, &counts.Record{
							Windows:    []counts.NumberWindows{{Number: number, Windows: windows}, {Number: other, Windows: windows}},
							Portfolios: []counts.Portfolio{{Name: "g", Numbers: []string{number, other}}},
						})
						for i := range all.entries {
							applyTo(m, &counts.Record{Batch: counts.Batch{Entries: all.entries[i : i+1]}})
						}
						for _, is := range []struct {
							subject string
							*model
						}{{number, all.of(number)}, {counts.PortfolioKey("g"), all}} {
							h := is.happened()
							for to := int64(base - 1); to < base+4; to++ {
								times := h.times(windows, to)
								for _, measure := range measures {
									if got, want := m.Count(is.subject, measure, time.Unix(-1, 0), time.Unix(to, 0)), int64(len(within(times[measure], -1, to))); got != want {
										t.Fatalf("%s, where the other has %d: of measure %s there are %d up to %d, not %d, after %v", is.subject, where, measure, got, to, want, all.entries)
									}
								}
							}
						}
					}
				}
			}
		}
	}
}

// A shard that holds too much history is split at the same record by a machine that was restored from a snapshot, which has the same
// history and less room beside it.
func TestARestoredMachineSplitsAtTheSameRecord(t *testing.T) {
	const users, size = 64, 2048
	one := counts.NewMachine()
	var restored *counts.Machine
	shards := func(m *counts.Machine) (n int) {
		c := m.Capture(true)
		for range c.Rows() {
			n++
		}
		c.End(true)
		return n
	}
	begun := 0
	for record := range 200 {
		r := &counts.Record{Clock: begin.UnixMilli()}
		for i := range size {
			n := record*size + i
			r.Entries = append(r.Entries, counts.Entry{
				Number: number, Kind: counts.Delivered, User: counts.UserKey(1 + n%users), Message: counts.MessageKey(n + 1), At: begin.Unix() - 500_000 + int64(n),
			})
		}
		applyTo(one, r)
		switch {
		case record < 90:
			continue
		case restored == nil:
			restored, begun = again(t, one), shards(one)
			continue
		}
		applyTo(restored, r)
		if state(one) != state(restored) {
			t.Fatalf("after record %d there are %d rows, and %d where it was restored", record, shards(one), shards(restored))
		}
		if shards(one) > begun {
			return
		}
	}
	t.Error("no shard was split")
}
