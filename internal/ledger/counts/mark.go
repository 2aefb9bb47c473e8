package counts

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// mark is a file beside the store that says which rows of the journal are on disk. The store reads its log up to the first
// write that it cannot read, and cannot always tell one that never ended, which nobody was told of, from damage before writes
// that were acknowledged: rows would be lost without a word. With the mark it is known that they are.
//
// It is written after the rows and not synced: it outlives the process, and what a power failure takes of it makes it say less
// than there is, never more.
type mark struct {
	file   vfs.File
	first  uint64 // all rows from here on are on disk,
	end    uint64 // up to here, or were cut off by a snapshot
	failed bool   // it cannot be written, and says less than there is
	row    []byte // scratch
}

// markName is the name of the file, and markSize the size of the row in it in bytes. What may follow that is not looked at: the row
// is written over the one before it, and the file is never cut.
const (
	markName = "acknowledged"
	markSize = 1 + 8 + 8 + checksumSize
)

// openMark reads the mark in a directory: the first place and the end of what must be there. They are equal where nothing is
// known. One that cannot be read says nothing; the error is for people.
func openMark(fs vfs.FS, dir string) (*mark, error, error) {
	file, err := fs.OpenReadWrite(fs.PathJoin(dir, markName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, nil, err
	}
	m := &mark{file: file}
	info, err := file.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	if info.Size() == 0 {
		return m, nil, nil
	}
	row := make([]byte, min(info.Size(), markSize))
	if _, err := file.ReadAt(row, 0); err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	r := unseal(row)
	m.first, m.end = r.uint64(), r.uint64()
	if err := r.end(); err != nil {
		m.first, m.end = 0, 0
		return m, fmt.Errorf("the file %s cannot be read: %w", markName, err), nil
	}
	return m, nil, nil
}

// check fails if rows are missing: of those from a position on, the journal has so many at the places that the mark knows.
func (m *mark) check(position, found uint64) error {
	from := max(m.first, position)
	if from >= m.end || found == m.end-from {
		return nil
	}
	return fmt.Errorf("%d of the last %d rows of the journal were acknowledged and are not there: its files are damaged. "+
		"Bring the folder back as it was; or remove the file %s from it, to go on without these rows", m.end-from-found, m.end-from, markName)
}

// covers says whether the mark knows of a row.
func (m *mark) covers(place uint64) bool { return place >= m.first && place < m.end }

// restart makes the mark begin at a place, after all that was read.
func (m *mark) restart(at uint64) error {
	m.first, m.end = at, at
	return errors.Join(m.write(), m.file.Sync())
}

func (m *mark) write() error {
	row := binary.LittleEndian.AppendUint64(append(m.row[:0], codecVersion), m.first)
	m.row = seal(binary.LittleEndian.AppendUint64(row, m.end))
	_, err := m.file.WriteAt(m.row, 0)
	return err
}

// settle notes that all rows up to an end are on disk, or that those after the last end are not. The error comes once.
func (m *mark) settle(end uint64, there bool) error {
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

func (m *mark) close() error { return m.file.Close() }
