package counts

import (
	"cmp"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
)

// chats is what is known about the chats of a number. A chat is a group of users that the number writes to. A message from a
// participant opens the service window between the number and the whole chat, by Meta's page "groups/pricing": then no delivery
// of a message to the chat counts, to whichever participant. Chats are few and small, and are saved in the number's own row.
type chats struct {
	written map[ChatKey][]uint32    // when participants wrote: Unix seconds, rising
	sent    map[key][]chatMessage   // by user: which messages to them were sent to a chat, by fingerprint
	of      map[ChatKey]map[key]int // how many of these each participant has; follows from sent
	size    int                     // how many there are; follows from sent
}

// chatMessage is a message to a user that was sent to a chat.
type chatMessage struct {
	fingerprint uint32
	chat        ChatKey
}

// What is kept of chats is bounded, since participants can write without end, and so can the number. What exceeds the bounds
// counts as if nobody had written: that shows less room than there is, never more.
const (
	mostChats        = 10_000  // of a number, by Meta's page "groups"
	mostParticipants = 1_024   // of a chat; Meta allows 8
	mostWritten      = 512     // of a chat: when more was written, what opens no further window is forgotten
	mostChatMessages = 1 << 18 // of a number: some 7,000 a day
)

// hasRoomFor reports whether one more message to a user and a chat can be kept.
func (c *chats) hasRoomFor(user key, chat ChatKey) bool {
	of := c.of[chat]
	return c.size < mostChatMessages && (of == nil && len(c.of) < mostChats || of[user] > 0 || of != nil && len(of) < mostParticipants)
}

// annotate notes in the history of a user which messages were sent to chats.
func (c *chats) annotate(user key, h *history) {
	h.written = c.written
	if len(c.sent) == 0 {
		return
	}
	messages := c.sent[user]
	for i := range h.deliveries {
		if at, found := slices.BinarySearchFunc(messages, h.deliveries[i].fingerprint, chatMessage.compare); found {
			h.deliveries[i].chat = messages[at].chat
		}
	}
}

func (m chatMessage) compare(print uint32) int { return cmp.Compare(m.fingerprint, print) }

// setMessages replaces the kept messages of a user by those of a history. It reports whether that changes anything.
func (c *chats) setMessages(user key, h *history) bool {
	var is []chatMessage
	for _, d := range h.deliveries {
		if d.chat != 0 {
			is = append(is, chatMessage{d.fingerprint, d.chat})
		}
	}
	was := c.sent[user]
	slices.SortFunc(is, func(a, b chatMessage) int { return a.compare(b.fingerprint) })
	if slices.Equal(was, is) {
		return false
	}
	c.count(user, was, -1)
	c.count(user, is, 1)
	if c.sent == nil {
		c.sent = map[key][]chatMessage{}
	}
	if c.sent[user] = is; len(is) == 0 {
		delete(c.sent, user)
	}
	return true
}

// count adds messages of a user to the derived counts, or subtracts them.
func (c *chats) count(user key, messages []chatMessage, n int) {
	c.size += n * len(messages)
	for _, m := range messages {
		if c.of == nil {
			c.of = map[ChatKey]map[key]int{}
		}
		of := c.of[m.chat]
		if of == nil {
			of = map[key]int{}
			c.of[m.chat] = of
		}
		if of[user] += n; of[user] == 0 {
			delete(of, user)
		}
		if len(of) == 0 {
			delete(c.of, m.chat)
		}
	}
}

// addInbound records that a participant wrote.
func (c *chats) addInbound(w windowLengths, chat ChatKey, at uint32) {
	if c.written == nil {
		c.written = map[ChatKey][]uint32{}
	}
	times := c.written[chat]
	i, _ := slices.BinarySearch(times, at)
	times = slices.Insert(times, i, at)
	if len(times) > mostWritten {
		times = w.thin(times)
	}
	c.written[chat] = times
}

// thin forgets messages whose windows are covered by those before and after them, which changes no window.
func (w windowLengths) thin(inbounds []uint32) []uint32 {
	kept := inbounds[:1]
	for i := 1; i < len(inbounds); i++ {
		if last := len(kept) - 1; last > 0 && int64(inbounds[i]) <= int64(kept[last-1])+w.service {
			kept[last] = inbounds[i]
		} else {
			kept = append(kept, inbounds[i])
		}
	}
	return kept
}

