package jetstream

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A log that a ledger is moved into begins so:
//
//	claim      a message of who moves it, which is repeated as long as that takes
//	snapshot   all of the ledger, at the position of the first of these
//	begun      a message that says so: others open the log
//
// The server takes each of the messages only right after the one that its sender has read. So of several who try one begins the log, which is the
// last one who claimed it, and nobody writes beside others. The snapshot of one that was overtaken is older than the beginning: no start is from it.

// ErrOvertaken is returned where another process has claimed a log since.
var ErrOvertaken = errors.New("another process moves a ledger into the log")

// followsOf is under which a stream's metadata have the instance that it follows.
const followsOf = "numberfleet.dev/follows"

// isNext returns ErrRefused for a log that follows another one than it is to.
func (o *Options) isNext(stream *jetstream.StreamInfo) error {
	if is := stream.Config.Metadata[followsOf]; is != o.Follows {
		return fmt.Errorf("%w: the stream %s follows the log %q, and is to follow %q: name an instance that no log had", ErrRefused, o.stream(), is, o.Follows)
	}
	return nil
}

// Begun says whether there is a log that others may open. It asks until ctx ends where no server answers. It returns an error where there was one: ErrKept
// where processes have kept what they knew of it, and ErrRefused where it is gone, and its snapshots are there, or copies of them in the bucket; and
// ErrRefused for one that follows another log than it is to.
func Begun(ctx context.Context, o Options) (begun bool, err error) {
	j, err := reach(ctx, ctx, o)
	if err != nil {
		return false, err
	}
	defer func() { _ = j.Close() }()
	if err := j.nothingKept(ctx); err != nil {
		return false, err
	}
	there := false
	err = repeatedly(ctx, func(ctx context.Context) error {
		stream, err := j.js.Stream(ctx, j.options.stream())
		if there = !errors.Is(err, jetstream.ErrStreamNotFound); !there {
			return nil
		}
		if err != nil {
			return err
		}
		info := stream.CachedInfo()
		if err := j.options.isNext(info); err != nil {
			return err
		}
		j.created = info.Created
		is, err := j.movingOf(ctx, info)
		begun = err == nil && is != In
		return err
	})
	if err != nil || there {
		return begun, err
	}
	if err := j.nothingSaved(ctx); err != nil {
		return false, err
	}
	return false, j.options.nothingCopied(ctx)
}

// nothingSaved returns ErrRefused if there are snapshots: the log that they are of was there.
func (j *Journal) nothingSaved(ctx context.Context) error {
	all, err := j.listOf(ctx, j.options.bucket())
	if err == nil && len(all) > 0 {
		return fmt.Errorf("%w: there is no stream %s, and the store %s has snapshots of it: restore that log, run manager ledger recover, or remove the store to begin without what was counted",
			ErrRefused, j.options.stream(), j.options.bucket())
	}
	return err
}

// Claim claims a log that a ledger is moved into, and returns at which position its snapshot is to be. Where another process has claimed it, Claim
// waits for that one to begin it, until that one has not renewed its claim for a while. It returns ErrBegun if the log has begun.
func (j *Journal) Claim(ctx context.Context, while time.Duration) (position uint64, err error) {
	const pause = time.Second
	waits := sync.OnceFunc(func() {
		j.options.Log.Info("Another process moves a ledger into the log, and is waited for", "stream", j.options.stream())
	})
	var other uint64
	for waited := time.Duration(0); ; waited += pause {
		last, has, err := j.beginning(ctx)
		switch {
		case err != nil:
			return 0, err
		case has:
			return 0, ErrBegun
		case last != other:
			other, waited = last, 0
		}
		if last == 0 || waited >= while {
			err := j.claimAfter(ctx, last)
			if !errors.Is(err, ErrOvertaken) {
				return j.claimed, err
			}
		}
		waits()
		sleep(ctx, pause)
	}
}

