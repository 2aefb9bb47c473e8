package move

import (
	"context"
	"errors"
	"fmt"
	"iter"
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

// beginWith has a new log begin with what is left of another one.
func (o *Options) beginWith(ctx context.Context, while time.Duration, left iter.Seq[journal.Source]) (ledger.Copied, error) {
	to := o.Log
	to.Moving = jetstream.In
	log, err := jetstream.Open(ctx, to)
	if err != nil {
		return ledger.Copied{}, err
	}
	defer func() { _ = log.Close() }()
	return begin(ctx, log, while, func(position uint64) (ledger.Copied, error) { return ledger.Merge(ctx, log, position, left) })
}

// Restore begins a new log with the newest copy in the bucket of one that is gone, of the instance from.
func Restore(ctx context.Context, o Options, from string) (ledger.Copied, error) {
	gone := o.Log
	gone.Instance = from
	backup, err := jetstream.OpenBackup(ctx, gone)
	if err != nil {
		return ledger.Copied{}, err
	}
	o.Log.Log.Info("What came after this snapshot is lost", "saved", backup.Saved, "position", backup.Position)
	return o.beginWith(ctx, 0, slices.Values([]journal.Source{backup}))
}

// Recover begins a new log with what is left of another one, of the instance from, when that had lost something.
func Recover(ctx context.Context, o Options, from string) (ledger.Copied, error) {
	return o.recover(ctx, from, false)
}

// recover begins a new log with what is left of another one. By itself it does so only if all have kept what they knew, and waits where another process
// begins the log.
func (o *Options) recover(ctx context.Context, from string, byItself bool) (ledger.Copied, error) {
	old := o.Log
	old.Instance, o.Log.Follows = from, from
	left, err := jetstream.OpenLeft(ctx, old)
	if err != nil {
		return ledger.Copied{}, err
	}
	defer func() { _ = left.Close() }()
	if byItself && len(left.Missing) > 0 { // what is there is not read again and again meanwhile
		return ledger.Copied{}, incomplete(left.Missing)
	}
	if err := left.DropDamaged(ctx); err != nil {
		return ledger.Copied{}, err
	}
	while := time.Duration(0)
	if byItself {
		while = another
		if len(left.Missing) > 0 {
			return ledger.Copied{}, incomplete(left.Missing)
		}
	}
	if err := left.Choose(ctx, o.Log.Instance); err != nil {
		return ledger.Copied{}, err
	}
	o.Log.Log.Info("What is left of the log is merged", "kept", left.Kept, "missing", left.Missing, "snapshot", left.Snapshot, "log", left.Log)
	return o.beginWith(ctx, while, left.Sources())
}

const (
	// renew is how often a process that begins a log says that it still does so: to read a large one takes minutes.
	renew = 5 * time.Second
	// another is how long after it last said so another process begins the log instead.
	another = time.Minute
	// lookAgain is how often a process looks whether others have kept what they knew, or have begun the log.
	lookAgain = time.Second
)

// incomplete is that some proposers were there when the log lost something, and have kept nothing of what they knew.
type incomplete []string

// Error implements error.
func (i incomplete) Error() string {
	return fmt.Sprintf("the proposers %s have kept nothing of what they knew; where they never will, run manager ledger recover", strings.Join(i, ", "))
}

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
		if err := after.recoverByItself(ctx, o.Log.Instance); err != nil {
			return nil, err
		}
	}
	return jetstream.Open(ctx, after.Log)
}

// recoverByItself returns when the log has begun with what is left of another one.
func (o *Options) recoverByItself(ctx context.Context, from string) error {
	told := ""
	for {
		_, err := o.recover(ctx, from, true)
		_, waits := errors.AsType[incomplete](err)
		switch {
		case err == nil, errors.Is(err, jetstream.ErrBegun):
			return nil
		case !waits && !errors.Is(err, jetstream.ErrOvertaken):
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
