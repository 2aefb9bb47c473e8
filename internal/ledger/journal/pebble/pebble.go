// Package pebble has the journal of one process: a Pebble store in a folder.
//
// Its keys begin with a byte: j, a round by its position; s, a row of the snapshot; m, what the store says of itself. What version 1
// wrote besides is read, and removed by the next snapshot (see version1.go).
package pebble

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-logr/logr"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Journal keeps rounds and snapshots in a folder.
type Journal struct {
	dir       string
	fs        vfs.FS
	db        *pebble.DB
	settings  *pebble.Options
	log       logr.Logger
	secret    [16]byte
	watermark *watermark
	moved     *Moved // nil if the folder is the ledger
	next      uint64 // the position of the next round
	size      atomic.Int64
	version1  bool   // the snapshot, if there is one, is of version 1
	row       []byte // scratch
}

// Options of a journal. The zero value is ready for use.
type Options struct {
	// Log receives what goes wrong in the background.
	Log logr.Logger
	// Fatal is told why the store cannot go on. It may hold its locks then, and never answer again: the process should end.
	Fatal func(error)
	// Secret is that of a folder that is to be created, see Journal.Secret; one of its own if it is zero.
	Secret [16]byte
	// Existing refuses to create a ledger, with ErrNone.
	Existing bool
	// Moved opens the folder even if it is not the ledger, see Journal.Mark.
	Moved bool
	// FS is the file system, the machine's own if it is nil.
	FS vfs.FS
}

// ErrNone is returned for a folder without a ledger, if none is to be created.
var ErrNone = errors.New("there is no ledger in the folder")

// formatVersion is that of the folder. A program of version 1 does not start on a folder of version 2.
const formatVersion = 2

var (
	formatKey = []byte("mformat")
	secretKey = []byte("msecret")
)

func roundKey(position uint64) []byte { return binary.BigEndian.AppendUint64([]byte("j"), position) }

// Open opens the journal in a folder, which it creates if there is none. No other process may have it open.
func Open(dir string, options Options) (*Journal, error) {
	j := &Journal{dir: dir, fs: cmp.Or[vfs.FS](options.FS, vfs.Default), log: options.Log, secret: options.Secret, next: 1}
	j.settings = &pebble.Options{
		ErrorIfNotExists:            options.Existing,
		FS:                          j.fs,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                64 << 20,
		MemTableStopWritesThreshold: 4,
		L0StopWritesThreshold:       24,
		Logger:                      storeLog{options.Log, options.Fatal},
	}
	// Keys are hashes; there is little to compress.
	j.settings.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	db, err := pebble.Open(dir, j.settings)
	if errors.Is(err, pebble.ErrDBDoesNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNone, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	j.db = db
	if err := j.open(options.Moved); err != nil {
		return nil, errors.Join(fmt.Errorf("open the journal: %w", err), db.Close())
	}
	return j, nil
}

func (j *Journal) open(moved bool) error {
	if err := j.openMoved(); err != nil {
		return err
	}
	if j.moved != nil && !moved {
		return fmt.Errorf("%w: %w", ErrMoved, j.moved)
	}
	if err := j.openFormat(); err != nil {
		return err
	}
	if err := j.fs.RemoveAll(j.snapshotFile()); err != nil {
		return err
	}
	w, unreadable, err := openWatermark(j.fs, j.dir)
	if err != nil {
		return err
	}
	if unreadable != nil {
		j.log.Error(unreadable, "Rows that the journal lost before this start would not be missed")
	}
	j.watermark = w
	return nil
}

// openFormat reads the folder's version and secret, and makes them what they are to be.
func (j *Journal) openFormat() error {
	format, err := j.get(formatKey)
	if err != nil {
		return err
	}
	b := j.db.NewBatch()
	defer func() { _ = b.Close() }()
	if format == nil {
		if j.secret == [16]byte{} {
			_, _ = rand.Read(j.secret[:]) // never fails
		}
		if err := b.Set(secretKey, codec.Seal(append([]byte{1}, j.secret[:]...)), nil); err != nil {
			return err
		}
	} else {
		r := codec.Open(format, formatVersion)
		if err := r.End(); err != nil {
			return fmt.Errorf("the row of the format cannot be read: %w", err)
		}
		row, err := j.get(secretKey)
		if err != nil {
			return err
		}
		secret := codec.Open(row, 1)
		copy(j.secret[:], secret.Bytes(16))
		if err := secret.End(); err != nil {
			return fmt.Errorf("the row of the secret cannot be read: %w", err)
		}
		if r.Version == formatVersion {
			return nil
		}
	}
	return errors.Join(b.Set(formatKey, codec.Seal([]byte{formatVersion}), nil), b.Commit(pebble.Sync))
}

// Secret is one of the folder's own, for the keys of users and messages that are kept in it.
func (j *Journal) Secret() [16]byte { return j.secret }

// get reads a row; nil if there is none.
func (j *Journal) get(k []byte) ([]byte, error) {
	value, closer, err := j.db.Get(k)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = closer.Close() }()
	return slices.Clone(value), nil
}

