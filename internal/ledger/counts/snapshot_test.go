package counts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"numberfleet.dev/numberfleet/internal/report"
)

// A snapshot that fails at any step leaves all as it was. The next writes what that one would have, and no more, and nothing that no
// number names is left.
func TestTheSnapshotAfterOneThatFailed(t *testing.T) {
	wanted := errors.New("as the test wants")
	for _, fails := range []string{"row 1", "row 2", "commit 1"} {
		t.Run(fails, func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			l := openTest(t, fs)
			give := func(b Batch) {
				t.Helper()
				if _, err := l.Append(context.Background(), b, begin); err != nil {
					t.Fatal(err)
				}
			}
			entry := func(number string, user UserKey, message MessageKey) Batch {
				return Batch{Entries: []Entry{{Number: number, Kind: Delivered, User: user, Message: message, At: begin.Unix()}}}
			}
			steps := map[string]int{}
			snapshot := func(fails string, rows int) error {
				steps = map[string]int{}
				l.failing = func(step string) error {
					if steps[step]++; fmt.Sprint(step, " ", steps[step]) == fails {
						return wanted
					}
					return nil
				}
				err := l.Snapshot(context.Background(), begin)
				if err == nil && steps["row"] != rows {
					t.Errorf("it has written %d parts, not %d", steps["row"], rows)
				}
				for _, s := range l.all() {
					for _, p := range s.all() {
						if s.saving != nil || p.pending || p.dirty && err == nil {
							t.Errorf("part %s of %s is still to be saved", p.name(), s.number)
						}
					}
				}
				return err
			}
			state := func(journaled int64, rows ...[]rowName) {
				t.Helper()
				if n := l.journaled.Load(); n != journaled {
					t.Errorf("the journal has %d bytes, not %d", n, journaled)
				}
				var got [][]rowName
				for _, s := range l.all() {
					got = append(got, s.rows)
				}
				if !slices.EqualFunc(got, rows, slices.Equal) {
					t.Errorf("the numbers have rows %v, not %v", got, rows)
				}
				want := describe(l)
				lost := openTest(t, fs.CrashClone(vfs.CrashCloneCfg{}))
				if got := describe(lost); got != want {
					t.Errorf("on disk is\n%sand in memory\n%s", got, want)
				}
				if stored, named := partRows(t, lost); stored != named {
					t.Errorf("%d parts are stored, of which %d are named", stored, named)
				}
				if err := lost.Close(); err != nil {
					t.Fatal(err)
				}
			}
			first, second := unscatter(1<<62), unscatter(3<<62) // in two parts
			give(entry("+1", first, 1))
			give(entry("+1", second, 1))
			give(entry("+2", first, 1))
			l.scope("+1").split(l.scope("+1").parts[0])
			if err := errors.Join(snapshot("", 3), snapshot("", 0)); err != nil {
				t.Fatal(err)
			}
			state(0, []rowName{{1, 0, 1}, {1, 1, 1}}, []rowName{{0, 0, 1}})

			give(entry("+1", second, 2))
			give(entry("+3", first, 1))
			give(Batch{Reports: []report.Report{{Subject: report.ParseSubject("+2"), Kind: report.Limit, At: begin.Unix()}}})
			journaled := l.journaled.Load()
			if err := snapshot(fails, 0); !errors.Is(err, wanted) || journaled == 0 {
				t.Fatalf("it does not fail: %v, of %d bytes of journal", err, journaled)
			}
			state(journaled, []rowName{{1, 0, 1}, {1, 1, 1}}, []rowName{{0, 0, 1}}, nil)
			if err := snapshot("", 2); err != nil {
				t.Fatal(err)
			}
			state(0, []rowName{{1, 0, 1}, {1, 1, 4}}, []rowName{{0, 0, 1}}, []rowName{{0, 0, 4}})
			if stored, named := partRows(t, l); stored != 4 || named != 4 || len(l.orphans) > 0 {
				t.Errorf("%d parts are stored, of which %d are named, and %d are to be removed", stored, named, len(l.orphans))
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = openTest(t, fs)
			if n := len(l.Reports(report.ParseSubject("+2"), 0)); n != 1 || snapshot("", 0) != nil {
				t.Errorf("there are %d reports", n)
			}
			state(0, []rowName{{1, 0, 1}, {1, 1, 4}}, []rowName{{0, 0, 1}}, []rowName{{0, 0, 4}})
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A snapshot of a ledger in memory sweeps, and no more is to do; one of a ledger on disk sweeps too.
func TestWhatIsOverIsNotInASnapshot(t *testing.T) {
	for name, l := range map[string]*Embedded{"in memory": OpenMemory(), "on disk": openTest(t, vfs.NewMem())} {
		one := Batch{Entries: []Entry{{Number: number, Kind: Delivered, User: 1, Message: 1, At: begin.Unix()}}}
		if _, err := l.Append(context.Background(), one, begin); err != nil {
			t.Fatal(err)
		}
		if err := l.Snapshot(context.Background(), begin); err != nil || !l.Known(number) {
			t.Errorf("%s: what is not too old is forgotten, %v", name, err)
		}
		if err := l.Snapshot(context.Background(), begin.Add(Kept+Lateness+48*time.Hour)); err != nil || l.Known(number) {
			t.Errorf("%s: what is too old is known, %v", name, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.Snapshot(context.Background(), begin); name == "on disk" && !errors.Is(err, ErrClosed) {
			t.Errorf("of a closed ledger a snapshot is taken: %v", err)
		}
	}
}

// The number's own row is read as it was written, however many users complained and were joined.
func TestNumbersAreReadAsWritten(t *testing.T) {
	at := uint32(begin.Unix())
	for complaining := range 4 {
		for joined := range 4 {
			s := newScope(number)
			s.horizon, s.sequence, s.windows = int64(at)-day, 1000, lengths{service: 5, conversation: 3 * day, reach: true}
			s.reports = []report.Report{{Subject: report.ParseSubject(number), Sequence: 7, Kind: report.Limit, At: int64(at), Value: "Unlimited", Until: int64(at) + 9}, {Subject: report.ParseSubject(number), Sequence: 1000, Kind: report.Quality, At: int64(at)}}
			s.complaints, s.joined = map[key][]delivery{}, map[key]uint32{}
			for i := range complaining {
				user := key(i+1) << (keyBits - 3)
				for n := range uint32(i + 1) {
					s.complaints[user] = append(s.complaints[user], delivery{at: at + n, print: Complaint(0x11).print(MessageKey(n))})
				}
			}
			for i := range joined {
				s.joined[key(i+1)] = at + uint32(i)
			}
			rows := []rowName{{2, 0, 7}, {2, 1, 300}, {1, 1, 1 << 40}}
			got := newScope(number)
			if err := got.decode(s.encode(rows)); err != nil {
				t.Errorf("with %d users who complained and %d joined: %v", complaining, joined, err)
			}
			if got.horizon != s.horizon || got.sequence != s.sequence || got.windows != s.windows || !slices.Equal(got.reports, s.reports) ||
				!slices.Equal(got.rows, rows) || got.depth != 2 || !maps.Equal(got.joined, s.joined) || !maps.EqualFunc(got.complaints, s.complaints, slices.Equal) {
				t.Errorf("with %d users who complained and %d joined %+v is read, not %+v", complaining, joined, got, s)
			}
		}
	}
}

// A part's row is read as it was written, whatever its slots hold and however deep it is, and what is read is not to be saved.
func TestPartsAreReadAsWritten(t *testing.T) {
	at := uint32(begin.Unix())
	for depth := range uint8(4) {
		prefix := key(1)<<depth - 1
		p := newPart(depth, prefix, int64(at)-day, nil)
		var h [4]history
		for i := range uint32(9) {
			h[i%2].deliveries = append(h[i%2].deliveries, delivery{at: at + i, print: i})
			h[2].inbounds = append(h[2].inbounds, at+i)
		}
		h[1].inbounds, h[3].deliveries = h[2].inbounds[:3], h[1].deliveries[:1]
		for i := range key(20) {
			k := (prefix<<5|i)<<(keyBits-5-depth) | 1
			is := aliasSlot(k.rank(), k-1)
			if i%5 < 4 {
				is = p.store(newSlot(k.rank(), 0), &h[i%5], 0, 0)
			}
			if p.full() {
				p.grow()
			}
			if j, found := p.find(k.rank()); found || !p.insert(j, is) {
				t.Fatalf("user %d has no room", i)
			}
		}
		row := p.encode()
		got, err := decodePart(depth, prefix, row)
		if err != nil {
			t.Fatal(err)
		}
		roomTest(t, got)
		if got.depth != depth || got.prefix != prefix || got.horizon != p.horizon || got.used != p.used || got.dirty || got.garbage != 0 || !bytes.Equal(got.encode(), row) {
			t.Errorf("part %s of %d users is read as %s of %d", p.name(), p.used, got.name(), got.used)
		}
		for _, is := range p.slots {
			var is1, want history
			if i, found := got.find(is.rank()); is.empty() == found {
				t.Errorf("user %x is found: %t", is.rank(), found)
			} else if found {
				got.load(got.slots[i], &is1)
				p.load(is, &want)
				if !slices.Equal(is1.deliveries, want.deliveries) || !slices.Equal(is1.inbounds, want.inbounds) || is.isAlias() && got.slots[i] != is {
					t.Errorf("of user %x %v is read, not %v", is.rank(), is1, want)
				}
			}
		}
	}
}
