package counts

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"numberfleet.dev/numberfleet/internal/report"
)

// The number's own row is read as it was written, however many users complained and were joined.
func TestNumbersAreReadAsWritten(t *testing.T) {
	at := uint32(begin.Unix())
	for complaining := range 4 {
		for joined := range 4 {
			s := newNumberState(number, 0)
			s.horizon, s.sequence, s.windows = int64(at)-day, 1000, windowLengths{service: 5, conversation: 3 * day, countReached: true}
			s.reports = []report.Report{{Subject: report.ParseSubject(number), Sequence: 7, Kind: report.Limit, At: int64(at), Value: "Unlimited", Until: int64(at) + 9}, {Subject: report.ParseSubject(number), Sequence: 1000, Kind: report.Quality, At: int64(at)}}
			s.complaints, s.linked = map[key][]delivery{}, map[key]uint32{}
			for i := range complaining {
				user := key(i+1) << (keyBits - 3)
				for n := range uint32(i + 1) {
					s.complaints[user] = append(s.complaints[user], delivery{at: at + n, fingerprint: Complaint(0x11).fingerprint(MessageKey(n))})
				}
			}
			for i := range joined {
				s.linked[key(i+1)] = at + uint32(i)
			}
			s.users.shards, s.users.depth = partsOf([2]uint64{2, 0}, [2]uint64{2, 1}, [2]uint64{1, 1})
			got := newNumberState(number, 0)
			if err := got.decode(s.encode()); err != nil {
				t.Errorf("with %d users who complained and %d joined: %v", complaining, joined, err)
			}
			if got.horizon != s.horizon || got.sequence != s.sequence || got.windows != s.windows || !slices.Equal(got.reports, s.reports) ||
				len(got.users.all()) != 3 || got.users.depth != 2 || !maps.Equal(got.linked, s.linked) || !maps.EqualFunc(got.complaints, s.complaints, slices.Equal) {
				t.Errorf("with %d users who complained and %d joined %+v is read, not %+v", complaining, joined, got, s)
			}
		}
	}
}

// A shard's row is read as it was written, whatever its slots hold and however deep it is, and what is read is not to be saved.
func TestPartsAreReadAsWritten(t *testing.T) {
	at := uint32(begin.Unix())
	for depth := range uint8(4) {
		prefix := key(1)<<depth - 1
		p := newShard(depth, prefix, int64(at)-day, nil)
		var h [4]history
		for i := range uint32(9) {
			h[i%2].deliveries = append(h[i%2].deliveries, delivery{at: at + i, fingerprint: i})
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
		got, err := decodedPart(depth, prefix, row)
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

// What was removed, and made and removed again, is said to be gone once, before the rows that it has now.
func TestWhatIsGoneIsSaidOnce(t *testing.T) {
	l := newApplier()
	for i := range 5 {
		numbers := []string{"+1"}
		if i%2 == 1 {
			numbers = nil
		}
		if err := l.Group("p", numbers); err != nil {
			t.Fatal(err)
		}
	}
	var said []string
	c := l.Capture(false)
	for row := range c.Rows() {
		if row.Key[0] == portfolioRows {
			said = append(said, fmt.Sprint(len(row.Key), row.Value == nil))
		}
	}
	c.End(true)
	own := len(portfolioKey(PortfolioKey("p")))
	if want := []string{fmt.Sprint(own, true), fmt.Sprint(own, false), fmt.Sprint(own+8, false)}; !slices.Equal(said, want) {
		t.Errorf("it says %v, not %v", said, want)
	}
}
