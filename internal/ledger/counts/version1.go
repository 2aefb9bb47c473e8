package counts

import (
	"encoding/binary"
	"errors"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
)

// Version1 are the rows of a machine as it was saved before its snapshots had a row of its own: at a position, with how Meta displays
// numbers, by their ids, and with what names stand for. Those of numbers and shards are as they are now, but in version 1.
func Version1(position uint64, displayed, aliases map[string]string) Row {
	row := binary.AppendUvarint([]byte{1}, position)
	row = binary.AppendVarint(binary.AppendVarint(row, 0), 0) // no time and no horizon
	row = (&sweep{}).encode(row)
	return Row{machineKey, codec.Seal(appendNames(appendNames(row, displayed), aliases))}
}

// Version1Number is the key of the row of a number.
func Version1Number(number string) []byte { return numberKey(number) }

// Version1Shard is the key of the row of a shard of a number, of which the first key is given in the high bits.
func Version1Shard(number string, first []byte) []byte { return append(numberKey(number), first...) }

// link is a name that a number was given by a row of version 1: claims and displays do that now.
type link struct{ name, number string }

// readVersion1 reads the end of a row of version 1: windows, and links if there are any. Such a row has no clock: the time of its latest
// entry or report, which lay no further ahead than Ahead, tells what that had reached.
func (rec *Record) readVersion1(r *reader, number func() string) {
	for range r.Count(3) {
		rec.Windows = append(rec.Windows, NumberWindows{number(), r.windows()})
	}
	if r.Err() == nil && r.More() {
		n := r.Count(2)
		if n == 0 {
			r.Fail(errors.New("it ends with no names"))
		}
		for range n {
			l := link{number(), number()}
			if r.Err() == nil && (l.name == "" || l.number == "" || l.name == l.number) {
				r.Fail(errors.New("a name is no other than the number's own"))
			}
			rec.links = append(rec.links, l)
		}
	}
	var latest int64
	for i := range rec.Entries {
		latest = max(latest, rec.Entries[i].At)
	}
	for i := range rec.Reports {
		latest = max(latest, rec.Reports[i].At)
	}
	rec.Clock = max(0, latest-int64(Ahead/time.Second)) * 1000
}

// timeOfVersion1 makes log time what it was at least: numbers forget what is Kept and Lateness old.
func (m *Machine) timeOfVersion1() {
	for _, s := range m.numbers {
		m.horizon = max(m.horizon, s.horizon)
	}
	if m.horizon > 0 {
		m.time = (m.horizon + int64((Kept+Lateness)/time.Second)) * 1000
	}
	m.sweep.done = m.horizon
}

// rebuildActivity makes of what is known about users when the number was heard of.
func (s *numberState) rebuildActivity() {
	h := &s.scratch
	for _, p := range s.users.all() {
		for _, is := range p.slots {
			if is.empty() || is.isAlias() {
				continue
			}
			s.load(p, is, h)
			for _, d := range h.deliveries {
				s.activity.add(d.at)
			}
			for _, at := range h.inbounds {
				s.activity.add(at)
			}
		}
	}
	for _, times := range s.chats.written {
		for _, at := range times {
			s.activity.add(at)
		}
	}
}
