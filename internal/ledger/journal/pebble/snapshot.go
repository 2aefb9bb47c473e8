package pebble

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// The rows of a snapshot that changed go to a table in a file of its own, together with what they replace and the end of the rounds that
// they stand for. The store takes the table in as one, or not at all; what an interrupted snapshot left is a file that is removed.

var snapshotPrefix = []byte("s")

func (j *Journal) snapshotFile() string { return j.fs.PathJoin(j.dir, "snapshot") }

// Load implements journal.Journal.
func (j *Journal) Load() iter.Seq2[counts.Row, error] {
	return func(yield func(counts.Row, error) bool) {
		j.version1 = true
		ended := errors.New("no more rows are wanted")
		err := j.each(snapshotPrefix, func(k, value []byte) error {
			j.version1 = false
			if !yield(counts.Row{Key: k[1:], Value: value}, nil) {
				return ended
			}
			return nil
		})
		if err == nil && j.version1 {
			err = j.loadVersion1(func(row counts.Row) error {
				if !yield(row, nil) {
					return ended
				}
				return nil
			})
		}
		if err != nil && !errors.Is(err, ended) {
			yield(counts.Row{}, err)
		}
	}
}

// Save implements journal.Journal.
func (j *Journal) Save(ctx context.Context, position uint64, rows iter.Seq[counts.Row]) error {
	cut := j.size.Load()
	if err := j.writeTable(ctx, position, rows); err != nil {
		return errors.Join(err, j.fs.RemoveAll(j.snapshotFile()))
	}
	if err := j.db.Ingest(ctx, []string{j.snapshotFile()}); err != nil {
		return errors.Join(err, j.fs.RemoveAll(j.snapshotFile()))
	}
	j.version1 = false
	j.size.Add(-cut)
	return nil
}

func (j *Journal) writeTable(ctx context.Context, position uint64, rows iter.Seq[counts.Row]) (err error) {
	file, err := j.fs.Create(j.snapshotFile(), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	table := sstable.NewWriter(objstorageprovider.NewFileWritable(file), j.settings.MakeWriterOptions(0, j.db.TableFormat()))
	defer func() { err = errors.Join(err, table.Close()) }()
	removed := [][2][]byte{{roundKey(0), roundKey(position + 1)}}
	if j.version1 {
		removed = slices.Insert(rangesOfVersion1, 2, removed[0])
	}
	for _, r := range removed { // in order
		if err := table.DeleteRange(r[0], r[1]); err != nil {
			return err
		}
	}
	for row := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := slices.Concat(snapshotPrefix, row.Key)
		if row.Value == nil {
			err = table.DeleteRange(k, after(k))
		} else {
			err = table.Set(k, row.Value)
		}
		if err != nil {
			return fmt.Errorf("write a row: %w", err)
		}
	}
	return nil
}

// after is the least key that is greater than all that begin with one. That does not end with the greatest byte only.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; ; i-- {
		if end[i]++; end[i] > 0 {
			return end[:i+1]
		}
	}
}
