package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Moving says which way a ledger is moved: into a log that nobody has used, or out of one that nobody uses any more. The metadata of the stream
// have it: In for a log that was made so, as long as it has not begun. So a log that lacks a part of its ledger, and one that is not the ledger any
// more, are not used by mistake.
type Moving string

// The ways.
const (
	// In makes the log, and nobody else opens it until it has begun: see begin.go.
	In Moving = "in"
	// Out reads the log. After Retire nobody opens it any more but to move out of it again.
	Out Moving = "out"
)

// wayOf is under which a stream's metadata have which way it is moved.
const wayOf = "numberfleet.dev/moving"

// movingOf is which way a log is moved.
func (j *Journal) movingOf(ctx context.Context, stream *jetstream.StreamInfo) (Moving, error) {
	is := Moving(stream.Config.Metadata[wayOf])
	if is != In {
		return is, nil
	}
	_, has, err := j.beginning(ctx)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound), errors.Is(err, ErrReplaced): // the node that is asked does not know yet what another one has
		return is, errors.New("the stream is not everywhere yet")
	case has:
		is = ""
	}
	return is, err
}

// ErrBegun is returned where a ledger is to be moved into a log that is in use.
var ErrBegun = errors.New("the log was begun already: name another instance, or remove the stream and its snapshots")

var (
	errMovingIn = errors.New("a ledger is being moved into it")
	errMovedOut = errors.New("its ledger was moved to a folder; remove the stream and its snapshots, or name another instance, to begin a new log")
)

// mayOpen says why a log that is moved some way may not be opened.
func (o *Options) mayOpen(is Moving) error {
	switch {
	case is == o.Moving, is == "" && o.Moving == Out:
		return nil
	case is == Out:
		return errMovedOut
	case is == In && o.Moving == Out:
		return errors.New("a ledger was to be moved into it, and that did not end")
	case is == In:
		return errMovingIn
	}
	return ErrBegun
}

// Retired says whether nobody but for moving out of it could open the log when this was opened.
func (j *Journal) Retired() bool { return j.moving == Out }

// Retire has nobody open a log any more that a ledger was moved out of.
func (j *Journal) Retire(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := repeatedly(ctx, func(ctx context.Context) error {
		stream, err := j.js.Stream(ctx, j.options.stream())
		if err != nil {
			return err
		}
		config := stream.CachedInfo().Config
		config.Metadata[wayOf] = string(Out)
		_, err = j.js.UpdateStream(ctx, config)
		return err
	})
	if err != nil {
		return fmt.Errorf("note in the stream %s that it is moved: %w", j.options.stream(), err)
	}
	return nil
}

// AtEnd returns an error if the log has messages that were not read: a replica still uses it.
func (j *Journal) AtEnd(ctx context.Context) error {
	state, err := j.state(ctx)
	if read := j.position(); err == nil && state.LastSeq != read {
		return fmt.Errorf("the log has grown to %d since it was read up to %d: a replica of the operator still uses it", state.LastSeq, read)
	}
	return err
}
