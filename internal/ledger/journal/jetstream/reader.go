package jetstream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// reader reads a stream in order, each message once. It has a consumer of its own, which nobody needs after it: where the consumer is silent,
// it makes another one, and reads from any node that has a copy until then. It so goes on while the cluster elects.
//
// The ordered consumer of the client does not do: after a node's death it waits for it, or for ten seconds.
type reader struct {
	connection *nats.Conn
	js         jetstream.JetStream
	stream     string
	created    time.Time
	last       atomic.Uint64 // the sequence of the last message that was handed out
	passed     func(*gap)    // is told of a gap that is passed over; nil where a gap ends the read

	restarts, directs atomic.Int64
}

// message is one of a stream.
type message struct {
	sequence uint64
	stamp    int64 // the time that the stream's leader gave it, Unix nanoseconds
	subject  string
	data     []byte
}

const (
	// beat is how often a consumer says that there is nothing. Silent twice, it is given up.
	beat   = 200 * time.Millisecond
	silent = 2*beat + 100*time.Millisecond
	// answer is how long a node has to answer what it has in memory or on disk.
	answer = 250 * time.Millisecond
	// confirmed is how often in a row, without a message between, the log must be found wrong: one node may be, for a while.
	confirmed = 3
	// endless is where a read ends that ends with its context.
	endless = math.MaxUint64
	// missing is how often in a row a gap must be found that is passed over: no node may have what would be in it.
	missing = 3 * confirmed
)

// gap is that the log has nothing between two sequences.
type gap struct{ after, before uint64 }

// Error implements error.
func (g *gap) Error() string { return fmt.Sprintf("%v: after %d comes %d", ErrGap, g.after, g.before) }

// Unwrap has it be an ErrGap.
func (g *gap) Unwrap() error { return ErrGap }

// read calls with each message after the last one, until one has a sequence, ctx ends, or call fails. The log must have a message of this sequence or a
// later one: it returns ErrShortened where it has not.
func (r *reader) read(ctx context.Context, until uint64, call func(*message) error) error {
	found, at := 0, r.last.Load()
	for r.last.Load() < until {
		err := r.readOn(ctx, until, call)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if last := r.last.Load(); last > at {
			found, at = 0, last
		}
		switch {
		case errors.Is(err, ErrGap), errors.Is(err, ErrShortened), errors.Is(err, ErrReplaced):
			found++
		case err != nil:
			return err
		default:
			continue
		}
		lacks, passes := errors.AsType[*gap](err)
		passes = passes && r.passed != nil
		switch {
		case passes && found >= missing:
			r.passed(lacks)
			r.last.Store(lacks.before - 1)
		case !passes && found >= confirmed:
			return err
		default:
			sleep(ctx, tryWithin/confirmed)
		}
	}
	return nil
}

// readOn reads with one consumer, until it is of no more use.
func (r *reader) readOn(ctx context.Context, until uint64, call func(*message) error) error {
	consumer, err := r.consumer(ctx, until, call)
	if err != nil || consumer == "" {
		return err
	}
	err = r.consume(ctx, consumer, until, call)
	if r.last.Load() < until {
		r.restarts.Add(1)
	}
	return err
}

// take hands a message out if it is the next one. One that was read before is passed over.
func (r *reader) take(m *message, call func(*message) error) error {
	switch last := r.last.Load(); {
	case m.sequence <= last:
		return nil
	case m.sequence > last+1:
		return &gap{last, m.sequence}
	}
	r.last.Store(m.sequence)
	return call(m)
}

// consumer makes a consumer, and reads without one until it is made. It has no name if that was enough.
func (r *reader) consumer(ctx context.Context, until uint64, call func(*message) error) (name string, err error) {
	type made struct {
		name string
		err  error
	}
	done := make(chan made, 1)
	making, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		name, err := r.create(making, until)
		done <- made{name, err}
	}()
	pause := time.NewTimer(tryAgain)
	defer pause.Stop()
	for {
		select {
		case c := <-done:
			return c.name, c.err
		case <-ctx.Done():
			return "", ctx.Err()
		case <-pause.C:
		}
		n, err := r.direct(ctx, call)
		if err != nil || r.last.Load() >= until {
			return "", err
		}
		if n > 0 {
			pause.Reset(0)
		} else {
			pause.Reset(tryAgain)
		}
	}
}

// direct reads what follows from any node. What it lacks another may have.
func (r *reader) direct(ctx context.Context, call func(*message) error) (n int, err error) {
	for m, err := range direct(ctx, r.connection, r.stream, directGet{Sequence: r.last.Load() + 1}) {
		if err == nil {
			err = r.take(m, call)
		}
		if errors.Is(err, errNoAnswer) || errors.Is(err, ErrGap) {
			break
		}
		if err != nil {
			return n, err
		}
		n++
	}
	r.directs.Add(int64(n))
	return n, nil
}

// create makes a consumer of a stream that has all that was read, and all that is to be, and returns its name. It tries until ctx ends. What a stream has is
// asked of it when the consumer is made, which takes a majority of the nodes: a leader that is cut off answers for some seconds, and may be behind.
func (r *reader) create(ctx context.Context, until uint64) (name string, err error) {
	err = repeatedly(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		last := r.last.Load()
		made, err := r.js.CreateConsumer(ctx, r.stream, jetstream.ConsumerConfig{
			DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: last + 1,
			AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: 20 * time.Second,
		})
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("%w: it is gone", ErrReplaced)
		}
		if err != nil {
			return err
		}
		stream, err := r.js.Stream(ctx, r.stream)
		if err != nil {
			return err
		}
		info := stream.CachedInfo()
		if err := created(info, r.created); err != nil {
			return err
		}
		switch ends := info.State.LastSeq; {
		case ends < last:
			return fmt.Errorf("%w: it ends at %d, and was read up to %d", ErrShortened, ends, last)
		case ends < until && until < endless:
			return fmt.Errorf("%w: it ends at %d, and had %d", ErrShortened, ends, until)
		}
		name = made.CachedInfo().Name
		return nil
	})
	return name, err
}

// created returns ErrReplaced if a stream is not the one that was created at a time.
func created(is *jetstream.StreamInfo, at time.Time) error {
	if !is.Created.Equal(at) {
		return fmt.Errorf("%w: it was created at %s, and the one before at %s", ErrReplaced, is.Created, at)
	}
	return nil
}
