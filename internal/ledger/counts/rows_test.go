package counts

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
	"numberfleet.dev/numberfleet/internal/report"
)

// Rows with a right checksum that say what cannot be are not read: what they would count was never appended.

// savedNumber is a number of which everything is known that a row can hold.
func savedNumber(tb testing.TB) *numberState {
	tb.Helper()
	return fuzzedLedger(tb).number(number)
}

func TestImpossibleNumbersAreNotRead(t *testing.T) {
	spam := Complaint(0x13)
	one := delivery{at: uint32(begin.Unix()), fingerprint: spam.fingerprint(1)}
	two := delivery{at: uint32(begin.Unix()) + 1, fingerprint: spam.fingerprint(2)}
	parts := func(names ...[2]uint64) func(*numberState) {
		return func(s *numberState) { s.users.shards, s.users.depth = partsOf(names...) }
	}
	// deep are shards that share out all keys, the last two of them of a depth.
	deep := func(depth uint64) func(*numberState) {
		var names [][2]uint64
		for d := uint64(1); d <= depth; d++ {
			names = append(names, [2]uint64{d, 1<<d - 2})
		}
		return parts(append(names, [2]uint64{depth, 1<<depth - 1})...)
	}
	for _, test := range []struct {
		name   string
		change func(s *numberState)
		want   string // in the error; empty where it is read
	}{
		{"as it was", func(*numberState) {}, ""},
		{"a report after the last", func(s *numberState) { s.sequence = 1 }, "sequence 2 after 1 of 1"},
		{"reports of one sequence", func(s *numberState) { s.reports[1].Sequence = 1 }, "sequence 1 after 1"},
		{"reports that fall", func(s *numberState) { s.reports[0].Sequence, s.reports[1].Sequence = 2, 1 }, "sequence 1 after 2"},
		{"a report without a sequence", func(s *numberState) { s.reports[0].Sequence = 0 }, "sequence 0 after 0"},
		{"the longest windows", func(s *numberState) {
			s.windows = newWindowLengths(Windows{Service: Kept, Conversation: Kept, CountReached: true})
		}, ""},
		{"a longer service window", func(s *numberState) { s.windows.service = int64(Kept/time.Second) + 1 }, "windows are too long"},
		{"a longer conversation", func(s *numberState) { s.windows.conversation = int64(Kept/time.Second) + 1 }, "windows are too long"},
		{"two halves", parts([2]uint64{1, 0}, [2]uint64{1, 1}), ""},
		{"one half", parts([2]uint64{1, 0}), "share out the keys"},
		{"the other half", parts([2]uint64{1, 1}), "share out the keys"},
		{"a half twice", parts([2]uint64{1, 0}, [2]uint64{1, 0}), "share out the keys"},
		{"all twice", parts([2]uint64{0, 0}, [2]uint64{0, 0}), "share out the keys"},
		{"halves in the wrong order", parts([2]uint64{1, 1}, [2]uint64{1, 0}), "share out the keys"},
		{"a part of more bits than its depth", parts([2]uint64{1, 2}, [2]uint64{1, 1}), "share out the keys"},
		{"the smallest parts", deep(mostDepth), ""},
		{"smaller parts", deep(mostDepth + 1), "share out the keys"},
		{"no parts", func(s *numberState) { s.users.shards, s.complaints, s.linked, s.chats = nil, nil, nil, chats{} }, ""},
		{"chats without a part", func(s *numberState) { s.users.shards, s.complaints, s.linked = nil, nil, nil }, "knows users and has no parts"},
		{"a joined user at no time", func(s *numberState) { s.linked[7] = 0 }, "joined users are impossible"},
		{"a joined user who is nobody", func(s *numberState) { s.linked[0] = 1 }, "joined users are impossible"},
		{"the last user joined", func(s *numberState) { s.linked[keyMask] = 1 }, ""},
		{"a joined user after the last", func(s *numberState) { s.linked[keyMask+1] = 1 }, "joined users are impossible"},
		{"a joined user without a part", func(s *numberState) { s.users.shards, s.complaints, s.chats = nil, nil, chats{} }, "knows users and has no parts"},
		{"complaints without a part", func(s *numberState) { s.users.shards, s.linked, s.chats = nil, nil, chats{} }, "knows users and has no parts"},
		{"two complaints of a user", func(s *numberState) { s.complaints[7] = []delivery{one, two} }, ""},
		{"no complaint of a user", func(s *numberState) { s.complaints[7] = []delivery{} }, "complaints are impossible"},
		{"a complaint twice", func(s *numberState) { s.complaints[7] = []delivery{one, one} }, "complaints are impossible"},
		{"complaints out of order", func(s *numberState) { s.complaints[7] = []delivery{two, one} }, "complaints are impossible"},
		{"a complaint of no kind", func(s *numberState) { s.complaints[7] = []delivery{{at: one.at}} }, "complaints are impossible"},
		{"a complaint that is too wide", func(s *numberState) {
			s.complaints[7] = []delivery{{at: one.at, fingerprint: one.fingerprint | 1<<complaintBits}}
		}, "complaints are impossible"},
		{"a complaint of nobody", func(s *numberState) { s.complaints[0] = []delivery{one} }, "complaints are impossible"},
		{"the last user", func(s *numberState) { s.complaints[keyMask] = []delivery{one} }, ""},
		{"a user after the last", func(s *numberState) { s.complaints[keyMask+1] = []delivery{one} }, "complaints are impossible"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := savedNumber(t)
			test.change(s)
			got := newNumberState(number, 0)
			expectRead(t, got.decode(s.encode()), test.want)
			if test.want == "" && (got.windows != s.windows || got.horizon != s.horizon || !slices.Equal(got.reports, s.reports) || len(got.users.all()) != len(s.users.all()) || len(got.complaints) != len(s.complaints)) {
				t.Errorf("it is read as %+v", got)
			}
		})
	}
}

