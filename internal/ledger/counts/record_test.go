package counts

import (
	"context"
	"encoding/hex"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"numberfleet.dev/numberfleet/internal/report"
)

// What is written to the journal is read as it was.
func TestJournalRowsAreReadAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SampledFrom([]string{"+1", "+22", number})
		var rec Record
		for range rapid.IntRange(0, 10).Draw(t, "entries") {
			e := Entry{
				Number:  numbers.Draw(t, "number"),
				Kind:    rapid.SampledFrom([]Kind{Delivered, Received, Complained, AliasLinked, Replied, Failed}).Draw(t, "kind"),
				User:    UserKey(rapid.Uint64Min(1).Draw(t, "user")),
				Alias:   UserKey(rapid.SampledFrom([]uint64{0, 5, 1 << 63}).Draw(t, "alias")),
				Message: MessageKey(rapid.SampledFrom([]uint64{0, 5, 1 << 63}).Draw(t, "message")),
				At:      rapid.Int64Range(1, maxTime).Draw(t, "at"),
			}
			if e.Kind == Complained {
				e.Complaint = someComplaint(t)
			}
			if e.Kind == AliasLinked && e.Alias == 0 {
				e.Alias = 7
			}
			if e.Message == 0 && e.Kind != Received && e.Kind != AliasLinked {
				e.Message = 7
			}
			someWord(t, &e)
			rec.Entries = append(rec.Entries, e)
		}
		for range rapid.IntRange(0, 3).Draw(t, "reports") {
			rec.Reports = append(rec.Reports, report.Report{
				Subject: report.ParseSubject(numbers.Draw(t, "number")), Kind: report.Limit, At: rapid.Int64().Draw(t, "at"),
				Value: rapid.String().Draw(t, "value"), Reason: rapid.String().Draw(t, "reason"), Until: rapid.Int64().Draw(t, "until"),
			})
		}
		for range rapid.IntRange(0, 2).Draw(t, "windows") {
			rec.Windows = append(rec.Windows, NumberWindows{numbers.Draw(t, "number"), someWindows(t)})
		}
		var got Record
		for range 2 { // nothing is left of what a record held before
			if err := got.readOne(rowOf(&rec)); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(got.Entries, rec.Entries) || !slices.Equal(got.Reports, rec.Reports) || !slices.Equal(got.Windows, rec.Windows) {
			t.Fatalf("%+v is read as %+v", rec, got)
		}
	})
}

