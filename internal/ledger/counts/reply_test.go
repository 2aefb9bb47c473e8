package counts

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// countsOf is what a ledger counts in the day before begin: users, conversations, messages and users reached.
func countsOf(l *applier, subject string) [4]int64 {
	var counts [4]int64
	for i, measure := range []v1alpha1.Measure{Users, Conversations, Messages, Reached} {
		counts[i] = l.Count(subject, measure, begin.Add(-24*time.Hour), begin)
	}
	return counts
}

// permutations calls with every order of the entries.
func permutations(entries []Entry, call func([]Entry)) {
	var permute func(int)
	permute = func(n int) {
		if n == len(entries) {
			call(slices.Clone(entries))
			return
		}
		for i := n; i < len(entries); i++ {
			entries[n], entries[i] = entries[i], entries[n]
			permute(n + 1)
			entries[n], entries[i] = entries[i], entries[n]
		}
	}
	permute(0)
}

// expectInAnyOrder gives entries to a ledger in every order, each in a batch of its own and all but the first twice. In one order, and
// the reverse of it, a ledger on disk is started anew after each, with a snapshot before every other start.
func expectInAnyOrder(t *testing.T, entries []Entry, want map[string][4]int64) {
	t.Helper()
	for i := range entries {
		if entries[i].Number == "" {
			entries[i].Number = number
		}
		if entries[i].User == 0 {
			entries[i].User = 1
		}
	}
	give := func(kept bool, open func() *applier, entries []Entry) {
		l := open()
		group := func() {
			if err := l.Group("g", []string{number, someoneElses}); err != nil {
				t.Fatal(err)
			}
		}
		windows := DefaultWindows
		windows.CountReached = true
		for _, number := range []string{number, someoneElses} {
			if err := l.Configure(number, windows); err != nil {
				t.Fatal(err)
			}
		}
		group()
		for n, e := range append(entries, entries[1:]...) {
			if _, err := l.Append(context.Background(), Batch{Entries: []Entry{e}}, begin); err != nil {
				t.Fatal(err)
			}
			if !kept {
				continue
			}
			if n%2 == 0 {
				if err := l.Snapshot(context.Background(), begin); err != nil {
					t.Fatal(err)
				}
			}
			l = open()
			group()
		}
		for subject, want := range want {
			if got := countsOf(l, subject); got != want {
				t.Errorf("of %s %v are counted, not %v, after %v", subject, got, want, entries)
			}
		}
	}
	reversed := slices.Clone(entries)
	slices.Reverse(reversed)
	for _, entries := range [][]Entry{slices.Clone(entries), reversed} {
		fs := newDisk()
		give(true, func() *applier { return openTest(t, fs) }, entries)
	}
	permutations(entries, func(entries []Entry) { give(false, newApplier, entries) })
}

// A message that Meta calls a reply does not count, whichever of its statuses says so, in any order, and however the windows were
// opened. It reached its user all the same.
func TestAReplyDoesNotCount(t *testing.T) {
	at := begin.Add(-time.Hour).Unix()
	delivered := func(message MessageKey, at int64, reply bool) Entry {
		return Entry{Kind: Delivered, Message: message, Reply: reply, At: at}
	}
	replied := func(message MessageKey, at int64) Entry { return Entry{Kind: Replied, Message: message, At: at} }
	for name, test := range map[string]struct {
		entries []Entry
		want    [4]int64
	}{
		"delivered says it":                {[]Entry{delivered(1, at, true)}, [4]int64{0, 0, 0, 1}},
		"read says it":                     {[]Entry{delivered(1, at, false), delivered(1, at+60, true)}, [4]int64{0, 0, 0, 1}},
		"delivered says it, read does not": {[]Entry{delivered(1, at, true), delivered(1, at+60, false)}, [4]int64{0, 0, 0, 1}},
		"sent says it":                     {[]Entry{replied(1, at-1), delivered(1, at, false)}, [4]int64{0, 0, 0, 1}},
		"sent says it, and read":           {[]Entry{replied(1, at-1), delivered(1, at, false), delivered(1, at+60, true)}, [4]int64{0, 0, 0, 1}},
		"sent says it, of no delivery":     {[]Entry{replied(1, at), replied(1, at+1)}, [4]int64{}},
		"said of another message":          {[]Entry{replied(1, at), delivered(2, at+1, false)}, [4]int64{1, 1, 1, 1}},
		"said to another user":             {[]Entry{{Kind: Replied, User: 2, Message: 1, At: at}, delivered(1, at+1, false)}, [4]int64{1, 1, 1, 1}},
		"between others":                   {[]Entry{delivered(1, at, false), delivered(2, at+1, true), delivered(3, at+2, false)}, [4]int64{1, 1, 2, 1}},
		"before the first that counts":     {[]Entry{replied(1, at-1), delivered(1, at, false), delivered(2, at+2, false)}, [4]int64{1, 1, 1, 1}},
		"said under another key":           {[]Entry{{Kind: Replied, User: 2, Message: 1, At: at}, delivered(1, at, false), {Kind: AliasLinked, Alias: 2, At: at}}, [4]int64{0, 0, 0, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			expectInAnyOrder(t, test.entries, map[string][4]int64{number: test.want, PortfolioKey("g"): test.want})
		})
	}
}

