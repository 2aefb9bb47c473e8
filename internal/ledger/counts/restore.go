package counts

import (
	"errors"
	"fmt"
	"iter"
	"slices"
)

// Restore makes a machine of all rows of a snapshot, in the order of their keys; without rows, one to which nothing was applied. It is
// that of the machine that they were taken of. A row that cannot be read, is missing or is one too many fails it: counts are right or
// there are none. What takes long it does in tasks, which each may run calls, at the same time or one after the other.
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
	portfolios []Portfolio
	numbers    []*numberState
	missing    []*shard // of the last of the numbers
}

func (in *restoration) row(row Row) error {
	m := in.machine
	number, start, found := splitKey(row.Key)
	switch {
	case slices.Equal(row.Key, machineKey):
		if err := in.machineRow(row.Value); err != nil {
			return fmt.Errorf("the row of the machine cannot be read: %w", err)
		}
		return nil
	case !found:
		return errors.New("a row of the snapshot has an impossible key")
	case start == nil:
		if err := in.complete(); err != nil {
			return err
		}
		s := newNumberState(number, 0)
		s.dirty = false
		if err := s.decode(row.Value); err != nil {
			return fmt.Errorf("the row of the number ending in %s cannot be read: %w", redact(number), err)
		}
		m.numbers[number] = s
		in.numbers, in.missing = append(in.numbers, s), s.users.all()
		return nil
	}
	return in.shard(number, row)
}

func (in *restoration) shard(number string, row Row) error {
	if len(in.missing) == 0 || !slices.Equal(row.Key, shardKey(in.numbers[len(in.numbers)-1].number, in.missing[0])) {
		return fmt.Errorf("the snapshot has a part too many, or none that it should have, of the number ending in %s", redact(number))
	}
	p := in.missing[0]
	in.missing = in.missing[1:]
	if err := p.decode(row.Value); err != nil {
		return fmt.Errorf("the row of part %s of the number ending in %s cannot be read: %w", p.name(), redact(number), err)
	}
	return nil
}

// complete fails if the last number lacks parts.
func (in *restoration) complete() error {
	if len(in.missing) == 0 {
		return nil
	}
	return fmt.Errorf("the row of part %s of the number ending in %s is missing", in.missing[0].name(), redact(in.numbers[len(in.numbers)-1].number))
}

func (in *restoration) machineRow(row []byte) error {
	m := in.machine
	in.found = true
	r := unseal(row, 1)
	m.position, m.time, m.horizon = r.Uvarint(), r.Varint(), r.Varint()
	m.sweep.decode(r)
	m.displayed, in.aliases = r.names(), r.names()
	for range r.Count(2) {
		in.portfolios = append(in.portfolios, r.portfolio())
	}
	return r.End()
}

// bind gives numbers their names, and portfolios their numbers.
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
		g := newPortfolioState()
		var members []*numberState
		for _, number := range p.Numbers {
			members = append(members, m.ensure(number))
		}
		g.set(members)
		m.portfolios[p.Name] = g
	}
}

// splitKey is the number of a row's key, and the start of the part that the row is of, if it is of one.
func splitKey(k []byte) (number string, start []byte, found bool) {
	if len(k) < 2 || k[0] != 1 || len(k) < 2+int(k[1]) {
		return "", nil, false
	}
	number, start = string(k[2:2+k[1]]), k[2+k[1]:]
	switch len(start) {
	case 0:
		return number, nil, number != ""
	case 8:
		return number, start, number != ""
	}
	return "", nil, false
}

// ending is enough of a number to tell which it is, and not enough to dial it.
func redact(number string) string { return number[max(0, len(number)-4):] }