// isNewInbound reports whether a message from a participant changes anything.
func (c *chats) isNewInbound(chat ChatKey, at uint32) bool {
	times := c.written[chat]
	_, found := slices.BinarySearch(times, at)
	return !found && len(times) <= mostWritten && (times != nil || len(c.written) < mostChats)
}

// trim forgets the messages whose service window has ended at the horizon. It reports whether there were any.
func (c *chats) trim(w windowLengths, horizon int64) (trimmed bool) {
	for chat, times := range c.written {
		left := w.trim(times, horizon)
		trimmed = trimmed || len(left) < len(times)
		if c.written[chat] = left; len(left) == 0 {
			delete(c.written, chat)
		}
	}
	return trimmed
}

// encode appends the chats to the number's own row.
func (c *chats) encode(row []byte) []byte {
	row = binary.AppendUvarint(row, uint64(len(c.written)))
	for _, chat := range slices.Sorted(maps.Keys(c.written)) {
		row = binary.LittleEndian.AppendUint64(row, uint64(chat))
		row = binary.AppendUvarint(row, uint64(len(c.written[chat])))
		for _, at := range c.written[chat] {
			row = binary.LittleEndian.AppendUint32(row, at)
		}
	}
	row = binary.AppendUvarint(row, uint64(len(c.sent)))
	for _, user := range slices.Sorted(maps.Keys(c.sent)) {
		row = binary.AppendUvarint(row, uint64(user))
		row = binary.AppendUvarint(row, uint64(len(c.sent[user])))
		for _, m := range c.sent[user] {
			row = binary.LittleEndian.AppendUint32(row, m.fingerprint)
			row = binary.LittleEndian.AppendUint64(row, uint64(m.chat))
		}
	}
	return row
}

var errChats = errors.New("its groups of users are impossible")

// decode reads the chats, the end of the number's own row.
func (c *chats) decode(r *reader) {
	if r.ended() {
		return
	}
	n := r.Count(13)
	c.written = make(map[ChatKey][]uint32, n)
	var before ChatKey
	for range n {
		chat := ChatKey(r.Uint64())
		times := make([]uint32, r.Count(4))
		for i := range times {
			if times[i] = r.Uint32(); times[i] == 0 || i > 0 && times[i] <= times[i-1] {
				r.Fail(errChats)
			}
		}
		if chat <= before || len(times) == 0 {
			r.Fail(errChats)
		}
		if r.Err() != nil {
			return
		}
		before = chat
		c.written[chat] = times
	}
	n = r.Count(14)
	c.sent = make(map[key][]chatMessage, n)
	var last key
	for range n {
		user := key(r.Uvarint())
		messages := make([]chatMessage, r.Count(12))
		for i := range messages {
			m := chatMessage{r.Uint32(), ChatKey(r.Uint64())}
			if m.fingerprint >= 1<<fingerprintBits || m.chat == 0 || i > 0 && m.fingerprint <= messages[i-1].fingerprint {
				r.Fail(errChats)
			}
			messages[i] = m
		}
		if user <= last || user > keyMask || len(messages) == 0 {
			r.Fail(errChats)
		}
		if r.Err() != nil {
			return
		}
		last = user
		c.sent[user] = messages
		c.count(user, messages, 1)
	}
}

// addChatInbound records a message to a chat. It opens no window of the user's own.
func (s *numberState) addChatInbound(chat ChatKey, at uint32) result {
	if !s.chats.isNewInbound(chat, at) {
		return repeated
	}
	users := slices.Sorted(maps.Keys(s.chats.of[chat]))
	if len(users) > 0 {
		defer s.portfolio.beginAll(s, users...).end()
	}
	s.before.reset()
	s.appendSamplesOf(users, &s.before)
	s.chats.addInbound(s.windows, chat, at)
	s.after.reset()
	s.appendSamplesOf(users, &s.after)
	s.series.replace(&s.before, &s.after)
	s.dirty = true
	return changed
}

// appendSamplesOf appends the samples of some users, in order, and updates what their overflow histories derive.
func (s *numberState) appendSamplesOf(users []key, to *samples) {
	for _, user := range users {
		p := s.users.shard(user)
		i, found := p.find(user.rank())
		if !found {
			continue
		}
		is := p.slots[i]
		s.load(p, is, &s.scratch)
		counted, opened := s.appendSamples(&s.scratch, to)
		if is.isOverflow() {
			b := p.overflow(is)
			b[overflowCounted], b[overflowOpened] = counted, opened
		}
	}
	for on := range to {
		slices.Sort(to[on])
	}
}