// What two reports of a message make together is the same in any order, and of the same report nothing more.
func TestWhatIsKnownOfAMessage(t *testing.T) {
	some := rapid.Custom(func(t *rapid.T) delivery {
		d := delivery{at: rapid.Uint32Range(1, 3).Draw(t, "at"), reply: rapid.Bool().Draw(t, "reply"), chat: ChatKey(rapid.Uint64Range(0, 2).Draw(t, "chat"))}
		d.awaited = d.reply && rapid.Bool().Draw(t, "awaited")
		return d
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := some.Draw(t, "a"), some.Draw(t, "b"), some.Draw(t, "c")
		if a.with(a) != a || a.with(b) != b.with(a) || a.with(b).with(c) != a.with(b.with(c)) || a.with(b).with(b) != a.with(b) {
			t.Fatalf("%v, %v and %v are not one in every order", a, b, c)
		}
	})
}

// version1 is the row of a shard as it was written before replies were known: users 1 to 5 with little and much history, and user 7, who
// is user 6.
const version1 = "01e0f3b7ab0d0600c02459c29e0415088001000000000000401a1b1ddf275804000000000000000000157c4a7fb979040000000000000000c00fdd771f4b9b0e4a9f0100000000888a0a3ea5bfdcbc0b4a9f03" +
	"a5cfbf3a3f6f059fd25f6ede01000000a5cf56b4000286d2e76a87d2e76a020184d2e76a7160d40285d2e76a1a01e41181d2e76a3471a70c"

// A shard's row of the version before replies were known is read as it was, without any; what is redelivered then is known.
func TestPartsOfVersion1(t *testing.T) {
	row, err := hex.DecodeString(version1)
	if err != nil {
		t.Fatal(err)
	}
	p, err := decodedPart(0, 0, row)
	if err != nil {
		t.Fatal(err)
	}
	at := uint32(begin.Unix())
	message := func(message MessageKey, at uint32) delivery {
		return delivery{at: at, fingerprint: newFingerprint(message)}
	}
	want := map[key]history{
		1: {deliveries: []delivery{message(1, at)}},
		2: {deliveries: []delivery{message(2, at+1)}, inbounds: []uint32{at + 2}},
		3: {inbounds: []uint32{at + 3}},
		4: {deliveries: []delivery{message(3, at+4), message(4, at+5)}, inbounds: []uint32{at + 1}},
		5: {inbounds: []uint32{at + 6, at + 7}},
	}
	if p.used != len(want)+1 {
		t.Errorf("%d users are read", p.used)
	}
	check := func(p *shard) {
		t.Helper()
		for user, want := range want {
			var got history
			i, found := p.find(user.rank())
			if found {
				p.load(p.slots[i], &got)
			}
			if !slices.Equal(got.deliveries, want.deliveries) || !slices.Equal(got.inbounds, want.inbounds) {
				t.Errorf("of user %d %v is read, not %v", user, got, want)
			}
		}
		if i, found := p.find(key(7).rank()); !found || !p.slots[i].isAlias() || p.slots[i].alias() != 6 {
			t.Error("user 7 is not user 6")
		}
	}
	check(p)
	now := p.encode()
	if now[0] != shardVersion {
		t.Errorf("it is written as version %d", now[0])
	}
	again, err := decodedPart(0, 0, now)
	if err != nil || !bytes.Equal(again.encode(), now) {
		t.Fatalf("what was read cannot be read again: %v", err)
	}
	check(again)

	s := newNumberState(number, 0)
	s.horizon, s.users.shards = p.horizon, []*shard{p}
	s.recount()
	if n := count(s, Messages, 0, maxTime); n != 2 {
		t.Errorf("%d messages are counted", n)
	}
	for user, h := range want {
		for _, d := range h.deliveries {
			if got := s.record(event{kind: Delivered, user: user, fingerprint: d.fingerprint, at: d.at}); got != repeated {
				t.Errorf("a delivery to user %d again is %d", user, got)
			}
		}
	}
	if got := s.record(event{kind: Replied, user: 1, fingerprint: newFingerprint(1), at: at + 9}); got != changed || count(s, Messages, 0, maxTime) != 1 {
		t.Errorf("that one is a reply is %d", got)
	}
	for _, version := range []byte{0, shardVersion + 1} {
		_, err := decodedPart(0, 0, sealed(append([]byte{version}, body(now)[1:]...)))
		expectRead(t, err, fmt.Sprintf("its version is %d; this program knows 2", version))
	}
}