func (j *Journal) claimAfter(ctx context.Context, after uint64) error {
	position, err := j.publishAfter(ctx, after, seal{kind: claimed, id: unique()})
	if err == nil {
		j.claimed = position
	}
	return err
}

// Renew claims the log again each time that so much has passed, until stop is called: those who wait know by it that this process has not ended. It
// ends where another process has claimed the log, as Begin tells then.
func (j *Journal) Renew(ctx context.Context, every time.Duration) (stop func()) {
	stopping, stopSoon := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for sleep(stopping, every); stopping.Err() == nil; sleep(stopping, every) {
			if err := j.claimAfter(ctx, j.claimed); err != nil {
				return
			}
		}
	}()
	return func() {
		stopSoon()
		<-ended
	}
}

// Begin has others open the log, which begins with the snapshot that was saved at the position of the claim. It comes after the claim was renewed last. It
// returns ErrOvertaken if another process has claimed the log since.
func (j *Journal) Begin(ctx context.Context) error {
	j.mu.Lock()
	with := j.snapshot
	j.mu.Unlock()
	_, err := j.publishAfter(ctx, j.claimed, seal{kind: begun, read: with, snapshot: with, id: unique()})
	return err
}

// beginning is the position of the last claim, zero if there is none, and whether the log has begun.
func (j *Journal) beginning(ctx context.Context) (claim uint64, has bool, err error) {
	state, err := j.state(ctx)
	if err != nil {
		return 0, false, err
	}
	claim = max(state.FirstSeq, 1) - 1 // what was there before has gone by age: claims, unless others than those follow
	err = j.newReader(claim).read(ctx, state.LastSeq, func(m *message) error {
		if m.subject == j.options.seals() {
			s, err := readSeal(m.data)
			if err != nil {
				return fmt.Errorf("the message at %d of the log cannot be read: %w", m.sequence, err)
			}
			if s.kind == claimed {
				claim = m.sequence
				return nil
			}
		}
		has = true
		return errEnough
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return claim, has, err
}

var errEnough = errors.New("no more is to be read")

// conflicts says whether an error is that of a stream that has another last message than is expected, or may get one.
func conflicts(err error) bool {
	refused, is := errors.AsType[*jetstream.APIError](err)
	return is && (refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// publishAfter publishes a message right after a position. It returns ErrOvertaken if another one is there.
func (j *Journal) publishAfter(ctx context.Context, after uint64, s seal) (position uint64, err error) {
	row := s.appendRow(nil)
	for shorter := 0; ; {
		err := repeatedly(ctx, func(ctx context.Context) error {
			ctx, cancel := j.connection.answered(ctx)
			defer cancel()
			_, err := j.js.PublishMsg(ctx, &nats.Msg{Subject: j.options.seals(), Data: row},
				jetstream.WithExpectStream(j.options.stream()), jetstream.WithExpectLastSequence(after), jetstream.WithRetryAttempts(0))
			if errors.Is(err, jetstream.ErrNoStreamResponse) { // it has no leader for now, or is gone
				if _, gone := j.js.Stream(ctx, j.options.stream()); errors.Is(gone, jetstream.ErrStreamNotFound) {
					return gone
				}
			}
			return err
		})
		if !conflicts(err) {
			return after + 1, err
		}
		state, err := j.state(ctx)
		if err != nil {
			return 0, err
		}
		if state.LastSeq < after { // or who leads has just begun to
			if shorter++; shorter == confirmed {
				return 0, fmt.Errorf("%w: it ends at %d, and had %d", ErrShortened, state.LastSeq, after)
			}
			sleep(ctx, tryWithin/confirmed)
			continue
		}
		if state.LastSeq > after { // what is there may be this very message, whose acknowledgement was lost
			return after + 1, j.newReader(after).read(ctx, after+1, func(m *message) error {
				if !bytes.Equal(m.data, row) {
					return ErrOvertaken
				}
				return nil
			})
		}
		sleep(ctx, tryAgain)
	}
}

func unique() uint64 {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	return binary.LittleEndian.Uint64(id[:])
}