// Users come in order in a number's row, and each once.
func TestUsersOutOfOrderAreNotRead(t *testing.T) {
	s := savedNumber(t)
	s.complaints, s.linked, s.chats = nil, nil, chats{}
	without := slices.Clip(bytes.TrimSuffix(body(s.encode()), []byte{0, 0, 0, 0, 0})) // none of them, and no sender
	one := Complaint(0x13).fingerprint(1)
	complaint := func(user byte) []byte {
		return []byte{user, 1, 1, 0, 0, 0, byte(one), byte(one >> 8), byte(one >> 16), byte(one >> 24)}
	}
	joined := func(user byte) []byte { return []byte{user, 1, 0, 0, 0} }
	for _, test := range []struct{ first, second byte }{{5, 7}, {7, 5}, {5, 5}} {
		complaints, joins := "", ""
		if test.first >= test.second {
			complaints, joins = "complaints are impossible", "joined users are impossible"
		}
		row := slices.Concat(without, []byte{2}, complaint(test.first), complaint(test.second), []byte{0, 0, 0, 0})
		expectRead(t, newNumberState(number, 0).decode(sealed(row)), complaints)
		row = slices.Concat(without, []byte{0, 2}, joined(test.first), joined(test.second), []byte{0, 0, 0})
		expectRead(t, newNumberState(number, 0).decode(sealed(row)), joins)
	}
}

func expectRead(t *testing.T, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("reading it gives %v, not %q", err, want)
	}
}

