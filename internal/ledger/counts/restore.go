package counts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// Restore makes a machine of the rows of a full snapshot, in the order of their keys; without rows, one to which nothing was
// applied. A row that cannot be read, is missing or is one too many fails it: counts are right, or there are none. each runs n
// tasks, which may run in parallel.
func Restore(rows iter.Seq2[Row, error], each func(n int, task func(i int))) (*Machine, error) {
	m := NewMachine()
	in := restoration{machine: m}
	for row, err := range rows {
		if err == nil {
			err = in.row(row)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := in.complete(); err != nil {
		return nil, err
	}
	if len(in.numbers) > 0 && !in.found {
		return nil, errors.New("the row of the machine is missing")
	}
	each(len(in.numbers), func(i int) {
		s := in.numbers[i]
		if s.recount(); s.activity.last == 0 {
			s.rebuildActivity()
		}
	})
	in.bind()
	for _, l := range in.limits {
		if err := m.restoreLimit(l.subject, l.row); err != nil {
			return nil, fmt.Errorf("the row of a limit cannot be read: %w", err)
		}
	}
	if m.time == 0 {
		m.timeOfVersion1()
	}
	return m, nil
}

// restoration is a machine whose rows are being read.
type restoration struct {
	machine    *Machine
	found      bool // its own row
	aliases    map[string]string
	portfolios []*restoredPortfolio
	numbers    []*numberState
	limits     []restoredLimit

	owner   []byte   // the key of the last row that was of no shard
	name    string   // which it is in errors
	missing []*shard // of its shards
	rings   bool     // they are of rings
}

type restoredLimit struct {
	subject string
	row     []byte
}

type restoredPortfolio struct {
	portfolioState
	name    string
	numbers []string
}

func (in *restoration) row(row Row) error {
	if len(in.missing) > 0 {
		p := in.missing[0]
		in.missing = in.missing[1:]
		if !slices.Equal(row.Key, shardKey(in.owner, p)) {
			return fmt.Errorf("the row of part %s of %s is missing", p.name(), in.name)
		}
		if err := p.decode(row.Value, in.rings); err != nil {
			return fmt.Errorf("the row of part %s of %s cannot be read: %w", p.name(), in.name, err)
		}
		return nil
	}
	of, name, found := splitKey(row.Key)
	if !found && !slices.Equal(row.Key, machineKey) {
		return fmt.Errorf("the snapshot has a row too many after that of %s", in.name)
	}
	in.owner, in.name = slices.Clone(row.Key), "the number ending in "+redact(name)
	switch of {
	case portfolioRows:
		in.name = "a portfolio"
	case limitRows:
		in.name = "a limit"
	}
	var err error
	switch {
	case slices.Equal(row.Key, machineKey):
		in.name = "the machine"
		err = in.machineRow(row.Value)
	case of == numberRows:
		err = in.numberRow(name, row.Value)
	case of == limitRows:
		in.limits = append(in.limits, restoredLimit{name, slices.Clone(row.Value)})
	default:
		err = in.portfolioRow(name, row.Value)
	}
	if err != nil {
		return fmt.Errorf("the row of %s cannot be read: %w", in.name, err)
	}
	return nil
}

// complete fails if shards of the last row are missing.
func (in *restoration) complete() error {
	if len(in.missing) == 0 {
		return nil
	}
	return fmt.Errorf("the row of part %s of %s is missing", in.missing[0].name(), in.name)
}

func (in *restoration) numberRow(number string, row []byte) error {
	s := newNumberState(number, 0)
	s.dirty = false
	in.machine.numbers[number] = s
	err := s.decode(row)
	in.numbers, in.missing, in.rings = append(in.numbers, s), s.users.all(), false
	return err
}

func (in *restoration) portfolioRow(name string, row []byte) error {
	p := &restoredPortfolio{name: name}
	p.subject = name
	r := unseal(row, portfolioVersion)
	for range r.Count(1) {
		p.numbers = append(p.numbers, r.String())
	}
	p.rings.table.decodeShards(r, false)
	in.portfolios, in.missing, in.rings = append(in.portfolios, p), p.rings.table.all(), true
	return r.End()
}

func (in *restoration) machineRow(row []byte) error {
	m := in.machine
	in.found = true
	r := unseal(row, machineVersion)
	m.position, m.time, m.horizon = r.Uvarint(), r.Varint(), r.Varint()
	m.sweep.decode(r)
	m.displayed, in.aliases = r.names(), r.names()
	if r.Version > 1 {
		m.gate.templates = map[string]TemplateSetting{}
		for range r.Count(2) {
			t := r.templateSetting()
			m.gate.templates[t.Name] = t
		}
		m.gate.pools = map[string]PoolSetting{}
		for range r.Count(2) {
			p := r.poolSetting()
			m.gate.pools[p.Name] = p
		}
	}
	if r.Version > 2 {
		m.present.Store(r.Varint())
		m.shared.decode(r)
		m.gate.owners = r.owners()
	}
	return r.End()
}

// bind adds what refers to numbers: their names, and portfolios.
func (in *restoration) bind() {
	m := in.machine
	for name, number := range in.aliases {
		s := m.ensure(number)
		m.numbers[name] = s
		s.names = append(s.names, name)
	}
	for _, s := range m.numbers {
		slices.Sort(s.names)
	}
	for _, p := range in.portfolios {
		g := &p.portfolioState
		for _, number := range p.numbers {
			s := m.ensure(number)
			s.portfolio = g
			g.members = append(g.members, s)
		}
		g.recount(g.mentions())
		m.portfolios[p.name] = g
	}
}

// splitKey returns which number or portfolio a row is of that is of no shard.
func splitKey(k []byte) (of byte, name string, found bool) {
	if len(k) < 4 || k[0] < numberRows || k[0] > limitRows || int(binary.BigEndian.Uint16(k[1:])) != len(k)-3 {
		return 0, "", false
	}
	return k[0], string(k[3:]), true
}

// redact returns enough of a number to tell which it is, and too little to dial it.
func redact(number string) string { return number[max(0, len(number)-4):] }
