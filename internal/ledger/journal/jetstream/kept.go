package jetstream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

// When the log lost something, each process that read it keeps what it knows in a store beside the log, before it ends. The first one says so in
// the log, if there is one: who reads that ends too. As long as anything is in the store no process opens the log: it would go on without what was
// acknowledged. A new log, of another instance, can begin with all of it: see left.go.
//
// An object of the store has the name of its proposer, and those that it knows of as metadata.

// besideOf is under which the metadata of what was kept name those who proposed rounds too, with commas between.
const besideOf = "beside"

func proposerName(id uint64) string { return fmt.Sprintf("%016x", id) }

func (o *Options) keptBucket() string { return o.stream() + "_kept" }

// ErrKept is returned for a log that lost something.
var ErrKept = errors.New("the log lost what it had acknowledged, and processes have kept what they knew of it")

// Keep implements journal.Shared.
func (j *Journal) Keep(ctx context.Context, k journal.Kept) error {
	j.mu.Lock()
	at, known := j.log.at(k.Position)
	j.mu.Unlock()
	if !known {
		return fmt.Errorf("what is known at %d, which is not one of the last positions", k.Position)
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
	var beside []string
	for _, id := range k.Beside {
		beside = append(beside, proposerName(id))
	}
	metadata := map[string]string{prefixOf: at.String(), besideOf: strings.Join(beside, ",")}
	if err := j.store(ctx, want.Bucket, jetstream.ObjectMeta{Name: proposerName(k.Proposer), Metadata: metadata}, readable(k.Rows)); err != nil {
		return err
	}
	if err := j.giveUp(ctx); err != nil {
		o.Log.Error(err, "Others who follow the log are not told that it lost something: they find so by themselves")
	}
	return nil
}

// giveUp has all who follow the log end, and keep what they know, if there still is a log.
func (j *Journal) giveUp(ctx context.Context) error {
	return repeatedly(ctx, func(ctx context.Context) error {
		_, err := j.js.Stream(ctx, j.options.stream())
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = j.js.Publish(ctx, j.options.seals(), seal{kind: lost}.appendRow(nil))
		return err
	})
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

// nothingKept returns ErrKept if the log lost something.
func (j *Journal) nothingKept(ctx context.Context) error {
	all, err := j.listOf(ctx, j.options.keptBucket())
	if err == nil && len(all) > 0 {
		return fmt.Errorf("%w in the store %s: name ledger.log.next, or run manager ledger recover", ErrKept, j.options.keptBucket())
	}
	return err
}
