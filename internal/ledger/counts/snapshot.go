package counts

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"numberfleet.dev/numberfleet/internal/report"
)

// A snapshot saves every number as it is at one moment, each at another, and then cuts the journal at a position that
// all of these moments lie after. What the journal repeats from there changes nothing, as a number's state is a function
// of the set of its events.
//
// The parts of a number are saved as rows under a new generation, and the number's own row names them. So nothing that
// counts is overwritten: a snapshot takes effect with the one synced batch that replaces the rows of the numbers, and
// one that ends early leaves rows that nothing names, which are removed later.

// rowName tells a saved part.
type rowName struct {
	depth      uint8
	prefix     key
	generation uint64
}

// capture is what a snapshot under way saves of a number.
type capture struct {
	number     string
	generation uint64
	manifest   []byte
	rows       []rowName
	parts      []*part // to be saved
	queue      []savedPart
}

type savedPart struct {
	name rowName
	row  []byte
}

// capture begins to save the number as it is now; nil if nothing has changed since it was last saved.
func (s *scope) capture(generation uint64) *capture {
	s.lock()
	defer s.unlock()
	c := &capture{number: s.number, generation: generation}
	for _, p := range s.all() {
		if p.dirty {
			p.dirty, p.pending, p.saved = false, true, generation
			c.parts = append(c.parts, p)
		}
		c.rows = append(c.rows, rowName{p.depth, p.prefix, p.saved})
	}
	if len(c.parts) == 0 && !s.dirty {
		return nil
	}
	c.manifest = s.encode(c.rows)
	s.dirty = false
	s.saving = c
	return c
}

// save saves a part as it is now. The scope is locked.
func (c *capture) save(p *part) {
	c.queue = append(c.queue, savedPart{rowName{p.depth, p.prefix, c.generation}, p.encode()})
	p.pending = false
}

// next is some of what is to be written, none at the end.
func (s *scope) next(c *capture) []savedPart {
	s.lock()
	defer s.unlock()
	for len(c.queue) == 0 && len(c.parts) > 0 {
		if p := c.parts[0]; p.pending {
			c.save(p)
		}
		c.parts = c.parts[1:]
	}
	queue := c.queue
	c.queue = nil
	return queue
}

// finish ends a capture. If it was not committed, all of it is to be saved by the next.
func (s *scope) finish(c *capture, committed bool) {
	s.lock()
	defer s.unlock()
	s.saving = nil
	if committed {
		s.rows = c.rows
		return
	}
	s.dirty = true
	for _, p := range s.parts {
		if p.saved == c.generation {
			p.dirty, p.pending = true, false
		}
	}
}

// Snapshot sweeps what is over at now, writes what changed since the last snapshot, and cuts the journal. Appends go on
// meanwhile. An error leaves all as it was, and the ledger goes on.
func (e *Embedded) Snapshot(ctx context.Context, now time.Time) error {
	e.Sweep(now)
	if e.db == nil {
		return nil
	}
	e.snapshots.Lock()
	defer e.snapshots.Unlock()

	// With no append under way, all that is in the journal has been counted.
	e.flight.Lock()
	position, size := e.rows.next, e.journaled.Load()
	closed := e.closed
	e.flight.Unlock()
	if closed {
		return ErrClosed
	}

	e.generation++
	captures := map[*scope]*capture{}
	var written [][]byte
	err := e.save(ctx, position, captures, &written)
	for s, c := range captures {
		s.finish(c, err == nil)
	}
	if err != nil {
		e.orphans = append(e.orphans, written...)
		return fmt.Errorf("snapshot: %w", err)
	}
	e.orphans, e.absorbed = nil, nil
	e.journaled.Add(-size)
	return nil
}

func (e *Embedded) save(ctx context.Context, position uint64, captures map[*scope]*capture, written *[][]byte) error {
	if err := e.db.Set(attemptKey, binary.BigEndian.AppendUint64(nil, e.generation), pebble.NoSync); err != nil {
		return err
	}
	last := e.db.NewBatch()
	defer func() { _ = last.Close() }()
	for _, s := range e.all() {
		c := s.capture(e.generation)
		if c == nil {
			continue
		}
		captures[s] = c
		for queue := s.next(c); len(queue) > 0; queue = s.next(c) {
			if err := errors.Join(ctx.Err(), e.step("row")); err != nil {
				return err
			}
			for _, q := range queue {
				k := partKey(c.number, q.name)
				*written = append(*written, k)
				if err := e.db.Set(k, q.row, pebble.NoSync); err != nil {
					return err
				}
			}
		}
		if err := last.Set(numberKey(c.number), c.manifest, nil); err != nil {
			return err
		}
		kept := map[rowName]bool{}
		for _, name := range c.rows {
			kept[name] = true
		}
		for _, name := range s.rows {
			if !kept[name] {
				if err := last.Delete(partKey(c.number, name), nil); err != nil {
					return err
				}
			}
		}
	}
	if err := e.saveNames(last); err != nil {
		return err
	}
	for _, k := range e.orphans {
		if err := last.Delete(k, nil); err != nil {
			return err
		}
	}
	if err := last.Set(positionKey, encodePosition(position, e.generation), nil); err != nil {
		return err
	}
	if err := last.DeleteRange(journalKey(0), journalKey(position), nil); err != nil {
		return err
	}
	if err := e.step("commit"); err != nil {
		return err
	}
	return last.Commit(pebble.Sync)
}

