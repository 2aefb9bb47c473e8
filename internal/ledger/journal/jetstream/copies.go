package jetstream

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// askAgain is how long it takes until the bucket is asked again, whether it has copies.
const askAgain = 5 * time.Second

// listCopies is the names of the copies in the bucket, the newest first.
func (o *Options) listCopies(ctx context.Context) ([]string, error) {
	names, err := o.Backup.List(ctx, o.copies())
	names = slices.DeleteFunc(names, func(name string) bool { return !copyName.MatchString(strings.TrimPrefix(name, o.copies())) })
	slices.Reverse(names)
	return names, err
}

// copied is a snapshot in the bucket.
type copied struct {
	stored
	log string
}

// describe reads what is to be known of a copy.
func (o *Options) describe(ctx context.Context, name string) (c copied, err error) {
	metadata, err := o.Backup.Metadata(ctx, name)
	if err != nil {
		return c, err
	}
	c = copied{stored{name: name, digest: metadata[copyDigest], secret: metadata[copySecret]}, metadata[copyLog]}
	if c.prefix, err = parsePrefix(metadata[copyPrefix]); err != nil {
		return c, err
	}
	c.saved, err = time.Parse(time.RFC3339Nano, metadata[copySaved])
	c.read = func(ctx context.Context, to io.Writer) error {
		digest := sha256.New()
		if err := o.Backup.Read(ctx, io.MultiWriter(to, digest), name); err != nil {
			return err
		}
		if jetstream.GetObjectDigestValue(digest) != c.digest {
			return errors.New("the copy has another digest than it should")
		}
		return nil
	}
	return c, err
}

// copiesOfThisLog is the snapshots of this log in the bucket, the newest first: what the log has after them is missing in none.
func (j *Journal) copiesOfThisLog() (all []stored) {
	o := &j.options
	if o.Backup == nil {
		return nil
	}
	names, err := o.listCopies(j.life)
	if err != nil {
		o.Log.Error(err, "The bucket was not read, and the log is read from its beginning")
	}
	for _, name := range names {
		c, err := o.describe(j.life, name)
		if err != nil {
			j.unusable(name, err)
		} else if c.log == stamp(j.created) && c.secret == o.Fingerprint {
			all = append(all, c.stored)
		}
	}
	return all
}

// nothingGone returns ErrRefused if there is no log and the bucket has copies of its snapshots.
func (j *Journal) nothingGone(ctx context.Context) error {
	o := &j.options
	if o.Moving != "" {
		return nil
	}
	var there bool
	err := repeatedly(ctx, func(ctx context.Context) error {
		_, err := j.js.Stream(ctx, o.stream())
		if there = !errors.Is(err, jetstream.ErrStreamNotFound); there {
			return err
		}
		return nil
	})
	if err != nil || there {
		return err
	}
	return o.nothingCopied(ctx)
}

// nothingCopied asks until ctx ends where the bucket cannot be read: whether something was counted before is not known then.
func (o *Options) nothingCopied(ctx context.Context) error {
	if o.Backup == nil {
		return nil
	}
	for {
		names, err := o.listCopies(ctx)
		switch {
		case err == nil && len(names) == 0:
			return nil
		case err == nil:
			return fmt.Errorf("%w: there is no stream %s, and the bucket has copies of its snapshots: run manager ledger restore, or remove what is below %s to begin without what was counted",
				ErrRefused, o.stream(), o.copies())
		case ctx.Err() != nil:
			return err
		}
		o.Log.Error(err, "There is no log yet, and none is made until it is known that the bucket has no copies of one")
		sleep(ctx, askAgain)
	}
}

// Backup is the newest copy of a snapshot of a log that is gone, as of journal.Source.
type Backup struct {
	Saved    time.Time // what the log got after it is lost
	Position uint64
	snapshotSource
}

// ErrNoBackup is returned where the bucket has no copy that is whole.
var ErrNoBackup = errors.New("the bucket has no copy of a snapshot that can be read")

// OpenBackup finds the newest copy that is whole of the snapshots of the log of the options. Whoever reads it ends with ctx.
func OpenBackup(ctx context.Context, o Options) (*Backup, error) {
	if o.Backup == nil {
		return nil, errors.New("the configuration names no bucket")
	}
	names, err := o.listCopies(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		c, err := o.describe(ctx, name)
		if err == nil {
			err = c.read(ctx, io.Discard)
		}
		switch {
		case err != nil:
			o.Log.Error(err, "A copy cannot be used", "copy", name)
		case c.secret != o.Fingerprint:
			return nil, fmt.Errorf("%w: the copy %s was made with another secret", ErrRefused, name)
		default:
			return &Backup{c.saved, c.position, snapshotSource{ctx, c.stored}}, nil
		}
	}
	return nil, fmt.Errorf("%w, below %s", ErrNoBackup, o.copies())
}