// Rows of the journal and of numbers that were written before there were complaints, reach and reports with an end are read.
func TestOldRows(t *testing.T) {
	row := func(digits string) []byte {
		b, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	journal := row("01010c2b313535353031303030303102c10001000000000000000200000000000000030000000000000080cabeae0d020001000000000000000a" +
		"0100075175616c69747980cabeae0d034c6f7706626c6f636b730100901c80e90fb70fc3ab")
	want := Record{Clock: begin.Add(5*time.Second - Ahead).UnixMilli(), Batch: Batch{
		Entries: []Entry{
			{Number: number, Kind: Delivered, User: 1, Alias: 2, Message: 3, At: begin.Unix()},
			{Number: number, Kind: Received, User: 1, At: begin.Unix() + 5},
		},
		Reports: []report.Report{{Subject: report.ParseSubject(number), Kind: report.Quality, At: begin.Unix(), Value: "Low", Reason: "blocks"}},
	}, Windows: []NumberWindows{{number, Windows{Service: time.Hour, Conversation: 72 * time.Hour}}}}
	var rec Record
	if err := rec.readOne(journal); err != nil || !reflect.DeepEqual(rec, want) {
		t.Errorf("%+v, %v", rec, err)
	}
	saved := row("01e0f3b7ab0d901c80e90f010101075175616c69747980cabeae0d034c6f7706626c6f636b7302010001010102cc6e7e26")
	s := newNumberState(number, 0)
	if err := s.decode(saved); err != nil || s.windows != newWindowLengths(want.Windows[0].Windows) || len(s.complaints) > 0 || len(s.reports) != 1 {
		t.Errorf("%+v, %v", s.windows, err)
	}
}

// A row of the journal that was written before there were categories, failed messages and the gate is read.
func TestRowsOfVersion2(t *testing.T) {
	row, err := hex.DecodeString("02018090f298b368010c2b313535353031303030303102f100010000000000000002000000000000000300000000000000040000000000000080cabeae0d4311" +
		"00010000000000000005000000000000000a0100075175616c69747980cabeae0d034c6f7706626c6f636b73010c2b3135353530313030303031901c80e90f0000004684a37e")
	if err != nil {
		t.Fatal(err)
	}
	want := Record{Clock: begin.UnixMilli(), Batch: Batch{
		Entries: []Entry{
			{Number: number, Kind: Delivered, Reply: true, User: 1, Alias: 2, Message: 3, Chat: 4, At: begin.Unix()},
			{Number: number, Kind: Complained, Complaint: 0x11, User: 1, Message: 5, At: begin.Unix() + 5},
		},
		Reports: []report.Report{{Subject: report.ParseSubject(number), Kind: report.Quality, At: begin.Unix(), Value: "Low", Reason: "blocks"}},
	}, Windows: []NumberWindows{{number, Windows{Service: time.Hour, Conversation: 72 * time.Hour}}}}
	var rec Record
	if err := rec.readOne(row); err != nil || !reflect.DeepEqual(rec, want) {
		t.Errorf("%+v, %v", rec, err)
	}
}

// fuzzedLedger is a ledger with a little of everything.
func fuzzedLedger(tb testing.TB) *applier {
	tb.Helper()
	l := newApplier()
	at := begin.Unix()
	_, err := l.Append(context.Background(), Batch{
		Entries: []Entry{
			{Number: number, Kind: Delivered, User: 1, Message: 1, At: at},
			{Number: number, Kind: Delivered, User: 1, Message: 2, At: at + 1},
			{Number: number, Kind: Received, User: 2, Alias: 3, At: at + 2},
			{Number: number, Kind: Received, User: 1, At: at - 2},
			{Number: number, Kind: Complained, Complaint: 0x11, User: 4, Message: 1, At: at},
			{Number: number, Kind: Complained, Complaint: 0x46, User: 2, Message: 2, At: at},
			{Number: number, Kind: AliasLinked, User: 1, Alias: 5, At: at + 3},
			{Number: number, Kind: AliasLinked, User: 6, Alias: 7, At: at + 4},
			{Number: number, Kind: Delivered, Reply: true, User: 8, Message: 1, At: at},
			{Number: number, Kind: Replied, User: 8, Message: 2, At: at + 1},
			{Number: number, Kind: Delivered, User: 9, Message: 1, Chat: 5, At: at},
			{Number: number, Kind: Received, User: 9, Chat: 5, At: at - 1},
			{Number: number, Kind: Delivered, Category: Marketing, User: 9, Message: 2, At: at},
			{Number: number, Kind: Failed, User: 9, Alias: 10, Message: 3, At: at},
		},
		Reports: []report.Report{
			{Subject: report.ParseSubject(number), Kind: report.Quality, At: at, Value: "Low", Reason: "blocks"},
			{Subject: report.ParseSubject(number), Kind: report.Restriction, At: at, Value: "X", Until: at + 9},
		},
	}, begin)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// No row of the journal, whatever is in it, does more than fail to be read, and what is read can be counted.
func FuzzDecodeJournal(f *testing.F) {
	rec := Record{Batch: Batch{
		Entries: []Entry{
			{Number: number, Kind: Delivered, User: 1, Alias: 2, Message: 3, At: begin.Unix()},
			{Number: number, Kind: Complained, Complaint: 0x23, User: 1, Message: 3, At: begin.Unix()},
			{Number: number, Kind: AliasLinked, User: 1, Alias: 4, At: begin.Unix()},
			{Number: number, Kind: Delivered, Reply: true, User: 1, Message: 5, Chat: 6, At: begin.Unix()},
			{Number: number, Kind: Replied, User: 1, Message: 5, At: begin.Unix()},
			{Number: number, Kind: Delivered, Category: Utility, User: 1, Message: 6, At: begin.Unix()},
			{Number: number, Kind: Failed, User: 1, Message: 7, At: begin.Unix()},
		},
		Reports: []report.Report{
			{Subject: report.ParseSubject(number), Kind: report.Quality, At: begin.Unix(), Value: "Low"},
			{Subject: report.AccountSubject("2001"), Kind: report.Restriction, At: begin.Unix(), Value: "X", Until: begin.Unix() + 9},
		},
	}, Windows: []NumberWindows{{number, Windows{Service: time.Hour, CountReached: true}}}}
	f.Add(body(rowOf(&rec)))
	rec.Displays, rec.Portfolios, rec.Claims = []Display{{brazilianID, displayed}}, []Portfolio{{"p", []string{number}}}, []Claim{{brazilianID, brazilian}}
	f.Add(body(rowOf(&rec)))
	rec.Settings, rec.Operations = gateSettings, gateOperations
	f.Add(body(rowOf(&rec)))
	f.Add([]byte{1, 0, 0, 0, 0})
	f.Add([]byte{1, 255, 255, 255, 255, 15})
	f.Add([]byte{1, 0, 255, 255, 255, 255, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{1, 1, 1, '+', 0, 1, 0, 3, 0, 0, 'X', 0, 0, 0, 0, 0}) // a report that ends at no time
	f.Fuzz(func(t *testing.T, row []byte) {
		var r, again Round
		_ = r.ReadRow(row)
		if r.ReadRow(sealed(row)) != nil {
			return
		}
		if err := again.ReadRow(r.AppendRow(nil)); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		NewMachine().Apply(1, &r)
	})
}

// No row of a shard does more than fail to be read, and what is read can be counted, swept and saved.
func FuzzDecodePart(f *testing.F) {
	l := fuzzedLedger(f)
	f.Add(uint8(0), uint64(0), body(l.number(number).users.shards[0].encode()))
	old, err := hex.DecodeString(version1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(0), uint64(0), body(old))
	f.Add(uint8(1), uint64(1), body(newShard(1, 1, begin.Unix(), nil).encode()))
	f.Add(uint8(3), uint64(1), []byte{1, 0, 3})
	f.Fuzz(func(t *testing.T, depth uint8, prefix uint64, row []byte) {
		_, _ = decodedPart(depth%keyBits, key(prefix), row)
		p, err := decodedPart(0, 0, sealed(row))
		if err != nil {
			return
		}
		if _, err := decodedPart(0, 0, p.encode()); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		s := newNumberState(number, 0)
		s.horizon, s.users.shards = p.horizon, []*shard{p}
		if p.base() < 0 || p.base() > maxTime-1<<timeBits {
			return // no clock gives such a horizon
		}
		s.recount()
		sweepAll(s, p.horizon+day)
		s.recount()
	})
}

// No row of a number does more than fail to be read.
func FuzzDecodeNumber(f *testing.F) {
	l := fuzzedLedger(f)
	f.Add(body(l.number(number).encode()))
	l.number(number).users.shards, l.number(number).users.depth = partsOf([2]uint64{1, 0}, [2]uint64{2, 2}, [2]uint64{2, 3})
	f.Add(body(l.number(number).encode()))
	f.Fuzz(func(t *testing.T, row []byte) {
		_ = newNumberState(number, 0).decode(row)
		s := newNumberState(number, 0)
		if s.decode(sealed(row)) != nil {
			return
		}
		if err := newNumberState(number, 0).decode(s.encode()); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		_ = (&restoration{machine: NewMachine()}).machineRow(sealed(row))
	})
}
