package counts

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A message from one participant opens the window for the whole chat, and for messages to that chat only; a participant's own message
// to the number opens it for messages to that participant, in a chat or not.
func TestAMessageInAChatOpensItsWindow(t *testing.T) {
	at := begin.Add(-time.Hour).Unix()
	to := func(user UserKey, message MessageKey, chat ChatKey, at int64) Entry {
		return Entry{Kind: Delivered, User: user, Message: message, Chat: chat, At: at}
	}
	from := func(user UserKey, chat ChatKey, at int64) Entry {
		return Entry{Kind: Received, User: user, Chat: chat, At: at}
	}
	const chat, other = 5, 6
	for name, test := range map[string]struct {
		entries []Entry
		want    [4]int64
	}{
		"nobody wrote":                   {[]Entry{to(1, 1, chat, at), to(2, 1, chat, at)}, [4]int64{2, 2, 2, 2}},
		"one of them wrote":              {[]Entry{from(1, chat, at), to(1, 1, chat, at), to(2, 1, chat, at+1)}, [4]int64{0, 0, 0, 2}},
		"somebody else of the chat":      {[]Entry{from(3, chat, at-1), to(1, 1, chat, at), to(2, 1, chat, at+1)}, [4]int64{0, 0, 0, 2}},
		"in another chat":                {[]Entry{from(1, other, at), to(1, 1, chat, at), to(2, 1, chat, at+1)}, [4]int64{2, 2, 2, 2}},
		"a second too late":              {[]Entry{from(1, chat, at+1), to(1, 1, chat, at), to(2, 1, chat, at+1)}, [4]int64{1, 1, 1, 2}},
		"a day before":                   {[]Entry{from(1, chat, at-day), to(1, 1, chat, at), to(2, 1, chat, at-1)}, [4]int64{1, 1, 1, 2}},
		"to one of them alone":           {[]Entry{from(1, chat, at), to(1, 1, 0, at+1)}, [4]int64{1, 1, 1, 1}},
		"one of them alone wrote":        {[]Entry{from(1, 0, at), to(1, 1, chat, at+1), to(2, 1, chat, at+1)}, [4]int64{1, 1, 1, 2}},
		"one status names the chat":      {[]Entry{from(1, chat, at), to(2, 1, chat, at+9), to(2, 1, 0, at+1)}, [4]int64{0, 0, 0, 1}},
		"a reply by its category":        {[]Entry{{Kind: Replied, Message: 1, Chat: chat, At: at}, to(1, 1, chat, at+1)}, [4]int64{0, 0, 0, 1}},
		"beside others":                  {[]Entry{to(1, 1, 0, at), from(2, chat, at+1), to(1, 2, chat, at+2), to(1, 3, 0, at+3)}, [4]int64{1, 1, 2, 1}},
		"under two keys":                 {[]Entry{from(3, chat, at), to(1, 1, chat, at+1), to(2, 1, chat, at+1), {Kind: AliasLinked, User: 2, Alias: 1, At: at}}, [4]int64{0, 0, 0, 1}},
		"who complained under another":   {[]Entry{from(3, chat, at), to(2, 1, chat, at+1), {Kind: Complained, Complaint: 0x13, Message: 1, At: at}, from(1, 0, at), {Kind: AliasLinked, Number: someoneElses, Alias: 2, At: at}}, [4]int64{0, 0, 0, 1}},
		"to whom nothing was sent since": {[]Entry{from(1, chat, at), from(1, chat, at+1)}, [4]int64{}},
	} {
		t.Run(name, func(t *testing.T) {
			expectInAnyOrder(t, test.entries, map[string][4]int64{number: test.want, PortfolioKey("g"): test.want})
		})
	}
}

// The window of a chat is with one number: it is none of another's of the portfolio.
func TestAChatsWindowIsTheNumbers(t *testing.T) {
	at := begin.Add(-time.Hour).Unix()
	expectInAnyOrder(t, []Entry{
		{Kind: Received, User: 1, Chat: 5, At: at},
		{Kind: Delivered, User: 2, Message: 1, Chat: 5, At: at + 1},
		{Number: someoneElses, Kind: Delivered, User: 2, Message: 2, Chat: 5, At: at + 1},
	}, map[string][4]int64{number: {0, 0, 0, 1}, someoneElses: {1, 1, 1, 1}, PortfolioKey("g"): {1, 1, 1, 1}})
}

