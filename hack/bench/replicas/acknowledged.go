package replicas

import (
	"context"

	"golang.org/x/sync/errgroup"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

// unread is a log that is not read: a round is there when it is acknowledged, and its records say nothing.
type unread struct {
	journal.Shared
	kept chan *counts.Round
}

// Append implements journal.Shared.
func (l unread) Append(ctx context.Context, r *counts.Round) error {
	if err := l.Shared.Append(ctx, r); err != nil {
		return err
	}
	empty := *r
	empty.Records = make([]*counts.Record, len(r.Records))
	for i, full := range r.Records {
		empty.Records[i] = &counts.Record{Clock: full.Clock}
	}
	l.kept <- &empty
	return nil
}

// Follow implements journal.Shared.
func (l unread) Follow(ctx context.Context, call func(position uint64, r *counts.Round) error) error {
	for position := uint64(1); ; position++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case r := <-l.kept:
			if err := call(position, r); err != nil {
				return err
			}
		}
	}
}

// readBehind is an unread log whose rounds a machine applies, though nobody waits for it.
type readBehind struct{ unread }

// Follow implements journal.Shared.
func (l readBehind) Follow(ctx context.Context, call func(position uint64, r *counts.Round) error) error {
	machine := counts.NewMachine()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.unread.Follow(ctx, call) })
	group.Go(func() error {
		return l.Shared.Follow(ctx, func(position uint64, r *counts.Round) error {
			machine.Apply(position, r)
			return nil
		})
	})
	return group.Wait()
}
