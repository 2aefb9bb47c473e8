package ledger

import (
	"fmt"
	"runtime/debug"
	"sync"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Records are kept in rounds. One round is written at a time, with one sync; the records that come meanwhile wait, and are the next one.
// While a round is written, the one before it is applied: each in its turn, so that records are applied in the order of the journal.
//
//	joining     round 3 waits, and grows
//	keeping     round 2 is written by its first caller
//	applying    round 1 is applied by its first caller, who then lets all callers of the round go
type round struct {
	records []*counts.Record
	applied []counts.Applied // what became of each
	done    sync.WaitGroup   // until they are applied, or failed
	err     error
}

// commit returns when a record was applied.
func (l *Ledger) commit(record *counts.Record) (counts.Applied, error) {
	l.joining.Lock()
	r := l.waiting
	i := len(r.records)
	r.records = append(r.records, record)
	l.joining.Unlock()
	if i == 0 {
		l.run(r)
	} else {
		r.done.Wait()
	}
	if r.err != nil {
		return counts.Applied{}, r.err
	}
	l.tell(r.applied[i].Changed)
	return r.applied[i], nil
}

// run keeps and applies a round, and whoever joined until its turn came.
func (l *Ledger) run(r *round) {
	defer r.done.Done()
	l.keeping.Lock()
	l.joining.Lock()
	l.waiting, r.err = newRound(), l.broken
	l.joining.Unlock()
	if r.err == nil {
		r.err = l.keep(r.records)
	}
	l.applying.Lock() // before the next round can be written, and so have its turn
	l.keeping.Unlock()
	defer l.applying.Unlock()
	if r.err == nil {
		r.err = l.apply(r)
	}
}

func newRound() *round {
	r := &round{}
	r.done.Add(1)
	return r
}

// keep writes records to the journal.
func (l *Ledger) keep(records []*counts.Record) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
		if err != nil {
			err = fmt.Errorf("write to the journal: %w", err)
			l.fail(err)
		}
	}()
	return l.journal.Append(records)
}

// apply applies a round. After a panic the machine has applied a part of a record, and is of no more use.
func (l *Ledger) apply(r *round) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("apply a record: %w", panicked(p))
			l.fail(err)
		}
	}()
	r.applied = make([]counts.Applied, len(r.records))
	for i, record := range r.records {
		r.applied[i] = l.machine.Apply(l.machine.Position()+1, record)
	}
	if l.journal.Size() >= max(l.journalBytes, l.retryAt.Load()) {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

func panicked(p any) error { return fmt.Errorf("panic: %v\n%s", p, debug.Stack()) }

// fail ends the ledger, which cannot go on.
func (l *Ledger) fail(err error) {
	if l.end(err) == nil && l.fatal != nil {
		l.fatal(err)
	}
}