// What is known of chats is forgotten when it can change nothing any more, and the room for it is there again.
func TestChatsAreForgotten(t *testing.T) {
	fs := newDisk()
	l := openTest(t, fs)
	at := begin.Unix()
	give := func(entries ...Entry) {
		t.Helper()
		for i := range entries {
			entries[i].Number = number
		}
		if _, err := l.Append(context.Background(), Batch{Entries: entries}, begin); err != nil {
			t.Fatal(err)
		}
	}
	give(
		Entry{Kind: Received, User: 1, Alias: 9, Chat: 5, At: at - 60},
		Entry{Kind: Delivered, User: 1, Message: 1, Chat: 5, At: at},
		Entry{Kind: Delivered, User: 2, Message: 1, Chat: 5, At: at},
	)
	for _, test := range []struct {
		horizon       time.Duration // after the last of them
		written, sent int
	}{{0, 1, 2}, {time.Second, 1, 0}, {24*time.Hour - 61*time.Second, 1, 0}, {24*time.Hour - 60*time.Second, 0, 0}} {
		l.Sweep(begin.Add(Kept + Lateness + test.horizon))
		c := &l.number(number).chats
		if len(c.written) != test.written || len(c.sent) != test.sent || c.size != test.sent || test.sent == 0 && len(c.of) > 0 {
			t.Errorf("%s after the last delivery is forgotten there is %+v", test.horizon, c)
		}
		if err := l.Snapshot(context.Background(), begin.Add(Kept+Lateness+test.horizon)); err != nil {
			t.Fatal(err)
		}
		l = openTest(t, fs)
	}
	if l.Known(number) {
		t.Error("the number is known")
	}
}

// Participants write without end, and the number to chats without end: what is kept has bounds, and beyond them deliveries count.
func TestChatsAreBounded(t *testing.T) {
	s := newNumberState(number, 0)
	at := uint32(begin.Unix())
	for i := range uint32(3 * day) { // one writes every second
		s.record(event{kind: Received, user: 1, chat: 5, at: at + i})
	}
	if n := len(s.chats.written[5]); n > mostWritten+1 {
		t.Errorf("of one chat %d messages are kept", n)
	}
	for i, counts := range map[uint32]bool{0: false, day: false, 2 * day: false, 4*day - 2: false, 4*day - 1: true} {
		before := count(s, Messages, 0, maxTime)
		s.record(event{kind: Delivered, user: 2, fingerprint: i, chat: 5, at: at + i})
		if counted := count(s, Messages, 0, maxTime) > before; counted != counts {
			t.Errorf("a delivery %d s after the first message counts: %t", i, counted)
		}
	}
	s = newNumberState(number, 0)
	if s.configure(windowLengths{service: 1, conversation: 1}); true { // no message makes up for others
		for i := range uint32(2 * mostWritten) {
			s.record(event{kind: Received, user: 1, chat: 5, at: at + 2*i})
		}
	}
	if n := len(s.chats.written[5]); n != mostWritten+1 {
		t.Errorf("of one chat with a window of a second %d messages are kept", n)
	}
	for chat := range ChatKey(mostChats + 10) {
		s.record(event{kind: Received, user: 1, chat: chat + 1, at: at})
	}
	if n := len(s.chats.written); n != mostChats {
		t.Errorf("%d chats are kept", n)
	}

	s = newNumberState(number, 0)
	for user := range key(mostParticipants + 10) {
		s.record(event{kind: Delivered, user: user + 1, fingerprint: 1, chat: 5, at: at})
	}
	for chat := range ChatKey(mostChats + 10) {
		s.record(event{kind: Delivered, user: key(chat) + 1, fingerprint: 2, chat: chat + 6, at: at})
	}
	if n, c := len(s.chats.of[5]), len(s.chats.of); n != mostParticipants || c != mostChats {
		t.Errorf("%d participants of %d chats are kept", n, c)
	}
	if n := count(s, Messages, 0, maxTime); n != mostParticipants+10+mostChats+10 {
		t.Errorf("%d messages are counted", n)
	}
	s.chats.size = mostChatMessages
	s.record(event{kind: Delivered, user: 1, fingerprint: 1 << 20, chat: 5, at: at})
	if s.chats.size != mostChatMessages {
		t.Error("one message more is kept")
	}
}

