package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
)

// watermark is a file beside the store that says which rows of the journal are on disk. The store reads its log up to the first
// write that it cannot read, and cannot always tell one that never ended, which nobody was told of, from damage before writes
// that were acknowledged: rows would be lost without a word. With the watermark it is known that they are.
//
// It is written after the rows and not synced: it outlives the process, and what a power failure takes of it makes it say less
// than there is, never more.
type watermark struct {
	file   vfs.File
	first  uint64 // all rows from here on are on disk,
	end    uint64 // up to here, or were cut off by a snapshot
	failed bool   // it cannot be written, and says less than there is
	row    []byte // scratch
}

// watermarkName is the name of the file, and watermarkSize the size of the row in it in bytes. What may follow that is not looked at: the row
// is written over the one before it, and the file is never cut.
const (
	watermarkName = "acknowledged"
	watermarkSize = 1 + 8 + 8 + codec.ChecksumSize
)

// openWatermark reads the watermark in a directory: the first place and the end of what must be there. They are equal where nothing is
// known. One that cannot be read says nothing; the error is for people.
func openWatermark(fs vfs.FS, dir string) (*watermark, error, error) {
	file, err := fs.OpenReadWrite(fs.PathJoin(dir, watermarkName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, nil, err
	}
	m := &watermark{file: file}
	info, err := file.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	if info.Size() == 0 {
		return m, nil, nil
	}
	row := make([]byte, min(info.Size(), watermarkSize))
	if _, err := file.ReadAt(row, 0); err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	r := codec.Open(row, 1)
	m.first, m.end = r.Uint64(), r.Uint64()
	if err := r.End(); err != nil {
		m.first, m.end = 0, 0
		return m, fmt.Errorf("the file %s cannot be read: %w", watermarkName, err), nil
	}
	return m, nil, nil
}

// check fails if rows are missing: of those from a position on, the journal has so many at the places that the watermark knows.
func (m *watermark) check(position, found uint64) error {
	from := max(m.first, position)
	if from >= m.end || found == m.end-from {
		return nil
	}
	return fmt.Errorf("%d of the last %d rows of the journal were acknowledged and are not there: its files are damaged. "+
		"Bring the folder back as it was; or remove the file %s from it, to go on without these rows", m.end-from-found, m.end-from, watermarkName)
}

// covers says whether the watermark knows of a row.
func (m *watermark) covers(place uint64) bool { return place >= m.first && place < m.end }

// restart makes the watermark begin at a place, after all that was read.
func (m *watermark) restart(at uint64) error {
	m.first, m.end = at, at
	return errors.Join(m.write(), m.file.Sync())
}

func (m *watermark) write() error {
	row := binary.LittleEndian.AppendUint64(append(m.row[:0], 1), m.first)
	m.row = codec.Seal(binary.LittleEndian.AppendUint64(row, m.end))
	_, err := m.file.WriteAt(m.row, 0)
	return err
}

// settle notes that all rows up to an end are on disk, or that those after the last end are not. The error comes once.
func (m *watermark) settle(end uint64, there bool) error {
	if m.end = end; !there {
		m.first = end
	}
	if m.failed {
		return nil
	}
	err := m.write()
	m.failed = err != nil
	return err
}

func (m *watermark) close() error { return m.file.Close() }
