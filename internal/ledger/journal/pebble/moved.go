package pebble

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A folder that is not the ledger has a file that says so: nobody goes on by mistake with what is old there, or of which not all is there yet.

const movedName = "moved"

// Moved says why a folder is not the ledger.
type Moved struct {
	// Log is the instance of the log that the ledger was moved to; empty where a crash kept that from being noted.
	Log string
	// Arriving says that the ledger is being moved from the log to the folder.
	Arriving bool
}

// ErrMoved is returned for a folder that is not the ledger.
var ErrMoved = errors.New("the folder is not the ledger")

func (m Moved) Error() string {
	if m.Arriving {
		return fmt.Sprintf("it is being moved here from the log of the instance %q, and that did not end: run manager ledger export again", m.Log)
	}
	return fmt.Sprintf("it was moved to the log of the instance %q: set ledger.engine to Log; to go on with what was known before, remove the file %s from the folder", m.Log, movedName)
}

const to, from = "to", "from"

// openMoved reads why the folder is not the ledger.
func (j *Journal) openMoved() error {
	file, err := j.fs.Open(j.movedFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	content, err := io.ReadAll(file)
	way, log, _ := strings.Cut(strings.TrimSpace(string(content)), " ")
	j.moved = &Moved{Log: log, Arriving: way == from}
	return errors.Join(err, file.Close())
}

func (j *Journal) movedFile() string { return j.fs.PathJoin(j.dir, movedName) }

// Moved says why the folder is not the ledger; nil if it is.
func (j *Journal) Moved() *Moved { return j.moved }

// Mark notes why the folder is not the ledger: from now on it is opened with Options.Moved only.
func (j *Journal) Mark(moved Moved) error {
	way := to
	if moved.Arriving {
		way = from
	}
	file, err := j.fs.Create(j.movedFile(), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(file, way, moved.Log)
	if err := errors.Join(err, file.Sync(), file.Close(), j.syncFolder()); err != nil {
		return fmt.Errorf("note that the ledger is moved: %w", err)
	}
	j.moved = &moved
	return nil
}

// Unmark notes that the folder is the ledger.
func (j *Journal) Unmark() error {
	if err := errors.Join(j.fs.Remove(j.movedFile()), j.syncFolder()); err != nil {
		return fmt.Errorf("note that the ledger is here: %w", err)
	}
	j.moved = nil
	return nil
}

// Empty says whether nothing was ever kept in the folder.
func (j *Journal) Empty() (bool, error) {
	for _, of := range [][]byte{snapshotPrefix, roundKey(0)} {
		some := errors.New("there is something")
		if err := j.each(of, func(_, _ []byte) error { return some }); err != nil {
			if errors.Is(err, some) {
				return false, nil
			}
			return false, err
		}
	}
	return true, nil
}

// syncFolder has a crash take back neither that a file is in the folder nor that it is not.
func (j *Journal) syncFolder() error {
	folder, err := j.fs.OpenDir(j.dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
