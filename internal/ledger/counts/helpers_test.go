package counts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"pgregory.net/rapid"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/codec"
)

// disk is what is left when a process ends: the rows of records and of a snapshot.
type disk struct {
	cut     uint64
	records [][]byte
	rows    map[string][]byte
}

func newDisk() *disk { return &disk{rows: map[string][]byte{}} }

// applier gives records to a machine as a ledger does, and keeps them on a disk.
type applier struct {
	*Machine
	disk     *disk
	told     []func(string)
	applying sync.Mutex
}

func newApplier() *applier { return &applier{Machine: NewMachine(), disk: newDisk()} }

type fataler interface {
	Helper()
	Fatal(...any)
}

// openTest is what follows from a disk.
func openTest(t fataler, d *disk) *applier {
	t.Helper()
	var rows []Row
	for _, k := range slices.Sorted(maps.Keys(d.rows)) {
		rows = append(rows, Row{[]byte(k), d.rows[k]})
	}
	m, err := Restore(rowsOf(rows), oneByOne)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range d.records[m.Position()-d.cut:] {
		var r Round
		if err := r.ReadRow(row); err != nil {
			t.Fatal(err)
		}
		m.Apply(m.Position()+1, &r)
	}
	return &applier{Machine: m, disk: d}
}

// rowOf is the row of a round of one record.
func rowOf(r *Record) []byte { return (&Round{Records: []*Record{r}}).AppendRow(nil) }

// readOne reads the record of a round of one.
func (rec *Record) readOne(row []byte) error {
	r := Round{Records: []*Record{rec}}
	err := r.ReadRow(row)
	if err == nil && len(r.Records) != 1 {
		err = fmt.Errorf("%d records", len(r.Records))
	}
	return err
}

// applyOne applies a round of one record.
func applyOne(m *Machine, r *Record) Applied {
	return m.Apply(m.Position()+1, &Round{Records: []*Record{r}})[0]
}

func (a *applier) apply(r *Record) Applied {
	a.applying.Lock()
	defer a.applying.Unlock()
	a.disk.records = append(a.disk.records, rowOf(r))
	applied := applyOne(a.Machine, r)
	for _, subject := range applied.Changed {
		for _, form := range a.Forms(subject) {
			for _, tell := range a.told {
				tell(form)
			}
		}
	}
	return applied
}

func (a *applier) Subscribe(tell func(string)) { a.told = append(a.told, tell) }

func (a *applier) Close() error { return nil }

// Snapshot sweeps and saves.
func (a *applier) Snapshot(_ context.Context, now time.Time) error {
	a.Sweep(now)
	a.save()
	return nil
}

// save keeps the rows of a snapshot, and returns how many there were.
func (a *applier) save() (n int) {
	a.applying.Lock()
	c := a.Capture(false)
	a.applying.Unlock()
	for row := range c.Rows() {
		if row.Value == nil {
			maps.DeleteFunc(a.disk.rows, func(k string, _ []byte) bool { return strings.HasPrefix(k, string(row.Key)) })
		} else {
			a.disk.rows[string(row.Key)] = bytes.Clone(row.Value)
		}
		n++
	}
	a.applying.Lock()
	defer a.applying.Unlock()
	c.End(true)
	a.disk.records = slices.Clone(a.disk.records[c.Position()-a.disk.cut:])
	a.disk.cut = c.Position()
	return n
}

func (a *applier) Append(ctx context.Context, batch Batch, now time.Time) (Outcome, error) {
	if err := errors.Join(ctx.Err(), batch.Validate(now)); err != nil {
		return Outcome{}, err
	}
	return a.apply(&Record{Clock: now.UnixMilli(), Batch: batch}).Outcome, nil
}

func (a *applier) Configure(number string, windows Windows) error {
	w := NumberWindows{number, windows}
	err := w.Validate()
	if err == nil {
		a.apply(&Record{Windows: []NumberWindows{w}})
	}
	return err
}

func (a *applier) Group(name string, numbers []string) error {
	p := Portfolio{name, numbers}
	err := p.Validate()
	if err == nil {
		a.apply(&Record{Portfolios: []Portfolio{p}})
	}
	return err
}

func (a *applier) Claim(id, number string) error {
	c := Claim{id, number}
	err := c.Validate()
	if err == nil {
		a.apply(&Record{Claims: []Claim{c}})
	}
	return err
}

// Sweep sweeps to the end, as if so much had been recorded by then.
func (a *applier) Sweep(now time.Time) {
	a.applying.Lock()
	defer a.applying.Unlock()
	a.advance(now.UnixMilli())
	a.horizon = max(a.horizon, a.oldest())
	a.sweep = sweep{}
	a.sweepStep()
	for a.sweep.begun != 0 {
		a.sweepStep()
	}
}

// all are the numbers' numbers, by number.
func (m *Machine) all() (all []*numberState) {
	for _, number := range m.sortedNumbers() {
		all = append(all, m.numbers[number])
	}
	return all
}

