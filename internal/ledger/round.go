package ledger

import (
	"context"
	"fmt"
	"runtime/debug"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/tracing"
)

// Records are kept in rounds (see counts.Round). One round is written at a time, with one sync; the records that come meanwhile wait, and are the next one.
// While a round is written, the one before it is applied: each in its turn, so that records are applied in the order of the journal.
//
//	joining     round 3 waits, and grows
//	keeping     round 2 is written by its first caller
//	applying    round 1 is applied by its first caller, who then lets all callers of the round go
//
// Where the journal is shared its order is known only when it is read: see replica.
type round struct {
	counts.Round
	size    int              // about, in bytes
	applied []counts.Applied // what became of each record
	overdue bool             // someone was told that it takes too long
	done    chan struct{}    // closed when they are applied, or failed
	err     error
}

// join adds a record to the next round, and returns its place there.
func (l *Ledger) join(record *counts.Record) (r *round, i int, err error) {
	l.joining.Lock()
	defer l.joining.Unlock()
	if l.broken != nil {
		return nil, 0, l.broken
	}
	size := record.Size()
	if l.replica != nil && len(l.waiting.Records) > 0 && l.waiting.size+size > fullRound {
		l.replica.full = append(l.replica.full, l.waiting)
		l.waiting = newRound()
	}
	r, i = l.waiting, len(l.waiting.Records)
	r.Records = append(r.Records, record)
	r.size += size
	return r, i, nil
}

// take is the next round, which nobody can join any more.
func (l *Ledger) take() (*round, error) {
	l.joining.Lock()
	defer l.joining.Unlock()
	r := l.waiting
	l.waiting = newRound()
	return r, l.broken
}

// commit returns when a record was applied. Where the journal is shared, it returns when ctx ends as well, or when it takes too long: then
// it is not known whether the record will be applied.
func (l *Ledger) commit(ctx context.Context, record *counts.Record) (applied counts.Applied, err error) {
	ctx, span := tracing.Start(ctx, "append")
	defer func() { tracing.End(span, err) }()
	if l.replica != nil {
		return l.replica.commit(ctx, record)
	}
	r, i, err := l.join(record)
	if err != nil {
		return counts.Applied{}, err
	}
	if i == 0 {
		l.run(r)
	} else {
		<-r.done
	}
	if r.err != nil {
		return counts.Applied{}, r.err
	}
	l.tell(r.applied[i].Changed)
	return r.applied[i], nil
}

// run keeps and applies a round, and whoever joined until its turn came.
func (l *Ledger) run(r *round) {
	defer close(r.done)
	l.keeping.Lock()
	if _, r.err = l.take(); r.err == nil {
		r.err = l.keep(&r.Round)
	}
	l.applying.Lock() // before the next round can be written, and so have its turn
	l.keeping.Unlock()
	defer l.applying.Unlock()
	if r.err == nil {
		r.applied, r.err = l.apply(l.machine.Position()+1, &r.Round)
	}
}

func newRound() *round { return &round{done: make(chan struct{})} }

// keep writes a round to the journal.
func (l *Ledger) keep(r *counts.Round) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
		if err != nil {
			err = fmt.Errorf("write to the journal: %w", err)
			l.fail(err)
		}
	}()
	return l.journal.Append(context.Background(), r)
}

// apply applies a round. After a panic the machine has applied a part of a record, and is of no more use.
func (l *Ledger) apply(position uint64, r *counts.Round) (applied []counts.Applied, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("apply a record: %w", panicked(p))
			l.fail(err)
		}
	}()
	applied = l.machine.Apply(position, r)
	if l.journal.Size() >= max(l.journalBytes, l.retryAt.Load()) {
		l.snapshotSoon()
	}
	return applied, nil
}

func panicked(p any) error { return fmt.Errorf("panic: %v\n%s", p, debug.Stack()) }

// fail ends the ledger, which cannot go on.
func (l *Ledger) fail(err error) {
	if l.end(err) == nil && l.fatal != nil {
		l.fatal(err)
	}
}