func TestImpossiblePartsAreNotRead(t *testing.T) {
	at := uint32(begin.Unix())
	low, high := rank(5), rank(9)
	if low.key() > high.key() {
		low, high = high, low
	}
	// a shard of two users, the first with a history of its own.
	made := func(h *history) *shard {
		p := newShard(0, 0, int64(at), nil)
		for _, r := range []rank{5, 9} {
			i, _ := p.find(r)
			p.insert(i, newSlot(r, 0).withDelivery(delivery{at: at, fingerprint: 1}))
		}
		i, _ := p.find(5)
		p.slots[i] = p.store(p.slots[i], h, 0, 0)
		return p
	}
	set := func(r rank, is slot) func(*shard) {
		return func(p *shard) {
			i, _ := p.find(r)
			p.slots[i] = is
		}
	}
	base := uint32(newShard(0, 0, int64(at), nil).base())
	two := func(first, second uint32) *history {
		return &history{deliveries: []delivery{{at: first, fingerprint: 1}, {at: second, fingerprint: 2}}}
	}
	for _, test := range []struct {
		name   string
		h      *history
		change func(*shard)
		fails  bool
	}{
		{"as it was", two(at, at+1), nil, false},
		{"over the whole span", &history{deliveries: []delivery{{at: base, fingerprint: 1}, {at: base + timeMask, fingerprint: 2}}, inbounds: []uint32{base, base + timeMask}}, nil, false},
		{"a delivery before the span", two(base-1, at), nil, true},
		{"a delivery after it", two(at, base+timeMask+1), nil, true},
		{"deliveries out of order", two(at+1, at), nil, true},
		{"a message from the user before the span", &history{inbounds: []uint32{base - 1, at}}, nil, true},
		{"one after it", &history{inbounds: []uint32{at, base + timeMask + 1}}, nil, true},
		{"messages from the user out of order", &history{inbounds: []uint32{at + 1, at}}, nil, true},
		{"users out of order", two(at, at+1), func(p *shard) {
			i, _ := p.find(5)
			j, _ := p.find(9)
			p.slots[i], p.slots[j] = p.slots[j], p.slots[i]
		}, true},
		{"a user twice", two(at, at+1), set(9, newSlot(5, 0).withInbound(at)), true},
		{"another name", two(at, at+1), set(high, aliasSlot(high, low.key())), false},
		{"a name of the same user", two(at, at+1), set(low, aliasSlot(low, low.key())), true},
		{"a name of a user after it", two(at, at+1), set(low, aliasSlot(low, high.key())), true},
		{"a slot of no kind", two(at, at+1), set(9, newSlot(9, 3<<2)), true},
		{"a block for what fits a slot", two(at, at+1), func(p *shard) {
			i, _ := p.find(9)
			p.slots[i] = overflowSlot(9, p.allocate(overflowWords(1, 1)))
			p.overflow(p.slots[i]).fill(&history{deliveries: []delivery{{at: at, fingerprint: 1}}, inbounds: []uint32{at}})
		}, true},
		{"a block for two messages from the user", &history{inbounds: []uint32{at, at + 1}}, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := made(test.h)
			if test.change != nil {
				test.change(p)
			}
			if _, err := decodedPart(0, 0, p.encode()); (err != nil) != test.fails {
				t.Errorf("reading it gives %v", err)
			}
		})
	}
	// A shard of other keys than its name says.
	whole := made(two(at, at+1))
	for _, prefix := range []key{0, 1} {
		_, err := decodedPart(1, prefix, whole.encode())
		if ours := rank(5).key()>>(keyBits-1) == prefix && rank(9).key()>>(keyBits-1) == prefix; (err == nil) != ours {
			t.Errorf("as part 1/%d reading it gives %v", prefix, err)
		}
	}
}