// snapshot are the rows of a snapshot.
func (m *Machine) snapshot(all bool) []Row {
	c := m.Capture(all)
	defer c.End(true)
	return slices.Collect(c.Rows())
}

// restored is a machine that is restored from a snapshot.
func (m *Machine) restored(t fataler) *Machine {
	t.Helper()
	is, err := Restore(rowsOf(m.snapshot(true)), oneByOne)
	if err != nil {
		t.Fatal(err)
	}
	return is
}

func oneByOne(n int, task func(int)) {
	for i := range n {
		task(i)
	}
}

func rowsOf(rows []Row) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// describe is everything that can be asked of a machine, for comparisons.
func describe(m *applier) string {
	var b strings.Builder
	for _, s := range m.all() {
		fmt.Fprintln(&b, s.number, s.windows, s.sequence, s.reports)
		b.WriteString(s.series.describe())
	}
	return b.String()
}

func (l *seriesSet) describe() string {
	var b strings.Builder
	for _, line := range l {
		var second uint32
		var t tally
		for _, c := range line.chunks {
			for _, k := range c.buckets {
				if at := c.start + k.offset(); at != second {
					fmt.Fprint(&b, second, t, " ")
					second, t = at, tally{}
				}
				t.add(k.tally())
			}
		}
		fmt.Fprintln(&b, second, t)
	}
	return b.String()
}

const (
	number = "+15550100001"
	day    = 24 * 60 * 60

	Users         = v1alpha1.MeasureUniqueUsers
	Conversations = v1alpha1.MeasureConversations
	Messages      = v1alpha1.MeasureMessages
	Reached       = v1alpha1.MeasureReached
	Complaining   = v1alpha1.MeasureComplaining
)

var begin = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// decodedPart is the shard of a row.
func decodedPart(depth uint8, prefix key, row []byte) (*shard, error) {
	p := &shard{depth: depth, prefix: prefix}
	if err := p.decode(row, false); err != nil {
		return nil, err
	}
	return p, nil
}

// someWindows are windows that make the edges of events meet.
func someWindows(t *rapid.T) Windows {
	length := rapid.SampledFrom([]time.Duration{24 * time.Hour, time.Hour, 72 * time.Hour, time.Second, 0})
	return Windows{
		Service: length.Draw(t, "service"), Conversation: length.Draw(t, "conversation"), CountReached: rapid.Bool().Draw(t, "reach"),
	}
}

// someComplaint is one of a few.
func someComplaint(t *rapid.T) Complaint {
	return rapid.SampledFrom([]Complaint{
		NewComplaint(v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam), NewComplaint(v1alpha1.FeedbackBlock, v1alpha1.FeedbackOther),
		NewComplaint(v1alpha1.FeedbackArchive, v1alpha1.FeedbackNoLongerNeeded),
	}).Draw(t, "did")
}

// someWord has some entries be a reply or of a chat.
func someWord(t *rapid.T, e *Entry) {
	e.Reply = e.Kind == Delivered && rapid.IntRange(0, 5).Draw(t, "reply") == 0
	if e.Kind == Delivered {
		e.Category = rapid.SampledFrom([]Category{NoCategory, NoCategory, Marketing, OtherCategory}).Draw(t, "category")
	}
	if e.Kind.inChat() && rapid.IntRange(0, 3).Draw(t, "in chat") == 0 {
		e.Chat = ChatKey(rapid.Uint64Range(1, 2).Draw(t, "chat"))
	}
}

// sealed gives a row a right checksum, so that what is behind it is reached too.
func sealed(body []byte) []byte { return codec.Seal(bytes.Clone(body)) }

func body(row []byte) []byte { return row[:len(row)-codec.ChecksumSize] }

// halves are the shards of a number by depth and prefix, each of nobody.
func partsOf(names ...[2]uint64) (parts []*shard, depth uint8) {
	for _, name := range names {
		depth = max(depth, uint8(name[0]))
	}
	for _, name := range names {
		p := newShard(uint8(name[0]), key(name[1]), begin.Unix(), nil)
		for range 1 << (depth - p.depth) {
			parts = append(parts, p)
		}
	}
	return parts, depth
}

// toSave is how many rows of a number the next snapshot has.
func toSave(s *numberState) (n int) {
	for _, p := range s.users.all() {
		if p.dirty {
			n++
		}
	}
	if s.dirty || s.users.dirty {
		n++
	}
	return n
}

// saved has all rows of a number be saved.
func saved(s *numberState) {
	s.dirty, s.users.dirty, s.users.dropped = false, false, false
	for _, p := range s.users.all() {
		p.dirty = false
	}
}

// sweepAll sweeps all shards of a number.
func sweepAll(s *numberState, horizon int64) {
	for _, next := s.sweepFrom(0, horizon); next > 0; _, next = s.sweepFrom(next, horizon) {
	}
}

// sweepRings sweeps all shards of what a portfolio knows of keys.
func sweepRings(g *portfolioState) {
	for _, next := g.sweep(0); next > 0; _, next = g.sweep(next) {
	}
}
