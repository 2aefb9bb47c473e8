package counts

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"numberfleet.dev/numberfleet/internal/report"
)

// someRecord is anything that a record can say.
func someRecord(t *rapid.T, now time.Time) *Record {
	numbers := rapid.SampledFrom([]string{"+551187654321", "+5511987654321", "+15550100003", report.NumberIDSubject("7").String(), report.NumberIDSubject("8").String()})
	r := &Record{Clock: now.UnixMilli()}
	for range rapid.IntRange(0, 6).Draw(t, "entries") {
		e := Entry{
			Number: numbers.Draw(t, "number"), Kind: rapid.SampledFrom([]Kind{Delivered, Delivered, Received, Complained, AliasLinked, Replied}).Draw(t, "kind"),
			User: UserKey(rapid.Uint64Range(1, 9).Draw(t, "user")), At: someTime(t, now.Add(-Kept-Lateness-day*time.Second).Unix(), now.Unix()),
		}
		if rapid.IntRange(0, 3).Draw(t, "alias") == 0 || e.Kind == AliasLinked {
			e.Alias = UserKey(rapid.Uint64Range(1, 9).Draw(t, "of"))
		}
		if e.Kind != Received && e.Kind != AliasLinked {
			e.Message = MessageKey(rapid.Uint64Range(1, 30).Draw(t, "message"))
		}
		if someWord(t, &e); e.Kind == Complained {
			e.Complaint = someComplaint(t)
		}
		r.Entries = append(r.Entries, e)
	}
	switch rapid.IntRange(0, 5).Draw(t, "control") {
	case 0:
		r.Reports = []report.Report{{Subject: report.ParseSubject(numbers.Draw(t, "about")), Kind: report.Quality, At: now.Unix(), Value: rapid.SampledFrom([]string{"High", "Low"}).Draw(t, "value")}}
	case 1:
		r.Windows = []NumberWindows{{numbers.Draw(t, "number"), someWindows(t)}}
	case 2:
		some := rapid.SliceOfDistinct(numbers, func(n string) string { return n }).Draw(t, "numbers")
		r.Portfolios = []Portfolio{{rapid.SampledFrom([]string{"one", "two"}).Draw(t, "portfolio"), some}}
	case 3:
		r.Claims = []Claim{{rapid.SampledFrom([]string{"7", "8"}).Draw(t, "id"), rapid.SampledFrom([]string{"+5511987654321", "+15550100003"}).Draw(t, "number")}}
	case 4:
		r.Displays = []Display{{rapid.SampledFrom([]string{"7", "8"}).Draw(t, "id"), "+551187654321"}}
	}
	return r
}

func snapshotOf(m *Machine) string {
	c := m.Capture(true)
	defer c.End(false)
	var b bytes.Buffer
	for row := range c.Rows() {
		fmt.Fprintf(&b, "%q %x\n", row.Key, row.Value)
	}
	return b.String()
}

// Machines to which the same records are applied have the same snapshots, byte by byte, after each of them; so has one that was restored
// from a snapshot on the way.
func TestASnapshotFollowsFromTheRecordsAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := begin
		one, two, restored := NewMachine(), NewMachine(), NewMachine()
		for position := range rapid.Uint64Range(1, 60).Draw(t, "records") {
			position++
			now = now.Add(rapid.SampledFrom([]time.Duration{0, time.Second, -time.Hour, 5 * time.Hour, 30 * time.Hour, 20 * 24 * time.Hour, 70 * 24 * time.Hour}).Draw(t, "on"))
			r := someRecord(t, now)
			var again Record
			if err := again.ReadRow(r.AppendRow(nil)); err != nil {
				t.Fatal(err)
			}
			firstOutcome, firstAbout := one.Apply(position, r)
			outcome, about := two.Apply(position, &again)
			if outcome != firstOutcome || !slices.Equal(about, firstAbout) {
				t.Fatalf("of record %d became %v about %q, and %v about %q", position, firstOutcome, firstAbout, outcome, about)
			}
			restored.Apply(position, r)
			want := snapshotOf(one)
			if got := snapshotOf(two); got != want {
				t.Fatalf("after record %d the snapshots are\n%sand\n%s", position, want, got)
			}
			if got := snapshotOf(restored); got != want {
				t.Fatalf("after record %d the snapshots are\n%sand, of a machine that was restored,\n%s", position, want, got)
			}
			if rapid.IntRange(0, 5).Draw(t, "restore") == 0 {
				restored = restored.restored(t)
			}
		}
	})
}