func TestImpossibleJournalRowsAreNotRead(t *testing.T) {
	entry := Entry{Number: number, Kind: Delivered, User: 1, Message: 1, At: begin.Unix()}
	with := func(change func(*Entry)) Record {
		e := entry
		change(&e)
		return Record{Batch: Batch{Entries: []Entry{entry, e}}}
	}
	for _, test := range []struct {
		name string
		rec  Record
		want string
	}{
		{"as it was", with(func(*Entry) {}), ""},
		{"no kind", with(func(e *Entry) { e.Kind = 0 }), "an entry of kind 0 is not valid: Kind is not known"},
		{"an unknown kind", with(func(e *Entry) { e.Kind = Failed + 1 }), "an entry of kind 7 is not valid: Kind is not known"},
		{"two keys of one user", with(func(e *Entry) { e.Kind, e.Alias = AliasLinked, 2 }), ""},
		{"a user joined with nobody", with(func(e *Entry) { e.Kind = AliasLinked }), "an entry of kind 4 is not valid: Alias is not known"},
		{"at no time", with(func(e *Entry) { e.At = 0 }), "time 0"},
		{"at the first time", with(func(e *Entry) { e.At = 1 }), ""},
		{"at the last time", with(func(e *Entry) { e.At = maxTime }), ""},
		{"after the last time", with(func(e *Entry) { e.At = maxTime + 1 }), "time 4294967296"},
		{"an unknown complaint", with(func(e *Entry) { e.Kind, e.Complaint = Complained, 0x17 }), "an entry of kind 3 is not valid: Complaint is not known"},
		{"an unknown category", with(func(e *Entry) { e.Category = categories }), "an entry of kind 1 is not valid: Category is not known"},
		{"a category of no delivery", with(func(e *Entry) { e.Kind, e.Category = Failed, Marketing }), "an entry of kind 6 is not valid: Category is said of no delivery"},
		{"a message that failed", with(func(e *Entry) { e.Kind = Failed }), ""},
		{"windows that are too long", Record{Windows: []NumberWindows{{number, Windows{Service: Kept + time.Second}}}}, "windows are too long"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got Record
			expectRead(t, got.readOne(rowOf(&test.rec)), test.want)
		})
	}
	var got Record
	other := []byte{1, 1, 1, '+', 1, byte(Received), 1, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0} // of number 1 where there is only 0
	expectRead(t, got.readOne(sealed(other)), "number 1 of 1")
	version := []byte{roundVersion + 1, 0, 0, 0, 0}
	expectRead(t, got.readOne(sealed(version)), "its version is 5; this program knows 4")
}

// A row that was cut and sealed again, or goes on after its end, is not read.
func TestRowsEndWhereTheyEnd(t *testing.T) {
	l := fuzzedLedger(t)
	s := l.number(number)
	rec := Record{
		Clock: begin.UnixMilli(),
		Batch: Batch{
			Entries:  []Entry{{Number: number, Kind: Complained, Complaint: 0x23, User: 1, Alias: 2, Message: 3, At: begin.Unix()}},
			Reports:  []report.Report{{Subject: report.ParseSubject(number), Kind: report.Restriction, At: begin.Unix(), Value: "X", Reason: "Y", Until: begin.Unix() + 9}},
			Displays: []Display{{"1", number}},
		},
		Windows:    []NumberWindows{{number, Windows{Service: time.Hour, CountReached: true}}},
		Portfolios: []Portfolio{{"p", []string{number, "+1"}}},
		Claims:     []Claim{{"1", number}},
		Settings:   gateSettings,
		Operations: gateOperations,
	}
	for name, row := range map[string]struct {
		whole  []byte
		decode func([]byte) error
	}{
		"record": {rowOf(&rec), func(row []byte) error { return new(Record).readOne(row) }},
		"part": {s.users.shards[0].encode(), func(row []byte) error {
			_, err := decodedPart(0, 0, row)
			return err
		}},
		"limit": {limitRow(t, heldLimit()), func(row []byte) error {
			_, err := withLimit(row)
			return err
		}},
		"number":  {s.encode(), func(row []byte) error { return newNumberState(number, 0).decode(row) }},
		"machine": {l.encode(), func(row []byte) error { return (&restoration{machine: NewMachine()}).machineRow(row) }},
	} {
		if err := row.decode(row.whole); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		content := body(row.whole)
		for n := range content {
			if row.decode(sealed(content[:n])) == nil {
				t.Errorf("%s: the first %d of %d bytes are read", name, n, len(content))
			}
		}
		if row.decode(sealed(append(slices.Clip(content), 1))) == nil {
			t.Errorf("%s: it is read with a byte more", name)
		}
		for n := range codec.ChecksumSize + 1 {
			if row.decode(row.whole[:n]) == nil {
				t.Errorf("%s: %d bytes without room for a checksum are read", name, n)
			}
		}
	}
}

