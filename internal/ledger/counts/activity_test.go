package counts

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// When a number was heard of is that of the definition, in whatever order it was told.
func TestTheDaysOnWhichANumberWasHeardOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) uint32 {
			return uint32(begin.Unix()) + rapid.Uint32Range(0, 16).Draw(t, "day")*day + rapid.Uint32Range(0, 3).Draw(t, "hour")*3600 + rapid.Uint32Range(0, 3599).Draw(t, "second")
		}), 1, 40).Draw(t, "times")
		var h, other activity // of two names of one number
		hours, last := map[uint32]bool{}, uint32(0)
		for i, at := range times {
			if i%2 == 0 {
				h.add(at)
			} else {
				other.add(at)
			}
			hours[at/3600] = true
			last = max(last, at)
		}
		h.join(&other)
		days := 0
		for ; days < 10; days++ {
			heard := false
			for hour := range uint32(24) {
				heard = heard || hours[last/3600-uint32(days)*24-hour]
			}
			if !heard {
				break
			}
		}
		if h.last != last || h.days() != days {
			t.Fatalf("heard at %d on %d days, want %d and %d, of %v", h.last, h.days(), last, days, times)
		}
	})
}

// It is known after a start as it was before, from the snapshot and from the journal.
func TestWhenANumberWasHeardOfSurvivesAStart(t *testing.T) {
	for name, snapshot := range map[string]bool{"from the journal": false, "from a snapshot": true} {
		t.Run(name, func(t *testing.T) {
			fs := newDisk()
			e := openTest(t, fs)
			var entries []Entry
			for n := range 9 {
				at := begin.Add(time.Duration(n) * 24 * time.Hour).Unix()
				kind, message := Delivered, MessageKey(n+1)
				if n%2 == 1 {
					kind, message = Received, 0
				}
				entries = append(entries, Entry{Number: number, Kind: kind, User: UserKey(n%3 + 1), Message: message, At: at})
			}
			now := begin.Add(9 * 24 * time.Hour)
			if _, err := e.Append(context.Background(), Batch{Entries: entries}, now); err != nil {
				t.Fatal(err)
			}
			if snapshot {
				if err := e.Snapshot(context.Background(), now); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			e = openTest(t, fs)
			defer func() { _ = e.Close() }()
			if last, days := e.Activity(number); !last.Equal(begin.Add(8*24*time.Hour)) || days != 9 {
				t.Errorf("heard at %s on %d days", last, days)
			}
			if n := e.Deliveries(number, begin.Add(-time.Second), begin.Add(4*24*time.Hour)); n != 3 {
				t.Errorf("%d deliveries", n)
			}
			if last, days := e.Activity("+15550100002"); !last.IsZero() || days != 0 {
				t.Errorf("of a number that is not known: heard at %s on %d days", last, days)
			}
		})
	}
}
