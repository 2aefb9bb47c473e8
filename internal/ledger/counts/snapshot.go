package counts

import (
	"cmp"
	"encoding/binary"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
)

// A snapshot is what a machine knows at a position of the log, in rows: one of the machine, then of each number, and last of each portfolio,
// one of its own and one for each shard of its table; after them one of each limit. Machines to which the same records were applied have the same rows. What follows from
// other rows is in none.
//
// The store of snapshots keeps the rows of the last one. Of the next it is given those that changed, so that its cost follows from what was
// recorded, not from what is known.

// Row is a row of a snapshot. Rows come in the order of their keys. One without a value says that the rows before, whose keys begin
// with its own, are none any more.
type Row struct {
	Key, Value []byte
}

// The keys of rows begin with what they are of. That of a shard follows the key of its owner.
var machineKey = []byte{0}

const (
	numberRows    = 1
	portfolioRows = 2
	limitRows     = 3
)

func numberKey(number string) []byte  { return rowKey(numberRows, number) }
func portfolioKey(name string) []byte { return rowKey(portfolioRows, name) }
func limitKey(subject string) []byte  { return rowKey(limitRows, subject) }

func rowKey(of byte, name string) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{of}, uint16(len(name))), name...)
}

func shardKey(owner []byte, p *shard) []byte {
	return binary.BigEndian.AppendUint64(slices.Clip(owner), uint64(p.prefix)<<(64-p.depth))
}

// Capture is a snapshot under way. Its rows are as they were when it began: shards that change before they are handed out are saved first.
type Capture struct {
	machine  *Machine
	position uint64
	rows     []captured
	removed  int // of the machine's, that the snapshot tells of

	mu    sync.Mutex
	saved map[*shard][]byte // shards that changed before they were handed out
}

// captured is a row to be handed out: its value, or the shard that it is made of.
type captured struct {
	key, value []byte
	owner      counter    // of a shard: its lock
	shard      *shard     //
	table      *userTable // of a row that says that its owner's rows are none any more
	number     *numberState
	limit      *limit
}

// Capture begins a snapshot: of all that is known, or of what changed since the last one that was kept. One is under way at a time, and no
// record is applied meanwhile.
func (m *Machine) Capture(all bool) *Capture {
	c := &Capture{machine: m, position: m.position, saved: map[*shard][]byte{}}
	if !all {
		c.removed = len(m.removed)
	}
	for _, k := range m.removed[:c.removed] {
		c.rows = append(c.rows, captured{key: k})
	}
	c.rows = append(c.rows, captured{key: machineKey, value: m.encode()})
	for _, number := range m.sortedNumbers() {
		s := m.numbers[number]
		k := numberKey(number)
		if all || s.dirty || s.users.dirty {
			c.rows = append(c.rows, captured{key: k, value: s.encode(), number: s})
			s.dirty = s.dirty && all
		}
		c.add(s, k, &s.users, all)
	}
	for name, g := range m.portfolios {
		k := portfolioKey(name)
		c.rows = append(c.rows, captured{key: k, value: g.encode()})
		c.add(g, k, &g.rings.table, all)
	}
	c.addLimits(all)
	slices.SortStableFunc(c.rows, func(a, b captured) int {
		return cmp.Or(slices.Compare(a.key, b.key), cmp.Compare(len(a.value), len(b.value))) // what removes rows comes before them
	})
	return c
}

// addLimits adds the limits. Whoever asks how they stand meanwhile copies them.
func (c *Capture) addLimits(all bool) {
	g := &c.machine.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	reservations := g.reservations.bySubject()
	for subject, l := range g.limits {
		if all || l.dirty {
			c.rows = append(c.rows, captured{key: limitKey(subject), value: l.encode(reservations[subject]), limit: l})
			l.dirty = l.dirty && all
		}
	}
}

// add adds the shards of a table.
func (c *Capture) add(owner counter, k []byte, t *userTable, all bool) {
	if t.dropped && !all {
		c.rows = append(c.rows, captured{key: k, table: t})
	}
	for _, p := range t.all() {
		if all || p.dirty {
			c.rows = append(c.rows, captured{key: shardKey(k, p), owner: owner, shard: p})
			p.capture = c
			p.dirty = p.dirty && all
		}
	}
	t.dirty, t.dropped = t.dirty && all, t.dropped && all
}

// Position is that of the last record that the snapshot has.
func (c *Capture) Position() uint64 { return c.position }

// Rows are the rows, which may be read once, and beside Apply.
func (c *Capture) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		var removed []byte
		for _, r := range c.rows {
			row := Row{r.key, c.value(r)}
			if row.Value == nil {
				if slices.Equal(removed, row.Key) {
					continue
				}
				removed = row.Key
			}
			if !yield(row) {
				return
			}
		}
	}
}

func (c *Capture) value(r captured) []byte {
	if r.shard == nil {
		return r.value
	}
	r.owner.rlock()
	defer r.owner.runlock()
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

// save saves a shard as it is now. Its owner is locked.
func (c *Capture) save(p *shard) {
	p.capture = nil
	c.mu.Lock()
	defer c.mu.Unlock()
	c.saved[p] = p.encode()
}

// End ends the snapshot. If its rows were not kept, the next one has them as well. No record is applied meanwhile.
func (c *Capture) End(kept bool) {
	if kept {
		c.machine.removed = slices.Clone(c.machine.removed[c.removed:])
	}
	c.machine.gate.mu.Lock()
	defer c.machine.gate.mu.Unlock()
	for _, r := range c.rows {
		switch {
		case r.shard != nil:
			r.shard.capture = nil
			r.shard.dirty = r.shard.dirty || !kept
		case r.table != nil:
			r.table.dropped = r.table.dropped || !kept
		case r.number != nil:
			r.number.dirty = r.number.dirty || !kept
		case r.limit != nil:
			r.limit.dirty = r.limit.dirty || !kept
		}
	}
}

// Versions of rows of the machine and of portfolios.
const (
	machineVersion   = 3 // version 1 has neither templates nor pools, version 2 knows of one proposer only
	portfolioVersion = 1
	limitVersion     = 3 // version 1 lets nothing through unreserved; version 2 has the times of reservations in seconds
)

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
	row = binary.AppendUvarint(row, uint64(len(m.gate.templates)))
	for _, name := range slices.Sorted(maps.Keys(m.gate.templates)) {
		t := m.gate.templates[name]
		row = t.appendRow(row)
	}
	row = binary.AppendUvarint(row, uint64(len(m.gate.pools)))
	for _, name := range slices.Sorted(maps.Keys(m.gate.pools)) {
		p := m.gate.pools[name]
		row = p.appendRow(row)
	}
	row = binary.AppendVarint(row, m.present.Load())
	return codec.Seal(m.gate.owners.encode(m.shared.encode(row)))
}

// encode is the portfolio's own row.
func (g *portfolioState) encode() []byte {
	row := binary.AppendUvarint([]byte{portfolioVersion}, uint64(len(g.members)))
	for _, s := range g.members {
		row = codec.AppendString(row, s.number)
	}
	return codec.Seal(g.rings.table.appendShards(row))
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
