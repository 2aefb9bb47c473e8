package counts

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
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
		var rec record
		for range rapid.IntRange(0, 10).Draw(t, "entries") {
			e := Entry{
				Number:  numbers.Draw(t, "number"),
				Kind:    rapid.SampledFrom([]Kind{Delivered, Received, Complained, Joined, Replied}).Draw(t, "kind"),
				User:    UserKey(rapid.Uint64Min(1).Draw(t, "user")),
				Alias:   UserKey(rapid.SampledFrom([]uint64{0, 5, 1 << 63}).Draw(t, "alias")),
				Message: MessageKey(rapid.SampledFrom([]uint64{0, 5, 1 << 63}).Draw(t, "message")),
				At:      rapid.Int64Range(1, maxTime).Draw(t, "at"),
			}
			if e.Kind == Complained {
				e.Did = someComplaint(t)
			}
			if e.Kind == Joined && e.Alias == 0 {
				e.Alias = 7
			}
			someWord(t, &e)
			rec.entries = append(rec.entries, e)
		}
		for range rapid.IntRange(0, 3).Draw(t, "reports") {
			rec.reports = append(rec.reports, report.Report{
				Subject: report.ParseSubject(numbers.Draw(t, "number")), Kind: report.Limit, At: rapid.Int64().Draw(t, "at"),
				Value: rapid.String().Draw(t, "value"), Reason: rapid.String().Draw(t, "reason"), Until: rapid.Int64().Draw(t, "until"),
			})
		}
		for range rapid.IntRange(0, 2).Draw(t, "windows") {
			rec.windows = append(rec.windows, configured{numbers.Draw(t, "number"), someWindows(t)})
		}
		var got record
		for range 2 { // nothing is left of what a record held before
			if err := got.decode(rec.encode(nil)); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(got.entries, rec.entries) || !slices.Equal(got.reports, rec.reports) || !slices.Equal(got.windows, rec.windows) {
			t.Fatalf("%+v is read as %+v", rec, got)
		}
	})
}

// What cannot be read is zero, and an error; after it nothing more is read, and the first error stays.
func TestNothingIsReadAfterAnError(t *testing.T) {
	sixteen := bytes.Repeat([]byte{1}, 16)
	for name, read := range map[string]func(*reader) bool{
		"bytes":   func(r *reader) bool { return r.bytes(1) == nil },
		"byte":    func(r *reader) bool { return r.byte() == 0 },
		"uint32":  func(r *reader) bool { return r.uint32() == 0 },
		"uint64":  func(r *reader) bool { return r.uint64() == 0 },
		"uvarint": func(r *reader) bool { return r.uvarint() == 0 },
		"varint":  func(r *reader) bool { return r.varint() == 0 },
		"string":  func(r *reader) bool { return r.string() == "" },
		"count":   func(r *reader) bool { return r.count(1) == 0 },
	} {
		if r := (&reader{}); !read(r) || !errors.Is(r.end(), errShort) {
			t.Errorf("%s of nothing gives %v", name, r.err)
		}
		r := &reader{rest: bytes.Clone(sixteen)}
		r.fail(errChecksum)
		if !read(r) || !errors.Is(r.end(), errChecksum) {
			t.Errorf("%s after an error gives %v", name, r.err)
		}
	}
	endless := bytes.Repeat([]byte{255}, 11)
	if r := (&reader{rest: endless}); r.uvarint() != 0 || !errors.Is(r.end(), errShort) {
		t.Errorf("a number that does not end gives %v", r.err)
	}
	if r := (&reader{rest: endless}); r.varint() != 0 || !errors.Is(r.end(), errShort) {
		t.Errorf("a difference that does not end gives %v", r.err)
	}
	for most, want := range map[byte]int{2: 2, 3: 0} { // items of 5 bytes in 14
		r := &reader{rest: append([]byte{most}, sixteen[:14]...)}
		if got := r.count(5); got != want || (r.err == nil) != (want > 0) {
			t.Errorf("of %d items %d follow, %v", most, got, r.err)
		}
	}
}

// Rows of the journal and of numbers that were written before there were complaints, reach and reports with an end are read,
// and written, as they were.
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
	want := record{
		entries: []Entry{
			{Number: number, Kind: Delivered, User: 1, Alias: 2, Message: 3, At: begin.Unix()},
			{Number: number, Kind: Received, User: 1, At: begin.Unix() + 5},
		},
		reports: []report.Report{{Subject: report.ParseSubject(number), Kind: report.Quality, At: begin.Unix(), Value: "Low", Reason: "blocks"}},
		windows: []configured{{number, Windows{Service: time.Hour, Conversation: 72 * time.Hour}}},
	}
	var rec record
	if err := rec.decode(journal); err != nil || !reflect.DeepEqual(rec, want) || !bytes.Equal(rec.encode(nil), journal) {
		t.Errorf("%+v, %v", rec, err)
	}
	saved := row("01e0f3b7ab0d901c80e90f010101075175616c69747980cabeae0d034c6f7706626c6f636b7302010001010102cc6e7e26")
	s := newScope(number)
	if err := s.decode(saved); err != nil || s.windows != newLengths(want.windows[0].windows) || len(s.complaints) > 0 || len(s.reports) != 1 || !bytes.Equal(s.encode(s.rows), saved) {
		t.Errorf("%+v, %v", s.windows, err)
	}
}

