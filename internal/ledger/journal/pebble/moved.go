package pebble

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A folder whose ledger was moved to a log has a file that says so: what it has is old, and nobody goes on with it by mistake. A folder that a
// ledger is being moved into has it as well, until all is there.

const movedName = "moved"

// ErrMoved is returned for a folder that is not the ledger any more.
var ErrMoved = errors.New("the ledger in this folder was moved to the log of the instance")

// openMoved reads whether the folder's ledger was moved.
func (j *Journal) openMoved() error {
	file, err := j.fs.Open(j.movedFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	content, err := io.ReadAll(file)
	log := strings.TrimSpace(string(content))
	j.moved = &log
	return errors.Join(err, file.Close())
}

func (j *Journal) movedFile() string { return j.fs.PathJoin(j.dir, movedName) }

// Moved says whether the folder's ledger was moved, and the instance of the log that it was moved to: empty where a crash kept it from being
// noted.
func (j *Journal) Moved() (log string, moved bool) {
	if j.moved == nil {
		return "", false
	}
	return *j.moved, true
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

// Move notes that the folder's ledger is moved to the log of an instance: from now on the folder is opened with Options.Moved only.
func (j *Journal) Move(log string) error {
	file, err := j.fs.Create(j.movedFile(), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = file.Write([]byte(log + "\n"))
	if err := errors.Join(err, file.Sync(), file.Close(), j.syncFolder()); err != nil {
		return fmt.Errorf("note that the ledger is moved: %w", err)
	}
	j.moved = &log
	return nil
}

// MoveBack notes that the folder is the ledger again.
func (j *Journal) MoveBack() error {
	if err := errors.Join(j.fs.Remove(j.movedFile()), j.syncFolder()); err != nil {
		return fmt.Errorf("note that the ledger is here: %w", err)
	}
	j.moved = nil
	return nil
}

// syncFolder has a crash take back neither that a file is in the folder nor that it is not.
func (j *Journal) syncFolder() error {
	folder, err := j.fs.OpenDir(j.dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
