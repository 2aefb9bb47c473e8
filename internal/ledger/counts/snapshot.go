package counts

import (
	"encoding/binary"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
)

// A snapshot is what a machine knows at a position of the log, in rows: one of its own, then by number one of the number's own and those
// of its parts. Machines that applied the same records have the same rows. What follows from other rows is in none.
//
// The store of snapshots keeps the rows of the last one. Of the next it is given those that changed, so that its cost follows from what was
// recorded, not from what is known.

// Row is a row of a snapshot. Rows come in the order of their keys. One without a value says that the rows before, whose keys begin
// with its own, are none any more.
type Row struct {
	Key, Value []byte
}

// The keys of rows: of the machine itself, and of a number, with the first of a part's keys after it.
var machineKey = []byte{0}

func numberKey(number string) []byte { return append([]byte{1, byte(len(number))}, number...) }

func shardKey(number string, p *shard) []byte {
	return binary.BigEndian.AppendUint64(numberKey(number), uint64(p.prefix)<<(64-p.depth))
}

// Capture is a snapshot under way. What it has still to hand out is handed out as it was when it was made: parts that change meanwhile
// are saved first.
type Capture struct {
	machine  *Machine
	position uint64
	rows     []captured
	absorbed int // of the machine's, that the snapshot tells of

	mu    sync.Mutex
	saved map[*shard][]byte // parts that changed before they were handed out
}

// captured is a row to be handed out: its value, or what it is made of.
type captured struct {
	key, value []byte
	number     *numberState
	shard      *shard
}

// Capture begins a snapshot: of all that is known, or of what changed since the last one that was kept. One is under way at a time.
func (m *Machine) Capture(all bool) *Capture {
	c := &Capture{machine: m, position: m.position, absorbed: len(m.absorbed), saved: map[*shard][]byte{}}
	for _, number := range m.absorbed {
		c.rows = append(c.rows, captured{key: numberKey(number)})
	}
	c.rows = append(c.rows, captured{key: machineKey, value: m.encode()})
	for _, number := range m.sortedNumbers() {
		c.add(m.numbers[number], all)
	}
	slices.SortStableFunc(c.rows, func(a, b captured) int { return slices.Compare(a.key, b.key) })
	return c
}

func (c *Capture) add(s *numberState, all bool) {
	s.lock()
	defer s.unlock()
	dropped := s.dropped && !all
	if dropped {
		c.rows = append(c.rows, captured{key: numberKey(s.number), number: s})
	}
	if all || s.dirty || s.users.dirty || dropped {
		c.rows = append(c.rows, captured{key: numberKey(s.number), value: s.encode(), number: s})
	}
	for _, p := range s.users.all() {
		if all || p.dirty || dropped {
			c.rows = append(c.rows, captured{key: shardKey(s.number, p), number: s, shard: p})
			p.capture = c
			p.dirty = p.dirty && all
		}
	}
	if !all {
		s.dirty, s.users.dirty, s.dropped = false, false, false
	}
}

// Position is that of the last record that the snapshot has.
func (c *Capture) Position() uint64 { return c.position }

// Rows are the rows, which may be read once, and beside Apply.
func (c *Capture) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for _, r := range c.rows {
			if !yield(Row{r.key, c.value(r)}) {
				return
			}
		}
	}
}

func (c *Capture) value(r captured) []byte {
	if r.shard == nil {
		return r.value
	}
	r.number.rlock()
	defer r.number.runlock()
	if r.shard.capture == c {
		r.shard.capture = nil
		return r.shard.encode()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	row := c.saved[r.shard]
	delete(c.saved, r.shard)
	return row
}

// save saves a part as it is now. Its number is locked.
func (c *Capture) save(p *shard) {
	p.capture = nil
	c.mu.Lock()
	defer c.mu.Unlock()
	c.saved[p] = p.encode()
}

// End ends the snapshot. If its rows were not kept, the next one has them as well. No record is applied meanwhile.
func (c *Capture) End(kept bool) {
	if kept {
		c.machine.absorbed = slices.Clone(c.machine.absorbed[c.absorbed:])
	}
	for _, r := range c.rows {
		switch {
		case r.shard != nil:
			r.shard.capture = nil
			r.shard.dirty = r.shard.dirty || !kept
		case r.number == nil: // the machine's own row is always handed out
		case r.value != nil:
			r.number.dirty = r.number.dirty || !kept
		default:
			r.number.dropped = r.number.dropped || !kept
		}
	}
}

const machineVersion = 1 // of the machine's own row

// encode is the machine's own row.
func (m *Machine) encode() []byte {
	row := binary.AppendUvarint([]byte{machineVersion}, m.position)
	row = binary.AppendVarint(row, m.time)
	row = binary.AppendVarint(row, m.horizon)
	row = m.sweep.encode(row)
	row = appendNames(row, m.displayed)
	aliases := map[string]string{}
	for name, s := range m.numbers {
		if name != s.number {
			aliases[name] = s.number
		}
	}
	row = appendNames(row, aliases)
	row = binary.AppendUvarint(row, uint64(len(m.portfolios)))
	for _, name := range slices.Sorted(maps.Keys(m.portfolios)) {
		p := Portfolio{Name: name}
		for _, s := range m.portfolios[name].members {
			p.Numbers = append(p.Numbers, s.number)
		}
		row = appendPortfolio(row, p)
	}
	return codec.Seal(row)
}

func (w *sweep) encode(row []byte) []byte {
	row = binary.AppendVarint(row, w.begun)
	row = binary.AppendVarint(row, w.done)
	var portfolios byte
	if w.portfolios {
		portfolios = 1
	}
	row = codec.AppendString(append(row, portfolios), w.name)
	return binary.AppendUvarint(row, uint64(w.from))
}

func (w *sweep) decode(r *reader) {
	w.begun, w.done = r.Varint(), r.Varint()
	w.portfolios, w.name = r.Byte() == 1, r.String()
	if w.from = key(r.Uvarint()); w.from > keyMask {
		r.Fail(errors.New("its sweep is at no key"))
	}
}

// appendNames appends what each of some names stands for.
func appendNames(row []byte, names map[string]string) []byte {
	row = binary.AppendUvarint(row, uint64(len(names)))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		row = codec.AppendString(codec.AppendString(row, name), names[name])
	}
	return row
}

func (r *reader) names() map[string]string {
	names := map[string]string{}
	for range r.Count(2) {
		name, is := r.String(), r.String()
		if name == "" || is == "" || len(name) > maxNumber || len(is) > maxNumber {
			r.Fail(errors.New("a name is impossible"))
		}
		names[name] = is
	}
	return names
}
