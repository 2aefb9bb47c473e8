package move

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
	"numberfleet.dev/numberfleet/internal/ledger/journal/jetstream"
)

// begin has a log begin with what write writes at a position of it. Where another process does so already, begin waits for that until nothing is heard
// of that one for a while.
func begin(ctx context.Context, log *jetstream.Journal, while time.Duration, write func(position uint64) (ledger.Copied, error)) (ledger.Copied, error) {
	position, err := log.Claim(ctx, while)
	if err != nil {
		return ledger.Copied{}, err
	}
	stop := log.Renew(ctx, renew)
	copied, err := write(position)
	stop()
	if err != nil {
		return ledger.Copied{}, err
	}
	return copied, log.Begin(ctx)
}

// openNew opens the log to begin it.
func (o *Options) openNew(ctx context.Context) (*jetstream.Journal, error) {
	to := o.Log
	to.Moving = jetstream.In
	return jetstream.Open(ctx, to)
}

// Restore begins a new log with the newest copy in the bucket of one that is gone, of the instance from.
func Restore(ctx context.Context, o Options, from string) (ledger.Copied, error) {
	gone := o.Log
	gone.Instance = from
	backup, err := jetstream.OpenBackup(ctx, gone)
	if err != nil {
		return ledger.Copied{}, err
	}
	log, err := o.openNew(ctx)
	if err != nil {
		return ledger.Copied{}, err
	}
	defer func() { _ = log.Close() }()
	return begin(ctx, log, 0, func(position uint64) (ledger.Copied, error) {
		o.Log.Log.Info("What came after this snapshot is lost", "saved", backup.Saved, "position", backup.Position)
		return ledger.Merge(ctx, log, position, slices.Values([]journal.Source{backup}))
	})
}

// Recover begins a new log with what is left of another one, of the instance from, when that had lost something.
func Recover(ctx context.Context, o Options, from string) (ledger.Copied, error) {
	o.Log.Follows = from
	left, err := o.openLeft(ctx)
	if err != nil {
		return ledger.Copied{}, err
	}
	defer func() { _ = left.Close() }()
	if err := left.DropDamaged(ctx); err != nil {
		return ledger.Copied{}, err
	}
	return o.merge(ctx, left, 0)
}

// openLeft finds what is left of the log that the new one follows.
func (o *Options) openLeft(ctx context.Context) (*jetstream.Left, error) {
	old := o.Log
	old.Instance = o.Log.Follows
	return jetstream.OpenLeft(ctx, old)
}

// merge begins a new log with what is left of another one. The new one is chosen when it can be begun, and before it is claimed: so none is chosen that never
// begins, and none begins that is not chosen.
func (o *Options) merge(ctx context.Context, left *jetstream.Left, while time.Duration) (ledger.Copied, error) {
	log, err := o.openNew(ctx)
	if err != nil {
		return ledger.Copied{}, err
	}
	defer func() { _ = log.Close() }()
	if err := left.Choose(ctx, o.Log.Instance); err != nil {
		return ledger.Copied{}, err
	}
	return begin(ctx, log, while, func(position uint64) (ledger.Copied, error) {
		o.Log.Log.Info("What is left of the log is merged", "kept", left.Kept, "missing", left.Missing, "snapshot", left.Snapshot, "log", left.Log)
		return ledger.Merge(ctx, log, position, left.Sources())
	})
}

const (
	// renew is how often a process that begins a log says that it still does so: to read a large one takes minutes.
	renew = 5 * time.Second
	// another is how long after it last said so another process begins the log instead.
	another = time.Minute
	// lookAgain is how often a process looks whether others have kept what they knew, or have begun the log.
	lookAgain = time.Second
)

// Open opens the log of the options, or that of the instance next, if it is named, once that one has begun. Where the log lost something, that of
// next begins with what is left as soon as all who were there have kept what they knew: then it has all that anyone was told. Each process that opens
// the log may begin the next one, and one of them does. Until then Open waits, until ctx ends.
func Open(ctx context.Context, o Options, next string) (*jetstream.Journal, error) {
	if next == "" {
		return jetstream.Open(ctx, o.Log)
	}
	after := o
	after.Log.Instance, after.Log.Follows = next, o.Log.Instance
	begun, err := jetstream.Begun(ctx, after.Log)
	if err != nil {
		return nil, err
	}
	if !begun {
		log, err := jetstream.Open(ctx, o.Log)
		if !errors.Is(err, jetstream.ErrKept) {
			return log, err
		}
		if err := after.recoverByItself(ctx); err != nil {
			return nil, err
		}
	}
	return jetstream.Open(ctx, after.Log)
}

// recoverByItself returns when the log has begun with what is left of the one that it follows, of which processes have kept what they knew.
func (o *Options) recoverByItself(ctx context.Context) error {
	told := ""
	for {
		err := o.recoverWhole(ctx)
		_, waits := errors.AsType[incomplete](err)
		switch {
		case err == nil, errors.Is(err, jetstream.ErrBegun):
			return nil
		case !waits && !errors.Is(err, jetstream.ErrNothingKept) && !errors.Is(err, jetstream.ErrOvertaken):
			return err
		case err.Error() != told:
			told = err.Error()
			o.Log.Log.Info("The next log does not begin yet", "instance", o.Log.Instance, "reason", told)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-o.Clock.After(lookAgain):
		}
	}
}

// recoverWhole begins the log, unless it has begun, if all have kept what they knew. It waits where another process begins it.
func (o *Options) recoverWhole(ctx context.Context) error {
	if begun, err := jetstream.Begun(ctx, o.Log); begun || err != nil {
		return err
	}
	left, err := o.openLeft(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = left.Close() }()
	if err := whole(left); err != nil { // what is there is not read again and again meanwhile
		return err
	}
	if err := left.DropDamaged(ctx); err != nil {
		return err
	}
	if err := whole(left); err != nil {
		return err
	}
	_, err = o.merge(ctx, left, another)
	return err
}

// whole returns an error where not all have kept what they knew who were there when the log lost something.
func whole(left *jetstream.Left) error {
	if len(left.Missing) > 0 {
		return incomplete(left.Missing)
	}
	if len(left.Kept) == 0 { // the node that is asked does not have it yet
		return jetstream.ErrNothingKept
	}
	return nil
}

// incomplete is that some proposers were there when the log lost something, and have kept nothing of what they knew.
type incomplete []string

// Error implements error.
func (i incomplete) Error() string {
	return fmt.Sprintf("the proposers %s have kept nothing of what they knew; where they never will, run manager ledger recover", strings.Join(i, ", "))
}
