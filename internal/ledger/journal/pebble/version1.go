package pebble

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// A snapshot of version 1 has a row for each number (n and the number), for each of its shards (p, the length of the number, the number,
// first key, depth, generation), for each name of a number (a, name) and for how each id is displayed (d, id). Its position is that of the first
// record after it. Shards of a later generation than the position's are of snapshots that were not completed.

// rangesOfVersion1 are the keys of these rows, in order, which a snapshot replaces.
var rangesOfVersion1 = [][2][]byte{{[]byte("a"), []byte("b")}, {[]byte("d"), []byte("e")}, {[]byte("mattempt"), []byte("mattempu")},
	{[]byte("mposition"), []byte("mpositioo")}, {[]byte("n"), []byte("o")}, {[]byte("p"), []byte("q")}}

// loadVersion1 calls with the rows of the snapshot, as the next version has them and in the order of its keys.
func (j *Journal) loadVersion1(call func(counts.Row) error) error {
	var position, generation uint64
	row, err := j.get([]byte("mposition"))
	if err != nil {
		return err
	}
	if row != nil {
		r := codec.Open(row, 1)
		position, generation = r.Uvarint(), r.Uvarint()
		if err := r.End(); err != nil {
			return fmt.Errorf("the row of the position cannot be read: %w", err)
		}
	}
	displayed, err := j.namesOfVersion1("d")
	if err != nil {
		return err
	}
	aliases, err := j.namesOfVersion1("a")
	if err != nil {
		return err
	}
	if row == nil && len(displayed)+len(aliases) == 0 {
		return nil
	}
	if err := call(counts.Version1(max(1, position)-1, displayed, aliases)); err != nil {
		return err
	}
	var numbers []string
	if err := j.each([]byte("n"), func(k, _ []byte) error { numbers = append(numbers, string(k[1:])); return nil }); err != nil {
		return err
	}
	slices.SortFunc(numbers, func(a, b string) int { return slices.Compare(counts.Version1Number(a), counts.Version1Number(b)) })
	for _, number := range numbers {
		row, err := j.get(append([]byte("n"), number...))
		if err == nil {
			err = call(counts.Row{Key: counts.Version1Number(number), Value: row})
		}
		if err == nil {
			err = j.shardsOfVersion1(number, generation, call)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) shardsOfVersion1(number string, generation uint64, call func(counts.Row) error) error {
	prefix := append([]byte{'p', byte(len(number))}, number...)
	return j.each(prefix, func(k, row []byte) error {
		rest, found := bytes.CutPrefix(k, prefix)
		if !found || len(rest) != 8+1+8 || binary.BigEndian.Uint64(rest[9:]) > generation {
			return nil
		}
		return call(counts.Row{Key: counts.Version1Shard(number, rest[:8]), Value: row})
	})
}

// namesOfVersion1 are the names whose rows' keys begin with a byte, and what each stands for.
func (j *Journal) namesOfVersion1(of string) (map[string]string, error) {
	names := map[string]string{}
	err := j.each([]byte(of), func(k, row []byte) error {
		r := codec.Open(row, 1)
		names[string(k[1:])] = r.String()
		if err := r.End(); err != nil {
			return fmt.Errorf("the row of a name cannot be read: %w", err)
		}
		return nil
	})
	return names, err
}
