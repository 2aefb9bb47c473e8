package jetstream

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"numberfleet.dev/numberfleet/internal/ledger/codec"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Snapshots are objects in a store that belongs to the stream, each of all rows at a position, which is its name. Its description has the
// prefix of the log that it stands for. The last keptSnapshots are kept.

const (
	keptSnapshots = 3
	// patience is how long one message of a snapshot may take, or a list of them: longer than an election.
	patience = 15 * time.Second
	// logOf is under which the metadata of a store say when its stream was created, and prefixOf those of a snapshot what it stands for.
	logOf    = "numberfleet.dev/log-created"
	prefixOf = "prefix"
)

func (o *Options) bucket() string { return o.stream() + "_snapshots" }

// streamOf is the stream that the client keeps an object store in.
func streamOf(bucket string) string { return "OBJ_" + bucket }

// openSnapshots finds the store of snapshots, or makes it. A store of another log's snapshots is refused: that log is gone, and what it
// counted would count no more.
func (j *Journal) openSnapshots(ctx context.Context) error {
	o := &j.options
	want := jetstream.ObjectStoreConfig{
		Bucket: o.bucket(), Description: "Snapshots of " + o.stream(), Storage: jetstream.FileStorage, Replicas: o.Replicas, Placement: o.placement(),
		TTL:      o.Retention, // with an older one nothing can be started any more
		Metadata: map[string]string{logOf: j.created.UTC().Format(time.RFC3339Nano)},
	}
	return repeatedly(ctx, func(ctx context.Context) (err error) {
		if j.snapshots, err = j.js.ObjectStore(ctx, want.Bucket); errors.Is(err, jetstream.ErrBucketNotFound) {
			j.snapshots, err = j.js.CreateObjectStore(ctx, want)
		}
		if errors.Is(err, jetstream.ErrBucketExists) { // another process made it meanwhile
			return errors.New("the store of snapshots appeared")
		}
		if err != nil {
			return err
		}
		stream, err := j.js.Stream(ctx, streamOf(want.Bucket))
		if errors.Is(err, jetstream.ErrStreamNotFound) { // the node that is asked does not know yet what another one has
			return errors.New("the store of snapshots is not everywhere yet")
		}
		if err != nil {
			return err
		}
		is := &stream.CachedInfo().Config
		if err := lessDurable(is, &jetstream.StreamConfig{Replicas: want.Replicas, Placement: want.Placement}); err != nil {
			return fmt.Errorf("%w: the stream %s: %w", ErrRefused, is.Name, err)
		}
		if is.Metadata[logOf] != want.Metadata[logOf] {
			return fmt.Errorf("%w: the store %s is of a log that was created at %s, and the one that is there was created at %s; restore that log, or remove the store to begin without what was counted",
				ErrReplaced, want.Bucket, is.Metadata[logOf], want.Metadata[logOf])
		}
		return nil
	})
}

// stored is a snapshot in a store, or in the bucket.
type stored struct {
	prefix
	name   string
	saved  time.Time
	secret string   // its fingerprint
	beside []string // of what a process kept: see kept.go
	size   uint64
	digest string
	// read writes its content to a writer, and fails if that is not there whole and as it was saved.
	read func(context.Context, io.Writer) error
}

// listOf is all snapshots in the store of a name, the newest first: none if there is no store.
func (j *Journal) listOf(ctx context.Context, bucket string) ([]stored, error) {
	var store jetstream.ObjectStore
	err := repeatedly(ctx, func(ctx context.Context) (err error) {
		if store, err = j.js.ObjectStore(ctx, bucket); errors.Is(err, jetstream.ErrBucketNotFound) {
			return nil
		}
		return err
	})
	if err != nil || store == nil {
		return nil, err
	}
	return j.list(ctx, store)
}

// list is all snapshots in a store, the newest first.
func (j *Journal) list(ctx context.Context, store jetstream.ObjectStore) ([]stored, error) {
	var objects []*jetstream.ObjectInfo
	err := repeatedly(ctx, func(ctx context.Context) (err error) {
		if objects, err = store.List(ctx); errors.Is(err, jetstream.ErrNoObjectsFound) {
			return nil
		}
		return err
	})
	var all []stored
	for _, object := range objects {
		p, err := parsePrefix(object.Metadata[prefixOf])
		if err != nil {
			j.unusable(object.Name, err)
			continue
		}
		all = append(all, stored{
			prefix: p, name: object.Name, saved: object.ModTime, size: object.Size, digest: object.Digest,
			secret: object.Metadata[secretOf],
			beside: strings.FieldsFunc(object.Metadata[besideOf], func(r rune) bool { return r == ',' }),
			read:   func(ctx context.Context, to io.Writer) error { return j.download(ctx, to, object) },
		})
	}
	slices.SortFunc(all, func(a, b stored) int {
		return cmp.Or(cmp.Compare(b.position, a.position), cmp.Compare(a.name, b.name))
	})
	return all, err
}