// sealed gives a fuzzed row a right checksum, so that what is behind it is reached too.
func sealed(body []byte) []byte { return seal(bytes.Clone(body)) }

func body(row []byte) []byte { return row[:len(row)-checksumSize] }

// fuzzedLedger is a ledger with a little of everything.
func fuzzedLedger(tb testing.TB) *Embedded {
	tb.Helper()
	l := OpenMemory()
	at := begin.Unix()
	_, err := l.Append(context.Background(), Batch{
		Entries: []Entry{
			{Number: number, Kind: Delivered, User: 1, Message: 1, At: at},
			{Number: number, Kind: Delivered, User: 1, Message: 2, At: at + 1},
			{Number: number, Kind: Received, User: 2, Alias: 3, At: at + 2},
			{Number: number, Kind: Received, User: 1, At: at - 2},
			{Number: number, Kind: Complained, Did: 0x11, User: 4, Message: 1, At: at},
			{Number: number, Kind: Complained, Did: 0x46, User: 2, Message: 2, At: at},
			{Number: number, Kind: Joined, User: 1, Alias: 5, At: at + 3},
			{Number: number, Kind: Joined, User: 6, Alias: 7, At: at + 4},
			{Number: number, Kind: Delivered, Reply: true, User: 8, Message: 1, At: at},
			{Number: number, Kind: Replied, User: 8, Message: 2, At: at + 1},
			{Number: number, Kind: Delivered, User: 9, Message: 1, Chat: 5, At: at},
			{Number: number, Kind: Received, User: 9, Chat: 5, At: at - 1},
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
	rec := record{
		entries: []Entry{
			{Number: number, Kind: Delivered, User: 1, Alias: 2, Message: 3, At: begin.Unix()},
			{Number: number, Kind: Complained, Did: 0x23, User: 1, Message: 3, At: begin.Unix()},
			{Number: number, Kind: Joined, User: 1, Alias: 4, At: begin.Unix()},
			{Number: number, Kind: Delivered, Reply: true, User: 1, Message: 5, Chat: 6, At: begin.Unix()},
			{Number: number, Kind: Replied, User: 1, Message: 5, At: begin.Unix()},
		},
		reports: []report.Report{
			{Subject: report.ParseSubject(number), Kind: report.Quality, At: begin.Unix(), Value: "Low"},
			{Subject: report.AccountSubject("2001"), Kind: report.Restriction, At: begin.Unix(), Value: "X", Until: begin.Unix() + 9},
		},
		windows: []configured{{number, Windows{Service: time.Hour, Reach: true}}},
	}
	f.Add(body(rec.encode(nil)))
	f.Add(body((&record{links: []link{{displayed, brazilian}, {report.NumberIDSubject(brazilianID).String(), brazilian}}}).encode(nil)))
	f.Add([]byte{codecVersion, 0, 0, 0, 0})
	f.Add([]byte{codecVersion, 255, 255, 255, 255, 15})
	f.Add([]byte{codecVersion, 0, 255, 255, 255, 255, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{codecVersion, 1, 1, '+', 0, 1, 0, 3, 0, 0, 'X', 0, 0, 0, 0, 0}) // a report that ends at no time
	f.Fuzz(func(t *testing.T, row []byte) {
		var rec, again record
		_ = rec.decode(row)
		if rec.decode(sealed(row)) != nil {
			return
		}
		if err := again.decode(rec.encode(nil)); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		l := newEmbedded(Options{})
		l.apply(&rec)
	})
}

// No row of a part does more than fail to be read, and what is read can be counted, swept and saved.
func FuzzDecodePart(f *testing.F) {
	l := fuzzedLedger(f)
	f.Add(uint8(0), uint64(0), body(l.scope(number).parts[0].encode()))
	old, err := hex.DecodeString(version1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(0), uint64(0), body(old))
	f.Add(uint8(1), uint64(1), body(newPart(1, 1, begin.Unix(), nil).encode()))
	f.Add(uint8(3), uint64(1), []byte{codecVersion, 0, 3})
	f.Fuzz(func(t *testing.T, depth uint8, prefix uint64, row []byte) {
		_, _ = decodePart(depth%keyBits, key(prefix), row)
		p, err := decodePart(0, 0, sealed(row))
		if err != nil {
			return
		}
		if _, err := decodePart(0, 0, p.encode()); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		s := newScope(number)
		s.horizon, s.parts = p.horizon, []*part{p}
		if p.base() < 0 || p.base() > maxTime-1<<timeBits {
			return // no clock gives such a horizon
		}
		s.recount()
		s.sweepAll(p.horizon + day)
		s.recount()
	})
}

// No row of a number does more than fail to be read.
func FuzzDecodeNumber(f *testing.F) {
	l := fuzzedLedger(f)
	f.Add(body(l.scope(number).encode([]rowName{{0, 0, 1}})))
	f.Add(body(l.scope(number).encode([]rowName{{1, 0, 1}, {2, 2, 7}, {2, 3, 1}})))
	f.Add(body(l.scope(number).encode(nil)))
	f.Fuzz(func(t *testing.T, row []byte) {
		_ = newScope(number).decode(row)
		s := newScope(number)
		if s.decode(sealed(row)) != nil {
			return
		}
		if err := newScope(number).decode(s.encode(s.rows)); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		_, _, _ = decodePosition(sealed(row))
	})
}
