package counts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"numberfleet.dev/numberfleet/internal/report"
)

// record is what one row of the journal holds: a batch, windows that were configured, or names that numbers were given.
type record struct {
	entries []Entry
	reports []report.Report // without sequences: these follow from the journal's order
	windows []configured
	links   []link
}

type configured struct {
	number  string
	windows Windows
}

// An entry is at least the flags, a number, a user and a time.
const leastEntry = 1 + 1 + 8 + 1

const (
	flagAlias   = 1 << 7
	flagMessage = 1 << 6
	flagReply   = 1 << 5 // older rows have neither this
	flagChat    = 1 << 4 // nor this
	kindMask    = flagChat - 1
)

// encode appends the row of a record. Numbers are written once and times as differences, so that an entry of a large
// batch takes about 20 bytes.
func (rec *record) encode(row []byte) []byte {
	row = append(row, codecVersion)
	var numbers []string
	index := map[string]int{}
	intern := func(number string) int {
		if n := len(numbers); n > 0 && numbers[n-1] == number {
			return n - 1
		}
		i, found := index[number]
		if !found {
			i = len(numbers)
			index[number] = i
			numbers = append(numbers, number)
		}
		return i
	}
	for i := range rec.entries {
		intern(rec.entries[i].Number)
	}
	for i := range rec.reports {
		intern(rec.reports[i].Subject.String())
	}
	for i := range rec.windows {
		intern(rec.windows[i].number)
	}
	for _, l := range rec.links {
		intern(l.name)
		intern(l.number)
	}
	row = binary.AppendUvarint(row, uint64(len(numbers)))
	for _, number := range numbers {
		row = appendString(row, number)
	}

	row = binary.AppendUvarint(row, uint64(len(rec.entries)))
	var at int64
	for i := range rec.entries {
		entry := &rec.entries[i]
		flags := byte(entry.Kind) // a complaint follows it, of which older rows have none
		if entry.Alias != 0 {
			flags |= flagAlias
		}
		if entry.Message != 0 {
			flags |= flagMessage
		}
		if entry.Reply {
			flags |= flagReply
		}
		if entry.Chat != 0 {
			flags |= flagChat
		}
		row = append(row, flags)
		if entry.Kind == Complained {
			row = append(row, byte(entry.Did))
		}
		row = binary.AppendUvarint(row, uint64(intern(entry.Number)))
		row = binary.LittleEndian.AppendUint64(row, uint64(entry.User))
		if entry.Alias != 0 {
			row = binary.LittleEndian.AppendUint64(row, uint64(entry.Alias))
		}
		if entry.Message != 0 {
			row = binary.LittleEndian.AppendUint64(row, uint64(entry.Message))
		}
		if entry.Chat != 0 {
			row = binary.LittleEndian.AppendUint64(row, uint64(entry.Chat))
		}
		row = binary.AppendVarint(row, entry.At-at)
		at = entry.At
	}

	row = binary.AppendUvarint(row, uint64(len(rec.reports)))
	for _, r := range rec.reports {
		row = binary.AppendUvarint(row, uint64(intern(r.Subject.String())))
		row = appendReport(row, r)
	}
	row = binary.AppendUvarint(row, uint64(len(rec.windows)))
	for _, w := range rec.windows {
		row = binary.AppendUvarint(row, uint64(intern(w.number)))
		row = appendWindows(row, newLengths(w.windows))
	}
	if len(rec.links) == 0 { // as in older rows
		return seal(row)
	}
	row = binary.AppendUvarint(row, uint64(len(rec.links)))
	for _, l := range rec.links {
		row = binary.AppendUvarint(row, uint64(intern(l.name)))
		row = binary.AppendUvarint(row, uint64(intern(l.number)))
	}
	return seal(row)
}