const prefixVersion = 1

func (p prefix) String() string {
	return base64.RawURLEncoding.EncodeToString(codec.Seal(p.appendTo([]byte{prefixVersion})))
}

// parsePrefix reads what String wrote.
func parsePrefix(text string) (prefix, error) {
	row, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return prefix{}, fmt.Errorf("the prefix of a snapshot cannot be read: %w", err)
	}
	r := codec.Open(row, prefixVersion)
	p := readPrefix(&r)
	return p, r.End()
}

// unusable tells of a snapshot that is passed over.
func (j *Journal) unusable(name string, err error) {
	j.options.Log.Error(err, "A snapshot cannot be used", "snapshot", name)
}

// Load implements journal.Journal. It reads a snapshot to its end before it hands out its rows: one that is damaged is passed over. Where none in
// the store is whole, those in the bucket come next.
func (j *Journal) Load() iter.Seq2[counts.Row, error] {
	return func(yield func(counts.Row, error) bool) {
		all, err := j.list(j.life, j.snapshots)
		if err != nil {
			yield(counts.Row{}, err)
			return
		}
		s := j.firstWhole(all)
		if s == nil {
			s = j.firstWhole(j.copiesOfThisLog())
		}
		if s == nil {
			return
		}
		j.mu.Lock()
		j.log.add(s.prefix)
		j.snapshot = s.prefix
		j.mu.Unlock()
		s.rows(j.life)(yield)
	}
}

// firstWhole is the first of some snapshots that can be read to its end; nil if none can.
func (j *Journal) firstWhole(all []stored) *stored {
	for i := range all {
		err := all[i].read(j.life, io.Discard)
		if err == nil {
			return &all[i]
		}
		j.unusable(all[i].name, err)
	}
	return nil
}

// rows are those of a snapshot.
func (s *stored) rows(ctx context.Context) iter.Seq2[counts.Row, error] {
	return func(yield func(counts.Row, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		r := s.open(ctx)
		defer func() { _ = r.Close() }()
		readRows(r)(yield)
	}
}

// open is the content of a snapshot, to be closed before ctx ends.
func (s *stored) open(ctx context.Context) io.ReadCloser {
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(s.read(ctx, w)) }()
	return r
}

// Save implements journal.Journal. Rows that are not given are those of the newest snapshot, which must be the one that this process
// loaded or saved.
func (j *Journal) Save(ctx context.Context, position uint64, rows iter.Seq[counts.Row]) error {
	ctx, cancel := either(ctx, j.life)
	defer cancel()
	j.mu.Lock()
	at, known := j.log.at(position)
	before := j.snapshot
	j.mu.Unlock()
	if !known {
		return fmt.Errorf("a snapshot of %d, which is not one of the last positions", position)
	}
	if position > 0 && at == before {
		return nil // what is known at a position follows from it
	}
	s := stored{prefix: at, name: strconv.FormatUint(position, 10)}
	if err := j.store(ctx, j.options.bucket(), s, merge(j.saved(ctx, before), rows)); err != nil {
		return err
	}
	j.mu.Lock()
	j.snapshot = at
	j.mu.Unlock()
	if err := j.keepNewest(ctx); err != nil {
		j.options.Log.Error(err, "Old snapshots were not removed: the next one tries again")
	}
	return nil
}

// store writes rows into a store, as a snapshot whose metadata list reads.
func (j *Journal) store(ctx context.Context, bucket string, s stored, rows iter.Seq2[counts.Row, error]) error {
	u := j.upload(ctx, bucket, jetstream.ObjectMeta{Name: s.name, Metadata: map[string]string{
		prefixOf: s.String(), secretOf: j.options.Fingerprint, besideOf: strings.Join(s.beside, ","),
	}})
	err := writeRows(ctx, u, rows)
	if err == nil {
		err = u.finish()
	}
	if err != nil {
		return errors.Join(err, u.discard())
	}
	return nil
}

// saved are the rows of the newest snapshot, which is to be one that is known.
func (j *Journal) saved(ctx context.Context, known prefix) iter.Seq2[counts.Row, error] {
	return func(yield func(counts.Row, error) bool) {
		all, err := j.list(ctx, j.snapshots)
		switch {
		case err != nil:
			yield(counts.Row{}, err)
		case len(all) == 0 && known == prefix{}:
		case len(all) == 0 || all[0].prefix != known:
			yield(counts.Row{}, errors.New("the changes are those since another snapshot than the newest"))
		default:
			all[0].rows(j.life)(yield)
		}
	}
}

// keepNewest removes snapshots that are older than those that are kept.
func (j *Journal) keepNewest(ctx context.Context) error {
	all, err := j.list(ctx, j.snapshots)
	if err != nil {
		return err
	}
	for _, s := range all[min(len(all), keptSnapshots):] {
		if err := j.snapshots.Delete(ctx, s.name); err != nil {
			return err
		}
	}
	return nil
}
