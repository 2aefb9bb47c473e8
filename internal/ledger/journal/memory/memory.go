// Package memory has a journal that is kept in memory. What was appended is there for whoever opens it again: for tests.
package memory

import (
	"bytes"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Journal keeps the rows of rounds and of a snapshot. It may be opened again after it was closed, or was left as by a crash.
type Journal struct {
	mu       sync.Mutex
	cut      uint64 // how many rounds a snapshot cut off
	rounds   [][]byte
	size     int64
	snapshot map[string][]byte
}

// New makes an empty journal.
func New() *Journal { return &Journal{snapshot: map[string][]byte{}} }

// Clone is a journal with what this one has kept by now.
func (j *Journal) Clone() *Journal {
	j.mu.Lock()
	defer j.mu.Unlock()
	return &Journal{cut: j.cut, rounds: slices.Clone(j.rounds), size: j.size, snapshot: maps.Clone(j.snapshot)}
}

// Load implements journal.Journal.
func (j *Journal) Load() iter.Seq2[counts.Row, error] {
	return func(yield func(counts.Row, error) bool) {
		for _, k := range slices.Sorted(maps.Keys(j.snapshot)) {
			if !yield(counts.Row{Key: []byte(k), Value: j.snapshot[k]}, nil) {
				return
			}
		}
	}
}

// Replay implements journal.Journal.
func (j *Journal) Replay(after uint64, call func(position uint64, r *counts.Round) error) error {
	for i := after - j.cut; i < uint64(len(j.rounds)); i++ {
		var r counts.Round
		if err := r.ReadRow(j.rounds[i]); err != nil {
			return err
		}
		if err := call(j.cut+i+1, &r); err != nil {
			return err
		}
	}
	return nil
}

// Append implements journal.Journal.
func (j *Journal) Append(_ context.Context, r *counts.Round) error {
	row := r.AppendRow(nil)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rounds = append(j.rounds, row)
	j.size += int64(len(row))
	return nil
}

// Save implements journal.Journal.
func (j *Journal) Save(ctx context.Context, position uint64, rows iter.Seq[counts.Row]) error {
	saved := maps.Clone(j.snapshot)
	for row := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		if row.Value == nil {
			maps.DeleteFunc(saved, func(k string, _ []byte) bool { return strings.HasPrefix(k, string(row.Key)) })
		} else {
			saved[string(row.Key)] = bytes.Clone(row.Value)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, row := range j.rounds[:position-j.cut] {
		j.size -= int64(len(row))
	}
	j.rounds = slices.Clone(j.rounds[position-j.cut:])
	j.cut, j.snapshot = position, saved
	return nil
}

// Size implements journal.Journal.
func (j *Journal) Size() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.size
}

// Close implements journal.Journal.
func (j *Journal) Close() error { return nil }
