package counts

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/go-logr/logr"
)

// writer puts the rows of the journal on disk. One commit of the store is under way at a time, with one sync and one write of
// the mark; the rows that come meanwhile wait, and are written together by the next one. It costs less than a commit for each
// row, of which the store, too, has only one sync under way.
type writer struct {
	db   *pebble.DB
	mark *mark
	log  logr.Logger

	writing sync.Mutex // held over a commit
	next    uint64     // the place of the next row

	mu      sync.Mutex
	waiting *round
}

// round is the rows of one commit.
type round struct {
	rows [][]byte
	done chan struct{} // closed when they are on disk, or failed
	err  error
}

func newRound() *round { return &round{done: make(chan struct{})} }

// write returns when a row is on disk, or nothing is known about it.
func (w *writer) write(row []byte) error {
	w.mu.Lock()
	r := w.waiting
	r.rows = append(r.rows, row)
	first := len(r.rows) == 1
	w.mu.Unlock()
	if !first {
		<-r.done
		return r.err
	}
	// The first of a round writes it, whoever joined until its turn came.
	w.writing.Lock()
	defer w.writing.Unlock()
	w.mu.Lock()
	w.waiting = newRound()
	w.mu.Unlock()
	r.err = w.commit(r.rows)
	close(r.done)
	return r.err
}

// commit writes rows as one. A panic ends the process: others wait for their rows, and the store may hold its locks.
func (w *writer) commit(rows [][]byte) error {
	defer exitOnPanic(w.log)
	place := w.next
	w.next += uint64(len(rows))
	err := w.put(place, rows)
	if err := w.mark.settle(w.next, err == nil); err != nil {
		w.log.Error(err, "Rows that the journal loses from now on would not be missed")
	}
	return err
}

func (w *writer) put(place uint64, rows [][]byte) error {
	b := w.db.NewBatch()
	defer func() { _ = b.Close() }()
	for i, row := range rows {
		if err := b.Set(journalKey(place+uint64(i)), row, nil); err != nil {
			return err
		}
	}
	return b.Commit(pebble.Sync)
}
