package jetstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Replay implements journal.Journal: it reads up to what is the last message when it begins. It returns ErrGap if the log does not reach
// back to the position any more, and ErrDiffers if the last seal that can be compared is of something else. One before that may be of a process
// that had read something else than the others, which have sealed since.
func (j *Journal) Replay(after uint64, call func(position uint64, r *counts.Round) error) error {
	j.mu.Lock()
	start := j.log.last
	j.mu.Unlock()
	if start.position != after {
		return fmt.Errorf("a start from %d, where a snapshot of %d was loaded", after, start.position)
	}
	state, err := j.state(j.life)
	switch {
	case err != nil:
		return err
	case state.LastSeq < after:
		return fmt.Errorf("%w: it ends at %d, and a snapshot is of %d", ErrShortened, state.LastSeq, after)
	case state.LastSeq > after && state.FirstSeq > after+1:
		return fmt.Errorf("%w: it begins at %d, and the newest snapshot is of %d", ErrGap, state.FirstSeq, after)
	}
	j.reader.last.Store(after)
	var differs error
	take := j.take(call)
	err = j.reader.read(j.life, state.LastSeq, func(m *message) error {
		agreed := j.sealed.Load()
		err := take(m)
		if errors.Is(err, ErrDiffers) {
			differs = err
			j.note(m, false)
			return nil
		}
		if j.sealed.Load() > agreed {
			differs = nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return differs
}

// state is how the log is now. It returns ErrReplaced if that is another one.
func (j *Journal) state(ctx context.Context) (state jetstream.StreamState, err error) {
	err = repeatedly(ctx, func(ctx context.Context) error {
		stream, err := j.js.Stream(ctx, j.options.stream())
		if err != nil {
			return err
		}
		state = stream.CachedInfo().State
		return created(stream.CachedInfo(), j.created)
	})
	return state, err
}

// Follow implements journal.Shared.
func (j *Journal) Follow(ctx context.Context, call func(position uint64, r *counts.Round) error) error {
	ctx, cancel := either(ctx, j.life)
	defer cancel()
	err := j.reader.read(ctx, endless, j.take(call))
	if errors.Is(err, ErrDiffers) {
		return j.reread(ctx, err)
	}
	return err
}

// take calls with the rounds among messages, and compares seals.
func (j *Journal) take(call func(position uint64, r *counts.Round) error) func(*message) error {
	var round counts.Round
	return func(m *message) error {
		if m.subject == j.options.seals() {
			if err := j.compare(m); err != nil {
				return err
			}
			j.note(m, false)
			return nil
		}
		j.note(m, true) // before the call: a snapshot of this position may follow at once
		if err := j.readRound(m, &round); err != nil {
			return err
		}
		return call(m.sequence, &round)
	}
}

// readRound reads the round that a message is.
func (j *Journal) readRound(m *message, round *counts.Round) error {
	if err := round.ReadRow(m.data); err != nil {
		return fmt.Errorf("the round at %d of the log cannot be read: %w", m.sequence, err)
	}
	round.Stamp = j.options.Time(time.Unix(0, m.stamp)).UnixMilli()
	return nil
}

// note adds a message to what was read.
func (j *Journal) note(m *message, round bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.log.add(j.log.last.and(m, round))
}

// position is up to where the log was read.
func (j *Journal) position() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.log.last.position
}