// decode reads a row into the record, whose slices it reuses.
func (rec *record) decode(row []byte) error {
	rec.entries, rec.reports, rec.windows, rec.links = rec.entries[:0], rec.reports[:0], rec.windows[:0], rec.links[:0]
	r := unseal(row)
	numbers := make([]string, r.count(1))
	for i := range numbers {
		numbers[i] = r.string()
	}
	number := func() string {
		i := r.uvarint()
		if i >= uint64(len(numbers)) {
			r.fail(fmt.Errorf("it refers to number %d of %d", i, len(numbers)))
			return ""
		}
		return numbers[i]
	}
	var at int64
	n := r.count(leastEntry)
	rec.entries = slices.Grow(rec.entries, n)
	for range n {
		flags := r.byte()
		entry := Entry{Kind: Kind(flags & kindMask), Reply: flags&flagReply != 0}
		if entry.Kind == Complained {
			entry.Did = Complaint(r.byte())
		}
		entry.Number, entry.User = number(), UserKey(r.uint64())
		if flags&flagAlias != 0 {
			entry.Alias = UserKey(r.uint64())
		}
		if flags&flagMessage != 0 {
			entry.Message = MessageKey(r.uint64())
		}
		if flags&flagChat != 0 {
			entry.Chat = ChatKey(r.uint64())
		}
		at += r.varint()
		entry.At = at
		if r.err == nil && (entry.Kind < Delivered || entry.Kind > Replied || at <= 0 || at > maxTime) {
			r.fail(fmt.Errorf("an entry has kind %d and time %d", entry.Kind, at))
		}
		if r.err == nil && entry.Kind == Complained && !entry.Did.valid() {
			r.fail(fmt.Errorf("an entry has complaint %d", entry.Did))
		}
		if r.err == nil && entry.Kind == Joined && entry.Alias == 0 {
			r.fail(errors.New("an entry joins a user with nobody"))
		}
		if r.err == nil && entry.Reply && entry.Kind != Delivered {
			r.fail(fmt.Errorf("an entry of kind %d is a reply", entry.Kind))
		}
		if r.err == nil && flags&flagChat != 0 && (entry.Chat == 0 || !entry.Kind.inChat()) {
			r.fail(fmt.Errorf("an entry of kind %d is of chat %d", entry.Kind, entry.Chat))
		}
		rec.entries = append(rec.entries, entry)
	}
	for range r.count(4) {
		to := number()
		said := r.report()
		said.Subject = report.ParseSubject(to)
		rec.reports = append(rec.reports, said)
	}
	for range r.count(3) {
		to, w := number(), r.windows()
		rec.windows = append(rec.windows, configured{to, w})
	}
	if r.err == nil && len(r.rest) > 0 {
		n := r.count(2)
		if n == 0 {
			r.fail(errors.New("it ends with no names"))
		}
		for range n {
			l := link{number(), number()}
			if r.err == nil && (l.name == "" || l.number == "" || l.name == l.number) {
				r.fail(errors.New("a name is no other than the number's own"))
			}
			rec.links = append(rec.links, l)
		}
	}
	return r.end()
}

// endMark before a kind, which begins with none, says that the end of what is reported follows. Older rows have no ends.
const endMark = "\x00"

func appendReport(row []byte, r report.Report) []byte {
	if r.Until == 0 {
		row = appendString(row, string(r.Kind))
	} else {
		row = appendString(row, endMark+string(r.Kind))
		row = binary.AppendVarint(row, r.Until)
	}
	row = binary.AppendVarint(row, r.At)
	row = appendString(row, r.Value)
	return appendString(row, r.Reason)
}

func (r *reader) report() report.Report {
	var said report.Report
	kind, ends := strings.CutPrefix(r.string(), endMark)
	if ends {
		if said.Until = r.varint(); r.err == nil && said.Until == 0 {
			r.fail(errors.New("a report ends at no time"))
		}
	}
	said.Kind, said.At, said.Value, said.Reason = report.Kind(kind), r.varint(), r.string(), r.string()
	return said
}

// flagReach is added to the service window, which is shorter.
const flagReach = 1 << 32

func appendWindows(row []byte, w lengths) []byte {
	service := uint64(w.service)
	if w.reach {
		service |= flagReach
	}
	row = binary.AppendUvarint(row, service)
	return binary.AppendUvarint(row, uint64(w.conversation))
}

func (r *reader) windows() Windows {
	service, conversation := r.uvarint(), r.uvarint()
	reach := service&flagReach != 0
	service &^= flagReach
	if most := uint64(longest / time.Second); service > most || conversation > most {
		r.fail(errors.New("its windows are too long"))
		return Windows{}
	}
	return Windows{Service: time.Duration(service) * time.Second, Conversation: time.Duration(conversation) * time.Second, Reach: reach}
}