func encodePosition(position, generation uint64) []byte {
	row := binary.AppendUvarint([]byte{codecVersion}, position)
	return seal(binary.AppendUvarint(row, generation))
}

func decodePosition(row []byte) (position, generation uint64, err error) {
	r := unseal(row)
	position, generation = r.uvarint(), r.uvarint()
	return position, generation, r.end()
}

// encode is the number's own row: all but its parts, which it names.
func (s *scope) encode(rows []rowName) []byte {
	row := binary.AppendVarint([]byte{codecVersion}, s.horizon)
	row = appendWindows(row, s.windows)
	row = binary.AppendUvarint(row, uint64(s.sequence))
	row = binary.AppendUvarint(row, uint64(len(s.reports)))
	for _, r := range s.reports {
		row = binary.AppendUvarint(row, uint64(r.Sequence))
		row = appendReport(row, r)
	}
	row = binary.AppendUvarint(row, uint64(len(rows)))
	for _, name := range rows {
		row = append(row, name.depth)
		row = binary.AppendUvarint(row, uint64(name.prefix))
		row = binary.AppendUvarint(row, name.generation)
	}
	// What few numbers have follows, as far as there is any.
	if len(s.complaints)+len(s.joined) == 0 && s.chats.empty() {
		return seal(row)
	}
	row = binary.AppendUvarint(row, uint64(len(s.complaints)))
	for _, user := range slices.Sorted(maps.Keys(s.complaints)) {
		row = binary.AppendUvarint(row, uint64(user))
		row = binary.AppendUvarint(row, uint64(len(s.complaints[user])))
		for _, c := range s.complaints[user] {
			row = binary.LittleEndian.AppendUint32(row, c.at)
			row = binary.LittleEndian.AppendUint32(row, c.print)
		}
	}
	if len(s.joined) == 0 && s.chats.empty() {
		return seal(row)
	}
	row = binary.AppendUvarint(row, uint64(len(s.joined)))
	for _, user := range slices.Sorted(maps.Keys(s.joined)) {
		row = binary.AppendUvarint(row, uint64(user))
		row = binary.LittleEndian.AppendUint32(row, s.joined[user])
	}
	if s.chats.empty() {
		return seal(row)
	}
	return seal(s.chats.encode(row))
}

// decode reads the number's own row. The parts are to be loaded.
func (s *scope) decode(row []byte) error {
	r := unseal(row)
	s.horizon = r.varint()
	s.windows = newLengths(r.windows())
	s.sequence = int64(r.uvarint())
	var before int64
	for range r.count(5) {
		sequence := int64(r.uvarint())
		said := r.report()
		said.Subject, said.Sequence = report.ParseSubject(s.number), sequence
		if r.err == nil && (sequence <= before || sequence > s.sequence) {
			r.fail(fmt.Errorf("a report has sequence %d after %d of %d", sequence, before, s.sequence))
		}
		before = sequence
		s.reports = append(s.reports, said)
	}
	// The parts must share out all keys: each begins where the one before it ends.
	var end key
	n := r.count(3)
	for range n {
		name := rowName{depth: r.byte(), prefix: key(r.uvarint()), generation: r.uvarint()}
		if r.err != nil {
			break
		}
		if name.depth > mostDepth || name.prefix>>name.depth != 0 || name.prefix<<(keyBits-name.depth) != end {
			r.fail(errors.New("its parts do not share out the keys"))
			break
		}
		end += 1 << (keyBits - name.depth)
		s.depth = max(s.depth, name.depth)
		s.rows = append(s.rows, name)
	}
	if r.err == nil && n > 0 && end != 1<<keyBits {
		r.fail(errors.New("its parts do not share out the keys"))
	}
	s.decodeComplaints(r)
	s.decodeJoined(r)
	s.chats.decode(r)
	if len(s.chats.sent) > 0 && len(s.rows) == 0 {
		r.fail(errChats)
	}
	return r.end()
}

// decodeComplaints and decodeJoined read the end of the number's own row, which is left out where there are none.
func (s *scope) decodeComplaints(r *reader) {
	if r.err != nil || len(r.rest) == 0 {
		return
	}
	n := r.count(10)
	s.complaints = make(map[key][]delivery, n)
	var before key
	for range n {
		user := key(r.uvarint())
		complaints := make([]delivery, r.count(8))
		for i := range complaints {
			c := delivery{at: r.uint32(), print: r.uint32()}
			valid := Complaint(c.print>>complaintShift).valid() && c.print < 1<<complaintBits
			if !valid || i > 0 && complaints[i-1].compare(c) >= 0 {
				r.fail(errComplaints)
			}
			complaints[i] = c
		}
		if user <= before || user > keyMask || len(complaints) == 0 || len(s.rows) == 0 {
			r.fail(errComplaints)
		}
		if r.err != nil {
			return
		}
		before = user
		s.complaints[user] = complaints
	}
}

