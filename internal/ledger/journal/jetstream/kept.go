package jetstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

// When the log lost something, each process that read it says so in the log, if there is one, and keeps what it knows in a store beside it, before it
// ends: who reads that does the same. As long as anything is in the store no process opens the log: it would go on without what was
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
	j.tellOthers(ctx) // at once: until then they grant again what was granted in what the log lost
	if err := j.openKept(ctx); err != nil {
		return err
	}
	kept := stored{prefix: at, name: proposerName(k.Proposer)}
	for _, id := range k.Beside {
		kept.beside = append(kept.beside, proposerName(id))
	}
	if err := j.store(ctx, j.options.keptBucket(), kept, merge(noRows, k.Rows)); err != nil {
		return err
	}
	j.tellOthers(ctx) // the log may be there only now
	return nil
}

// openKept finds the store of what is kept, or makes it: with the log, since all nodes are there then, and again when something is kept.
func (j *Journal) openKept(ctx context.Context) error {
	o := &j.options
	want := jetstream.ObjectStoreConfig{
		Bucket: o.keptBucket(), Description: "What processes knew of " + o.stream() + " when it lost something", Storage: jetstream.FileStorage, Replicas: o.Replicas, Placement: o.placement(),
	}
	waits := false
	return repeatedly(ctx, func(ctx context.Context) error {
		_, err := j.js.ObjectStore(ctx, want.Bucket)
		if errors.Is(err, jetstream.ErrBucketNotFound) {
			_, err = j.js.CreateObjectStore(ctx, want)
		}
		switch {
		case errors.Is(err, jetstream.ErrBucketExists): // another process made it meanwhile
			return nil
		case err != nil && !waits:
			waits = true
			o.Log.Info("The store of what is kept is not found, nor made, which is tried again", "store", want.Bucket, "reason", err.Error())
		}
		return err
	})
}

// tellOthers gives the log up. Where that fails, what is known here is to be kept all the same: others find by themselves that the log lost something, and
// whoever begins another log gives it up before it reads it.
func (j *Journal) tellOthers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := j.giveUp(ctx); err != nil {
		j.options.Log.Error(err, "Others who follow the log are not told that it lost something")
	}
}

// giveUp has all who follow the log end, and keep what they know. It returns the position of the message that says so, zero if there is no log: nobody is
// told of what comes after it.
func (j *Journal) giveUp(ctx context.Context) (position uint64, err error) {
	err = repeatedly(ctx, func(ctx context.Context) error {
		_, err := j.js.Stream(ctx, j.options.stream())
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		ack, err := j.js.Publish(ctx, j.options.seals(), seal{kind: lost}.appendRow(nil))
		if err == nil {
			position = ack.Sequence
		}
		return err
	})
	return position, err
}

// nothingKept returns ErrKept if the log lost something.
func (j *Journal) nothingKept(ctx context.Context) error {
	all, err := j.listOf(ctx, j.options.keptBucket())
	if err == nil && len(all) > 0 {
		return fmt.Errorf("%w in the store %s: name ledger.log.next, or run manager ledger recover", ErrKept, j.options.keptBucket())
	}
	return err
}
