package jetstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go/jetstream"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// When the log lost something, each process that read it keeps what it knows in a store beside the log, before it ends. As long as anything is
// there no process opens the log: it would go on without what was acknowledged. A new log, of another instance, can begin with the best of it.

func (o *Options) keptBucket() string { return o.stream() + "_kept" }

// ErrKept is returned for a log that lost something.
var ErrKept = errors.New("the log lost what it had acknowledged, and processes have kept what they knew of it")

// Keep implements journal.Shared.
func (j *Journal) Keep(ctx context.Context, position uint64, rows iter.Seq[counts.Row]) error {
	ctx, cancel := either(ctx, j.life)
	defer cancel()
	j.mu.Lock()
	at, known := j.log.at(position)
	j.mu.Unlock()
	if !known {
		return fmt.Errorf("what is known at %d, which is not one of the last positions", position)
	}
	o := &j.options
	want := jetstream.ObjectStoreConfig{
		Bucket: o.keptBucket(), Description: "What processes knew of " + o.stream() + " when it lost something", Storage: jetstream.FileStorage, Replicas: o.Replicas, Placement: o.placement(),
	}
	err := repeatedly(ctx, func(ctx context.Context) error {
		_, err := j.js.ObjectStore(ctx, want.Bucket)
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			_, err = j.js.CreateObjectStore(ctx, want)
		}
		if errors.Is(err, jetstream.ErrBucketExists) { // another process made it meanwhile
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return j.store(ctx, want.Bucket, rand.Text(), at, readable(rows))
}

// readable are rows that can be read without an error.
func readable(rows iter.Seq[counts.Row]) iter.Seq2[counts.Row, error] {
	return func(yield func(counts.Row, error) bool) {
		for row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// kept is what processes have kept, the one first that had read most.
func (j *Journal) kept(ctx context.Context) (all []stored, err error) {
	var store jetstream.ObjectStore
	err = repeatedly(ctx, func(ctx context.Context) error {
		if store, err = j.js.ObjectStore(ctx, j.options.keptBucket()); errors.Is(err, jetstream.ErrBucketNotFound) {
			return nil
		}
		return err
	})
	if err != nil || store == nil {
		return nil, err
	}
	return j.list(ctx, store)
}

// nothingKept returns ErrKept if the log lost something.
func (j *Journal) nothingKept(ctx context.Context) error {
	all, err := j.kept(ctx)
	if err == nil && len(all) > 0 {
		return fmt.Errorf("%w in the store %s: run manager ledger recover", ErrKept, j.options.keptBucket())
	}
	return err
}

// Kept is what was kept of a log that lost something.
type Kept struct {
	// Positions are those up to which processes had read the log, of which the first is the one that was read most of.
	Positions []uint64
	journal   *Journal
	best      stored
}

// OpenKept finds what was kept of the log of the options. It fails if that is nothing.
func OpenKept(ctx context.Context, o Options) (*Kept, error) {
	j, err := reach(ctx, o)
	if err != nil {
		return nil, err
	}
	all, err := j.kept(ctx)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("nothing was kept in the store %s", o.keptBucket())
	}
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	k := &Kept{journal: j, best: all[0]}
	for _, s := range all {
		k.Positions = append(k.Positions, s.position)
	}
	return k, nil
}

// Load is what the process knew that had read most of the log, as of journal.Journal.
func (k *Kept) Load() iter.Seq2[counts.Row, error] { return k.journal.rows(k.best) }

// Replay calls with nothing: what comes after Load is lost.
func (k *Kept) Replay(uint64, func(position uint64, r *counts.Round) error) error { return nil }

// Close ends the connection.
func (k *Kept) Close() error { return k.journal.Close() }