// each calls with the rows whose keys begin with the same byte as a key, from that on.
func (j *Journal) each(from []byte, call func(k, value []byte) error) error {
	rows, err := j.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: []byte{from[0] + 1}})
	if err != nil {
		return err
	}
	for rows.First(); rows.Valid(); rows.Next() {
		value, err := rows.ValueAndErr()
		if err == nil {
			err = call(rows.Key(), value)
		}
		if err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return rows.Close()
}

// Replay implements journal.Journal.
func (j *Journal) Replay(after uint64, call func(position uint64, r *counts.Round) error) error {
	var round counts.Round
	var covered uint64
	j.next = after + 1
	err := j.each(roundKey(j.next), func(k, row []byte) error {
		if len(k) != len(roundKey(0)) {
			return errors.New("a row of the journal has an impossible key")
		}
		position := binary.BigEndian.Uint64(k[1:])
		if err := round.ReadRow(row); err != nil {
			return fmt.Errorf("row %d of the journal cannot be read: %w", position, err)
		}
		if j.watermark.covers(position) {
			covered++
		}
		j.next = position + 1
		j.size.Add(int64(len(row)))
		return call(position, &round)
	})
	if err != nil {
		return err
	}
	if err := j.watermark.check(after+1, covered); err != nil {
		return err
	}
	return j.watermark.restart(j.next)
}

// Append implements journal.Journal.
func (j *Journal) Append(_ context.Context, r *counts.Round) error {
	j.row = r.AppendRow(j.row[:0])
	err := j.db.Set(roundKey(j.next), j.row, pebble.Sync)
	j.next++
	if err := j.watermark.settle(j.next, err == nil); err != nil {
		j.log.Error(err, "Rows that the journal loses from now on would not be missed")
	}
	if err == nil {
		j.size.Add(int64(len(j.row)))
	}
	return err
}

// Size implements journal.Journal.
func (j *Journal) Size() int64 { return j.size.Load() }

// Close implements journal.Journal.
func (j *Journal) Close() error { return errors.Join(j.db.Close(), j.watermark.close()) }

// storeLog hands the store's complaints on. What it says about its routine is dropped.
type storeLog struct {
	log   logr.Logger
	fatal func(error)
}

func (l storeLog) Infof(string, ...any) {}

func (l storeLog) Errorf(format string, args ...any) {
	l.log.Error(fmt.Errorf(format, args...), "The ledger's store has a problem")
}

// Fatalf is called when going on would lose data. It never returns, as the store expects.
func (l storeLog) Fatalf(format string, args ...any) {
	err := fmt.Errorf("the ledger's store cannot go on: %w", fmt.Errorf(format, args...))
	if l.fatal == nil {
		panic(err)
	}
	l.fatal(err)
	select {}
}