// What may be appended, configured and grouped, up to the bounds and beyond them.
func TestBoundsOfABatch(t *testing.T) {
	l := newApplier()
	long := strings.Repeat("1", maxNumber)
	now := begin
	const days = 24 * time.Hour
	first, last := now.Add(-37*days).Unix(), now.Add(time.Hour).Unix()
	entry := func(number string, kind Kind, at int64) Batch {
		return Batch{Entries: []Entry{{Number: number, Kind: kind, User: 1, Message: 1, At: at}}}
	}
	tell := func(number string, kind report.Kind, at int64) Batch {
		return Batch{Reports: []report.Report{{Subject: report.ParseSubject(number), Kind: kind, At: at}}}
	}
	for _, test := range []struct {
		name  string
		batch Batch
		want  Outcome
		err   string
	}{
		{"the longest number", entry(long, Delivered, now.Unix()), Outcome{New: 1}, ""},
		{"a longer number", entry(long+"1", Delivered, now.Unix()), Outcome{}, "invalid: entry 0: Number is too long"},
		{"no kind", entry("+1", 0, now.Unix()), Outcome{}, "invalid: entry 0: Kind is not known"},
		{"an unknown kind", entry("+1", Failed+1, now.Unix()), Outcome{}, "invalid: entry 0: Kind is not known"},
		{"the oldest", entry("+1", Delivered, first), Outcome{New: 1}, ""},
		{"an older one", entry("+1", Delivered, first-1), Outcome{Expired: 1}, ""},
		{"the newest", entry("+2", Delivered, last), Outcome{New: 1}, ""},
		{"a newer one", entry("+2", Delivered, last+1), Outcome{}, "invalid: entry 0: At lies in the future"},
		{"a message from the user, which has no id", Batch{Entries: []Entry{{Number: "+3", Kind: Received, User: 1, At: now.Unix()}}}, Outcome{New: 1}, ""},
		{"a complaint without one", Batch{Entries: []Entry{{Number: "+3", Kind: Complained, Complaint: 0x11, User: 1, At: now.Unix()}}}, Outcome{}, "invalid: entry 0: Message is not known"},
		{"a report about nothing", tell("", report.Limit, now.Unix()), Outcome{}, "invalid: report 0: Subject is empty"},
		{"a report about the longest number", tell(long, report.Limit, now.Unix()), Outcome{New: 1}, ""},
		{"a report about a longer number", tell(long+"1", report.Limit, now.Unix()), Outcome{}, "invalid: report 0: Subject is too long"},
		{"a report of nothing", tell("+1", "", now.Unix()), Outcome{}, "invalid: report 0: Kind is empty"},
		{"the newest report", tell("+1", report.Limit, last), Outcome{New: 1}, ""},
		{"a newer report", tell("+1", report.Limit, last+1), Outcome{}, "invalid: report 0: At lies in the future"},
		{"the oldest report", tell("+1", report.Limit, first), Outcome{New: 1}, ""},
		{"an older report", tell("+1", report.Limit, first-1), Outcome{Expired: 1}, ""},
		{"nothing", Batch{}, Outcome{}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := l.Append(context.Background(), test.batch, now)
			said := ""
			if err != nil {
				said = err.Error()
			}
			if got != test.want || said != test.err {
				t.Errorf("it is %+v, %q", got, said)
			}
		})
	}
	for _, err := range []error{l.Configure(long, Windows{Service: 30 * days, Conversation: 30 * days}), l.Group("g", []string{long})} {
		if err != nil {
			t.Error(err)
		}
	}
	for _, err := range []error{
		l.Configure(long+"1", DefaultWindows), l.Configure("", DefaultWindows), l.Configure("+1", Windows{Service: 30*days + time.Second}),
		l.Configure("+1", Windows{Conversation: -time.Second}), l.Group("g", []string{long + "1"}), l.Group("g", []string{""}),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("the error is %v", err)
		}
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Append(cancelled, entry("+4", Delivered, now.Unix()), now); !errors.Is(err, context.Canceled) || l.Known("+4") {
		t.Errorf("of a request that is gone something is appended: %v", err)
	}
}