func (s *scope) decodeJoined(r *reader) {
	if r.err != nil || len(r.rest) == 0 {
		return
	}
	n := r.count(5)
	s.joined = make(map[key]uint32, n)
	var before key
	for range n {
		user, at := key(r.uvarint()), r.uint32()
		if user <= before || user > keyMask || at == 0 || len(s.rows) == 0 {
			r.fail(errors.New("its joined users are impossible"))
		}
		if r.err != nil {
			return
		}
		before = user
		s.joined[user] = at
	}
}

var errComplaints = errors.New("its complaints are impossible")

// partVersion is the version of a part's row. In version 1 fingerprints have one more bit, the lowest, and no delivery is a reply.
const partVersion = 2

// fromVersion1 is a slot of version 1.
func (s slot) fromVersion1() slot {
	if s[1]&delivered == 0 {
		return s
	}
	print := uint64(uint32(s[1]>>48)<<(64-keyBits)|uint32(s[0]&lowPrint)) >> 1
	s[0] = s[0]&^lowPrint | print&lowPrint
	s[1] = s[1]&(replied-1) | print>>(64-keyBits)<<49
	return s
}

// encode is the row of a part: its slots in use and the blocks they refer to. What follows from these and the windows is
// left out.
func (p *part) encode() []byte {
	row := make([]byte, 0, 32+16*p.used+4*p.words+checksumSize)
	row = binary.AppendVarint(append(row, partVersion), p.horizon)
	row = binary.AppendUvarint(row, uint64(p.used))
	for _, s := range p.slots {
		if s.empty() {
			continue
		}
		if s.isBlock() {
			s = blockSlot(s.rank(), 0)
		}
		row = binary.LittleEndian.AppendUint64(row, s[0])
		row = binary.LittleEndian.AppendUint64(row, s[1])
	}
	for _, s := range p.slots {
		if !s.isBlock() {
			continue
		}
		b := p.block(s)
		row = binary.AppendUvarint(row, uint64(b.deliveries()))
		row = binary.AppendUvarint(row, uint64(b.inbounds()))
		for _, word := range b[blockHeader : blockHeader+2*b.deliveries()] {
			row = binary.LittleEndian.AppendUint32(row, word)
		}
		for i := range b.inbounds() {
			row = binary.LittleEndian.AppendUint32(row, b.inbound(i))
		}
	}
	return seal(row)
}

var errPart = errors.New("what it says is impossible")

// decodePart reads the row of a part.
func decodePart(depth uint8, prefix key, row []byte) (*part, error) {
	r := unsealUpTo(row, partVersion)
	p := &part{depth: depth, prefix: prefix, horizon: r.varint()}
	used := make([]slot, r.count(16))
	for i := range used {
		s := slot{r.uint64(), r.uint64()}
		if r.version < partVersion && s.inline() {
			s = s.fromVersion1()
		}
		used[i] = s
		rightOrder := i == 0 || used[i-1].rank() < s.rank()
		rightPart := s.rank().key()>>(keyBits-depth) == prefix
		rightForm := s.inline() || s == blockSlot(s.rank(), 0) ||
			s == aliasSlot(s.rank(), s.alias()) && s.alias() < s.rank().key()
		if r.err != nil || !rightOrder || !rightPart || !rightForm {
			r.fail(errPart)
			return nil, r.err
		}
	}
	base, end := p.base(), min(p.base()+timeMask, maxTime)
	for i, s := range used {
		if !s.isBlock() {
			continue
		}
		deliveries, inbounds := r.count(8), r.count(4)
		if r.err != nil || 8*deliveries+4*inbounds > len(r.rest) {
			r.fail(errPart)
			return nil, r.err
		}
		place := p.allocate(blockWords(deliveries, inbounds))
		used[i] = blockSlot(s.rank(), place)
		b := p.block(used[i])
		within := func(at, before uint32) {
			if int64(at) < base || int64(at) > end || at < before {
				r.fail(errPart)
			}
		}
		var before uint32
		for range deliveries {
			at, word := r.uint32(), r.uint32()
			if r.version < partVersion {
				word >>= 1
			}
			d := newDelivery(at, word)
			if d.word() != word || d.awaited && !d.reply {
				r.fail(errPart)
			}
			within(d.at, before)
			before = d.at
			b.pushDelivery(d)
		}
		before = 0
		for range inbounds {
			at := r.uint32()
			within(at, before)
			before = at
			b.pushInbound(at)
		}
		if deliveries <= 1 && inbounds <= 1 && (deliveries == 0 || !b.delivery(0).awaited) {
			r.fail(errPart) // a slot holds it
		}
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	p.place(used, len(used), roomy(len(used)))
	return p, nil
}
