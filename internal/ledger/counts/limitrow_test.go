package counts

import (
	"encoding/hex"
	"slices"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// heldLimit is a machine with a limit of which everything is known that a row can hold.
func heldLimit() *applier {
	m := newApplier()
	at := begin.Unix()
	for _, r := range []*Record{
		{Settings: gateSettings},
		{Settings: Settings{Limits: []LimitSetting{{
			Subject: number, Limit: 5, Measure: v1alpha1.MeasureUniqueUsers, Window: time.Hour, Budgets: []BudgetSetting{{Name: "all"}},
		}}, Senders: []SenderSetting{{Number: number, Namespace: "shop"}}}},
		{Batch: Batch{Entries: []Entry{{Number: number, Kind: Delivered, User: 1, Message: 1, At: at}}}},
		{Operations: []Operation{
			{Kind: Reserve, ID: ReservationID{1}, Number: number, User: 1, TTL: 600, Key: 1},
			{Kind: Reserve, ID: ReservationID{2}, Number: number, User: 2, TTL: 600},
			{Kind: Reserve, ID: ReservationID{3}, Number: number, User: 2, TTL: 600},
			{Kind: Reserve, ID: ReservationID{4}, Number: number, User: 3, TTL: 600},
			{Kind: Confirm, ID: ReservationID{2}, Message: 7},
			{Kind: Release, ID: ReservationID{4}},
		}},
		{Batch: Batch{Entries: []Entry{{Number: number, Kind: Failed, User: 2, Message: 9, At: at}}}},
	} {
		r.Clock = begin.UnixMilli()
		m.apply(r)
	}
	return m
}

// limitRow is the row of the limit.
func limitRow(tb testing.TB, m *applier) []byte {
	tb.Helper()
	for _, row := range m.snapshot(true) {
		if slices.Equal(row.Key, limitKey(number)) {
			return row.Value
		}
	}
	tb.Fatal("there is no row of the limit")
	return nil
}

// withLimit is a machine whose limit is read from a row.
func withLimit(row []byte) (*applier, error) {
	m := newApplier()
	m.apply(&Record{Clock: begin.UnixMilli(), Settings: Settings{Senders: []SenderSetting{{Number: number, Namespace: "shop"}}}})
	return m, m.restoreLimit(number, row)
}

// The row of a limit is read as it was written.
func TestLimitsAreReadAsWritten(t *testing.T) {
	want := heldLimit()
	row := limitRow(t, want)
	got, err := withLimit(row)
	if err != nil {
		t.Fatal(err)
	}
	if again := limitRow(t, got); !slices.Equal(again, row) {
		t.Errorf("it is written as %x, and was %x", again, row)
	}
	for _, m := range []*applier{want, got} {
		if held, holds := m.Reserved(number, begin), m.Holds(number, begin); held != 1 || holds.Open != 3 {
			t.Errorf("%d are held by %d reservations", held, holds.Open)
		}
	}
}

// oldLimitRow is the row of heldLimit in version 2, without its checksum. In version 1 it differs by the number of the version.
const oldLimitRow = "02010c2b31353535303130303030310005901c0103616c6c00000000029aa886c4cadf3a0c2b3135353530313030303031000001431324128ba6c39fafabb4010c2b3135" +
	"3535303130303030310090c19fd706000491010000000000000000000000000000000c2b31353535303130303030318ba6c39fafabb4018ba6c39fafabb401010e416c72" +
	"65616479436f756e7465640000000080a59fd706d8a99fd706d8cca4d706c2020000000000000000000000000000000c2b31353535303130303030319aa886c4cadf3a9a" +
	"a886c4cadf3a0008526573657276656439e5800e80a59fd706d8a99fd70680c8a4d70680030000000000000000000000000000000c2b31353535303130303030319aa886" +
	"c4cadf3a9aa886c4cadf3a000b416c726561647948656c640000000080a59fd706d8a99fd706d8cca4d70603040000000000000000000000000000000c2b313535353031" +
	"3030303031e3cfd0b8e0a80b000852657365727665640000000080a59fd706d8a99fd706d8a99fd706"

// A row of before times of reservations had milliseconds is read, and so is one of before messages were let through unreserved: it lets none
// through.
func TestRowsOfEarlierLimitsAreRead(t *testing.T) {
	want := limitRow(t, heldLimit())
	for version := byte(1); version < limitVersion; version++ {
		old, err := hex.DecodeString(oldLimitRow)
		if err != nil {
			t.Fatal(err)
		}
		old[0] = version
		got, err := withLimit(sealed(old))
		if err != nil {
			t.Fatal(err)
		}
		if set := got.Settings().Limits[0]; set.AllowUnreserved || set.Budgets[0].AllowUnreserved {
			t.Errorf("version %d is read as %+v", version, set)
		}
		if again := limitRow(t, got); !slices.Equal(again, want) {
			t.Errorf("version %d is written as %x", version, again)
		}
	}
}

// No row of a limit does more than fail to be read, and what is read can be decided by, ended and saved.
func FuzzDecodeLimit(f *testing.F) {
	f.Add(body(limitRow(f, heldLimit())))
	f.Add([]byte{limitVersion, 0, 0, 0})
	f.Fuzz(func(t *testing.T, row []byte) {
		_, _ = withLimit(row)
		m, err := withLimit(sealed(row))
		if err != nil {
			return
		}
		if _, err := withLimit(limitRow(t, m)); err != nil {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		m.apply(&Record{Clock: begin.UnixMilli(), Operations: []Operation{
			{Kind: Reserve, ID: ReservationID{1}, Number: number, User: 1}, {Kind: Confirm, ID: ReservationID{2}, Message: 1}, {Kind: Release, ID: ReservationID{3}},
		}})
		m.apply(&Record{Clock: begin.UnixMilli(), Batch: Batch{Entries: []Entry{{Number: number, Kind: Delivered, User: 1, Message: 1, At: begin.Unix()}}}})
		m.apply(&Record{Clock: begin.AddDate(1, 0, 0).UnixMilli()})
		if held := m.Reserved(number, begin); held < 0 {
			t.Fatalf("%d are held", held)
		}
	})
}
