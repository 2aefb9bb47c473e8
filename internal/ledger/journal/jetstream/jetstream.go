// Package jetstream has a journal that several processes share: a stream of NATS JetStream with three copies, each of which is synced before
// a round is acknowledged.
//
//	stream.go    what the stream must be
//	publish.go   how a round gets into it
//	reader.go    how all rounds are read, by consumer.go and direct.go
//	follow.go    what is done with them
//	seal.go      how processes find that they have read the same
//	snapshot.go  what a start reads before them: rows.go in object.go
//	kept.go      what processes do when the log lost something
//	left.go      and what is left then
//	backup.go    what is copied for when the log, or the store of its snapshots, is gone
//	copies.go    what is read of that
//	moving.go    which way a ledger is moved, into a log or out of it
//	begin.go     how one is moved into it by one process alone
package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/nats-io/nats.go/jetstream"

	"numberfleet.dev/numberfleet/internal/ledger/bucket"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

// Options of a journal. The zero value of those that are not required is ready for use.
type Options struct {
	Servers  []string // required: nats:// or tls://, any node of the cluster
	Instance string   // required: letters, digits, - and _; journals of one instance share a log
	// Fingerprint tells secrets of keys apart, and gives none away. Keys are comparable only under one secret: a process with another than
	// the log's is refused.
	Fingerprint string // required

	Credentials          string // a file, as nsc writes it
	CertificateAuthority string // a file in PEM; the system's if it is empty
	Certificate, Key     string // files in PEM, for servers that ask for a certificate

	Replicas      int           // how many copies the log has, 3 if zero
	Retention     time.Duration // how long it keeps rounds, DefaultRetention if zero
	AllowUnsynced bool          // takes servers that acknowledge before they have synced: a power failure may lose what was acknowledged

	// Backup is where copies of the newest snapshots are kept, see backup.go; nil for nowhere.
	Backup *bucket.Bucket

	// Moving opens the log to move a ledger, see moving.go; empty to use it.
	Moving Moving
	// Follows is the instance of a log that lost something, with what is left of which this one begins: only for Moving, and for Begun.
	Follows string

	// Time is the time for the rules that stands for one of the server's, the same if it is nil.
	Time func(time.Time) time.Time
	// Log receives what goes wrong in the background.
	Log logr.Logger
}

// DefaultRetention is as long as anything is counted, and a day.
const DefaultRetention = 38 * 24 * time.Hour

// What is wrong with a log on which a process may not go on.
var (
	ErrGap       = errors.New("the log lacks rounds that this process has not read")
	ErrShortened = fmt.Errorf("%w: it lacks rounds that this process has read", journal.ErrLost)
	ErrReplaced  = fmt.Errorf("%w: it is not the one that was there before", journal.ErrLost)
	ErrGivenUp   = fmt.Errorf("%w: another process has found so", journal.ErrLost)
	ErrChanged   = fmt.Errorf("%w: it has others in place of rounds that this process has read", journal.ErrLost)
	ErrDiffers   = errors.New("the log is not as another process has read it")

	ErrNoBeginning = errors.New("the log begins with a snapshot that is not there")
)

// ErrTooLarge is returned for a round whose row has more than MaxRound bytes.
var ErrTooLarge = fmt.Errorf("a round has more than %d bytes", MaxRound)

// MaxRound is how many bytes a round's row may have. Servers take twice as many by default.
const MaxRound = 512 << 10

// Journal is a process's part in a shared log. A position is a sequence of the stream; other messages than rounds take sequences too.
type Journal struct {
	options    Options
	connection *connection
	js         jetstream.JetStream
	created    time.Time // of the stream: another one has another
	moving     Moving    // which way it was moved then
	reader     *reader
	snapshots  jetstream.ObjectStore
	claimed    uint64 // position of its last claim, see begin.go

	life context.Context // ends with the journal; its cause says why
	end  context.CancelCauseFunc

	repeats, sealed, uncopied atomic.Int64

	mu       sync.Mutex
	log      history   // that was read
	snapshot prefix    // of the newest snapshot that is known
	backedUp time.Time // when the newest snapshot was saved that is in the bucket
}

var _ journal.Shared = (*Journal)(nil)

var errClosed = errors.New("the journal is closed")

// Open connects to the servers, and makes the log and the stores beside it unless they are there. A log that promises less than the
// options want is refused. Open asks until ctx ends where no server or no leader answers. A journal that moves a ledger ends with ctx too.
func Open(ctx context.Context, o Options) (*Journal, error) {
	life := ctx
	if o.Moving == "" {
		life = context.Background()
	}
	j, err := reach(ctx, life, o)
	if err != nil {
		return nil, err
	}
	if err := j.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the log: %w", err), j.Close())
	}
	return j, nil
}

// reach connects to the servers, once one of them is there. What reads the log, or what is beside it, ends with life.
func reach(ctx, life context.Context, o Options) (*Journal, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	connection, err := reachable(ctx, &o)
	if err != nil {
		return nil, fmt.Errorf("connect to the log: %w", err)
	}
	j := &Journal{options: o, connection: connection}
	j.life, j.end = context.WithCancelCause(life)
	j.js, err = jetstream.New(connection.Conn, jetstream.WithDefaultTimeout(patience), jetstream.WithPublishAsyncTimeout(patience))
	return j, err
}

func (j *Journal) open(ctx context.Context) error {
	if err := j.checkServer(); err != nil {
		return err
	}
	if err := j.nothingKept(ctx); err != nil {
		return err
	}
	if err := j.nothingGone(ctx); err != nil {
		return err
	}
	if err := j.openStream(ctx); err != nil {
		return err
	}
	if err := j.nothingKept(ctx); err != nil { // others may have kept something while the stream was waited for; who keeps it later tells by a seal
		return err
	}
	if err := j.openSnapshots(ctx); err != nil {
		return err
	}
	if err := j.openKept(ctx); err != nil {
		return fmt.Errorf("the store %s: %w", j.options.keptBucket(), err)
	}
	j.reader = j.newReader(0)
	return nil
}

// newReader reads what comes after a position of the log.
func (j *Journal) newReader(after uint64) *reader {
	r := &reader{connection: j.connection.Conn, js: j.js, stream: j.options.stream(), created: j.created}
	r.last.Store(after)
	return r
}

// Instance is the name of the log.
func (j *Journal) Instance() string { return j.options.Instance }

// Size implements journal.Journal.
func (j *Journal) Size() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return int64(j.log.last.bytes - j.snapshot.bytes)
}

// Stats counts what the journal did since it was opened.
type Stats struct {
	Position uint64 // up to which the log was read
	Snapshot uint64 // position of the newest snapshot that is known
	Repeats  int64  // rounds and seals that were published again, for want of an acknowledgement
	Restarts int64  // consumers that were given up
	Direct   int64  // messages that were read without a consumer
	Seals    int64  // that were compared, and agreed

	BackedUp time.Time // when the newest snapshot was saved that this process knows to be in the bucket; zero for none
	Uncopied int64     // attempts to copy a snapshot to the bucket that failed
}

// Stats is what the journal did by now.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	return Stats{
		Position: j.log.last.position, Snapshot: j.snapshot.position,
		Repeats: j.repeats.Load(), Restarts: j.reader.restarts.Load(), Direct: j.reader.directs.Load(), Seals: j.sealed.Load(),
		BackedUp: j.backedUp, Uncopied: j.uncopied.Load(),
	}
}

// Close implements journal.Journal. What is under way ends.
func (j *Journal) Close() error {
	j.end(errClosed)
	j.connection.Close()
	return nil
}
