// Package move moves a ledger from the folder of one process to the log of several, and back. At each moment one of the two is the ledger, or
// none while it is being moved: a crash leaves a state from which the same call goes on.
package move

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/journal/jetstream"
	"numberfleet.dev/numberfleet/internal/ledger/journal/pebble"
)

// Options of a move.
type Options struct {
	Folder string
	Store  pebble.Options    // of the folder
	Log    jetstream.Options // of the log
	Secret [16]byte          // the log's
	Clock  clock.Clock       // what a wait is measured by
}

var (
	// ErrSecret is that keys in the folder and in the log would not be comparable.
	ErrSecret = errors.New("the folder has another secret than the configuration of the log: manager ledger secret prints it")
	// ErrInUse is that the folder has a ledger which was not moved from it.
	ErrInUse = errors.New("the folder has a ledger of its own")
	// ErrElsewhere is that the log is not the ledger any more, nor is the folder.
	ErrElsewhere = errors.New("the ledger was moved from the log to another folder")
	// ErrDone is that there is nothing to move any more.
	ErrDone = errors.New("the ledger was moved before")
)

// In moves the ledger in a folder into a new log:
//
//	folder      |-- is the ledger --|-- opens for nobody but this -----------------|
//	log                  |-- opens for nobody but this -------|-- is the ledger ---|
//
// The folder keeps what it has. Where the ledger was moved already, In does nothing and returns ErrDone.
func In(ctx context.Context, o Options) (ledger.Copied, error) {
	o.Store.Existing, o.Store.Moved, o.Log.Moving = true, true, jetstream.In
	folder, err := o.openFolder()
	if err != nil {
		return ledger.Copied{}, err
	}
	copied, err := o.in(ctx, folder)
	return copied, errors.Join(err, folder.Close())
}

func (o *Options) in(ctx context.Context, folder *pebble.Journal) (ledger.Copied, error) {
	log, err := jetstream.Open(ctx, o.Log)
	if folder.Moved() != nil && errors.Is(err, jetstream.ErrBegun) {
		return ledger.Copied{}, ErrDone
	}
	if err != nil {
		return ledger.Copied{}, err
	}
	defer func() { _ = log.Close() }()
	if err := folder.Mark(pebble.Moved{Log: o.Log.Instance}); err != nil {
		return ledger.Copied{}, err
	}
	copied, err := begin(ctx, log, 0, func(position uint64) (ledger.Copied, error) { return ledger.Copy(ctx, log, position, folder) })
	if errors.Is(err, jetstream.ErrBegun) {
		return ledger.Copied{}, ErrDone
	}
	return copied, err
}

// Out moves the ledger in a log, which no replica uses any more, to a folder: a new one, or the one from which it was moved into the log:
//
//	log         |-- is the ledger -------------------|-- opens for nobody but this ---|
//	folder                |-- opens for nobody but this --------|-- is the ledger ----|
//
// Out fails where it finds that a replica uses the log. Where the ledger was moved already, it does nothing and returns ErrDone.
func Out(ctx context.Context, o Options) (ledger.Copied, error) {
	o.Store.Moved, o.Store.Secret, o.Log.Moving = true, o.Secret, jetstream.Out
	log, err := jetstream.Open(ctx, o.Log)
	if err != nil {
		return ledger.Copied{}, err
	}
	defer func() { _ = log.Close() }()
	o.Store.Existing = log.Retired()
	folder, err := o.openFolder()
	if errors.Is(err, pebble.ErrNone) {
		return ledger.Copied{}, ErrElsewhere
	}
	if err != nil {
		return ledger.Copied{}, err
	}
	copied, err := o.out(ctx, folder, log)
	return copied, errors.Join(err, folder.Close())
}

func (o *Options) out(ctx context.Context, folder *pebble.Journal, log *jetstream.Journal) (ledger.Copied, error) {
	if moved := folder.Moved(); moved == nil || !moved.Arriving {
		empty, err := folder.Empty()
		switch {
		case err != nil:
			return ledger.Copied{}, err
		case log.Retired() && (moved != nil || empty):
			return ledger.Copied{}, ErrElsewhere
		case log.Retired():
			return ledger.Copied{}, ErrDone
		case moved == nil && !empty:
			return ledger.Copied{}, ErrInUse
		}
		if err := folder.Mark(pebble.Moved{Log: o.Log.Instance, Arriving: true}); err != nil {
			return ledger.Copied{}, err
		}
	}
	copied, err := ledger.Copy(ctx, folder, 0, log)
	if err != nil {
		return ledger.Copied{}, err
	}
	select {
	case <-ctx.Done():
		return ledger.Copied{}, ctx.Err()
	case <-o.Clock.After(ledger.MaximumAge): // a replica that put nothing into the log for so long answers nothing
	}
	for _, step := range []func(context.Context) error{log.AtEnd, log.Retire, log.AtEnd} {
		if err := step(ctx); err != nil {
			return ledger.Copied{}, err
		}
	}
	return copied, folder.Unmark()
}

// openFolder opens the folder, if its ledger may be moved to this log, or from it.
func (o *Options) openFolder() (*pebble.Journal, error) {
	folder, err := pebble.Open(o.Folder, o.Store)
	if err != nil {
		return nil, err
	}
	if folder.Secret() != o.Secret {
		return nil, errors.Join(ErrSecret, folder.Close())
	}
	if moved := folder.Moved(); moved != nil && moved.Log != "" && moved.Log != o.Log.Instance {
		return nil, errors.Join(fmt.Errorf("%w: %w", pebble.ErrMoved, moved), folder.Close())
	}
	return folder, nil
}
