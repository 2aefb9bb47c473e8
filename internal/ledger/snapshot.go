package ledger

import (
	"context"
	"fmt"
	"iter"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// start takes a snapshot in the background whenever snapshotSoon asks for one.
func (l *Ledger) start() {
	l.open, l.stop = context.WithCancel(context.Background())
	ctx := l.open
	l.background.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-l.wake:
			}
			err := l.Snapshot(ctx)
			if err != nil && ctx.Err() == nil {
				l.log.Error(err, "The journal grows until a snapshot succeeds")
			}
			if err != nil || !l.Leads() {
				l.retryAt.Store(l.journal.Size() + l.journalBytes/4)
			} else {
				l.retryAt.Store(0)
			}
		}
	})
}

// snapshotSoon asks for a snapshot in the background.
func (l *Ledger) snapshotSoon() {
	select {
	case l.wake <- struct{}{}:
	default: // it was asked for
	}
}

// instead has rows replace all that were saved before.
func instead(rows iter.Seq[counts.Row]) iter.Seq[counts.Row] {
	return func(yield func(counts.Row) bool) {
		if yield(counts.Row{}) {
			rows(yield)
		}
	}
}

// Snapshot saves what changed since the last snapshot, and cuts the journal. Records are kept and applied meanwhile. An error leaves the
// snapshot and the journal as they were, and the ledger goes on. In a shared journal the leader saves all, and others nothing.
func (l *Ledger) Snapshot(ctx context.Context) error {
	l.snapshots.Lock()
	defer l.snapshots.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	shared := l.replica != nil
	if shared && !l.Leads() {
		return nil
	}
	l.applying.Lock()
	capture := l.machine.Capture(shared)
	l.applying.Unlock()
	rows := capture.Rows()
	if shared { // the snapshot before may be another process's
		rows = instead(rows)
		var end context.CancelFunc
		ctx, end = context.WithCancel(ctx)
		defer end()
		defer context.AfterFunc(l.replica.stop, end)() // where the log has ended, what is known is to be kept at once
	}
	err := l.journal.Save(ctx, capture.Position(), rows)
	l.applying.Lock()
	capture.End(err == nil)
	l.applying.Unlock()
	if err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}
