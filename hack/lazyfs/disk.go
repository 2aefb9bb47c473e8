package main

import (
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
)

// disk knows what every file was when it was synced last.
type disk struct {
	mu    sync.Mutex
	files map[uint64]*unsynced // by inode; none is there of a file that is synced
}

// unsynced is a file that was changed since it was synced, with what undoes that.
type unsynced struct {
	file    *os.File
	size    int64     // when it was synced
	changes []content // what was there before each change, the oldest first
}

// content is what stood at a place in a file.
type content struct {
	offset int64
	bytes  []byte
}

const endOfFile = math.MaxInt64

// change changes a file between two offsets. No other change happens meanwhile.
func (d *disk) change(inode uint64, path string, from, to int64, do func() syscall.Errno) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	file := d.files[inode]
	if file == nil {
		opened, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return fs.ToErrno(err)
		}
		info, err := opened.Stat()
		if err != nil {
			_ = opened.Close()
			return fs.ToErrno(err)
		}
		file = &unsynced{file: opened, size: info.Size()}
		d.files[inode] = file
	}
	// What lies behind the size at the last sync is cut off, and need not be known.
	if to = min(to, file.size); from < to {
		before := make([]byte, to-from)
		n, err := file.file.ReadAt(before, from)
		if err != nil && !errors.Is(err, io.EOF) {
			return fs.ToErrno(err)
		}
		file.changes = append(file.changes, content{from, before[:n]})
	}
	return do()
}

// sync makes what a file is now what it is after a loss of power.
func (d *disk) sync(inode uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if file := d.files[inode]; file != nil {
		_ = file.file.Close()
		delete(d.files, inode)
	}
}

// losePower makes every file what it was when it was synced last. Nothing can be changed afterwards.
func (d *disk) losePower() error {
	d.mu.Lock()
	var err error
	for _, file := range d.files {
		for _, change := range slices.Backward(file.changes) {
			_, wrong := file.file.WriteAt(change.bytes, change.offset)
			err = errors.Join(err, wrong)
		}
		err = errors.Join(err, file.file.Truncate(file.size))
	}
	return err
}