// What is written of chats is read as it was; what cannot be is not read.
func TestChatsInTheNumbersRow(t *testing.T) {
	for name, test := range map[string]struct {
		change func(c *chats)
		want   string
	}{
		"as they were":              {func(*chats) {}, ""},
		"no messages to any":        {func(c *chats) { c.sent = nil }, ""},
		"nobody wrote":              {func(c *chats) { c.written = nil }, ""},
		"messages out of order":     {func(c *chats) { c.written[5] = []uint32{9, 8} }, errChats.Error()},
		"one message twice":         {func(c *chats) { c.written[5] = []uint32{9, 9} }, errChats.Error()},
		"one at no time":            {func(c *chats) { c.written[5] = []uint32{0, 9} }, errChats.Error()},
		"a chat where nobody wrote": {func(c *chats) { c.written[5] = nil }, errChats.Error()},
		"no chat":                   {func(c *chats) { c.written[0] = []uint32{9} }, errChats.Error()},
		"a user without messages":   {func(c *chats) { c.sent[1] = nil }, errChats.Error()},
		"a user who is nobody":      {func(c *chats) { c.sent[0] = c.sent[1] }, errChats.Error()},
		"the last user":             {func(c *chats) { c.sent[keyMask] = c.sent[1] }, ""},
		"a user after the last":     {func(c *chats) { c.sent[keyMask+1] = c.sent[1] }, errChats.Error()},
		"a message to no chat":      {func(c *chats) { c.sent[1][0].chat = 0 }, errChats.Error()},
		"the last fingerprint":      {func(c *chats) { c.sent[1][0].fingerprint = fingerprintMask }, ""},
		"a fingerprint after it":    {func(c *chats) { c.sent[1][0].fingerprint = fingerprintMask + 1 }, errChats.Error()},
		"a message to a user twice": {func(c *chats) { c.sent[1] = append(c.sent[1], c.sent[1][0]) }, errChats.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			s, got := newNumberState(number, 0), newNumberState(number, 0)
			s.users.shards, _ = partsOf([2]uint64{0, 0})
			s.chats = chats{written: map[ChatKey][]uint32{5: {7, 9}, 6: {8}}, sent: map[key][]chatMessage{1: {{2, 5}}, 3: {{2, 5}, {7, 6}}}}
			test.change(&s.chats)
			row := s.encode()
			expectRead(t, got.decode(row), test.want)
			if test.want == "" && string(got.encode()) != string(row) {
				t.Errorf("%+v is read, not %+v", got.chats, s.chats)
			}
		})
	}
	s := newNumberState(number, 0)
	parts, _ := partsOf([2]uint64{0, 0})
	if err := s.decode((&numberState{users: userTable{shards: parts}, chats: chats{written: map[ChatKey][]uint32{5: {7}}, sent: map[key][]chatMessage{1: {{2, 5}}, 3: {{2, 5}, {7, 6}}}}}).encode()); err != nil {
		t.Fatal(err)
	}
	if c := &s.chats; c.size != 3 || len(c.of) != 2 || len(c.of[5]) != 2 || c.of[6][3] != 1 {
		t.Errorf("from what is read follows %+v", c)
	}
}

// Of what is no message nothing is said of messages.
func TestWhatIsSaidOfMessages(t *testing.T) {
	l := newApplier()
	for kind := Delivered; kind <= Replied; kind++ {
		for _, reply := range []bool{false, true} {
			for chat := range ChatKey(2) {
				e := Entry{Number: number, Kind: kind, Reply: reply, User: 1, Alias: 2, Message: 3, Chat: chat, At: begin.Unix()}
				if kind == Complained {
					e.Complaint = 0x11
				}
				possible := (!reply || kind == Delivered) && (chat == 0 || kind == Delivered || kind == Received || kind == Replied)
				if _, err := l.Append(context.Background(), Batch{Entries: []Entry{e}}, begin); possible != (err == nil) || err != nil && !errors.Is(err, ErrInvalid) {
					t.Errorf("%+v is appended: %v", e, err)
				}
				rec, got := Record{Batch: Batch{Entries: []Entry{e}}}, Record{}
				if err := got.readOne(rowOf(&rec)); possible != (err == nil) {
					t.Errorf("%+v is read: %v", e, err)
				}
			}
		}
	}
}
