package jetstream

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// The newest snapshots are copied to a bucket apart from the servers of the log, if there is one. A start whose store has no snapshot that is whole
// reads one of the same log from there, and loses nothing. When the log itself is gone a new one can begin with the newest: what came after it is
// lost. So no process makes a log in place of one of which the bucket has copies.
//
// A copy is an object INSTANCE/TIME-POSITION with the content of the snapshot, and what else is to be known of it as metadata.

const (
	// The keys of the metadata.
	copyLog    = "Log" // when the stream was created
	copySecret = "Secret"
	copyPrefix = "Prefix"
	copyDigest = "Digest"
	copySaved  = "Saved"

	// lookEvery is how often a process looks whether there is a new snapshot, and copyAgain how long it waits after it could not copy one.
	lookEvery = time.Second
	copyAgain = time.Minute
)

// copyName is the form of the names of copies without the instance: they are in the order of time.
var copyName = regexp.MustCompile(`^\d{8}T\d{6}Z-\d{20}$`)

func (o *Options) copies() string { return o.Instance + "/" }

// BackUp copies each new snapshot to the bucket while this process leads, until ctx ends or the journal is closed. It does nothing without a
// bucket.
func (j *Journal) BackUp(ctx context.Context, leads func() bool) {
	if j.options.Backup == nil {
		return
	}
	ctx, cancel := either(ctx, j.life)
	defer cancel()
	var copied prefix
	for ; ctx.Err() == nil; sleep(ctx, lookEvery) {
		j.mu.Lock()
		newest := j.snapshot
		j.mu.Unlock()
		if newest == copied || !leads() {
			continue
		}
		err := j.CopySnapshot(ctx)
		if err == nil {
			copied = newest
		} else if ctx.Err() == nil {
			j.uncopied.Add(1)
			j.options.Log.Error(err, "The newest snapshot was not copied to the bucket, which is tried again", "pause", copyAgain.String())
			sleep(ctx, copyAgain)
		}
	}
}

// CopySnapshot copies the newest snapshot to the bucket, unless it is there, and keeps the newest three copies. Other processes may do so at the
// same time.
func (j *Journal) CopySnapshot(ctx context.Context) error {
	ctx, cancel := either(ctx, j.life)
	defer cancel()
	all, err := j.list(ctx, j.snapshots)
	if err != nil || len(all) == 0 {
		return err
	}
	newest, to := all[0], j.options.Backup
	name := j.options.copies() + fmt.Sprintf("%s-%020d", newest.saved.UTC().Format("20060102T150405Z"), newest.position)
	names, err := j.options.listCopies(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(names, name) {
		content := newest.open(ctx)
		err := to.Write(ctx, name, map[string]string{
			copyLog: stamp(j.created), copySecret: j.options.Fingerprint, copyPrefix: newest.prefix.String(), copyDigest: newest.digest, copySaved: stamp(newest.saved),
		}, content, int64(newest.size))
		_ = content.Close()
		if err != nil {
			return err
		}
		names = slices.Insert(names, 0, name)
		slices.Sort(names)
		slices.Reverse(names)
	}
	j.mu.Lock()
	j.backedUp = newest.saved
	j.mu.Unlock()
	for _, old := range names[min(len(names), keptSnapshots):] {
		if err := to.Remove(ctx, old); err != nil {
			j.options.Log.Error(err, "An old copy was not removed: the next one tries again", "copy", old)
		}
	}
	return nil
}

// stamp is an instant as metadata have it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
