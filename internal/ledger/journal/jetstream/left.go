package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

// Left is what is left of a log that lost something.
type Left struct {
	Kept     []uint64 // the positions up to which processes had read the log that have kept what they knew, the last one first
	Missing  []string // the proposers that were there until the end, as far as those know, and have kept nothing
	Snapshot uint64   // that of the newest snapshot; zero for none
	Log      uint64   // the last one of the log itself; zero if there is none
	journal  *Journal

	kept, snapshots []stored        // the one first that knows most
	there           map[string]bool // proposers: those who kept something, and those of whom these know
	first           uint64          // position of the log
}

// ErrNothingKept is returned where nobody has kept what they knew of a log, as far as the node can see that is asked.
var ErrNothingKept = errors.New("no process has kept anything")

// OpenLeft finds what is left of the log of the options. It returns ErrNothingKept if the log lost nothing as far as can be seen: then a new one would
// begin beside it. It returns ErrRefused if any of it was written with another secret: a new log would know none of those who were counted. Whoever reads
// it ends with ctx.
func OpenLeft(ctx context.Context, o Options) (*Left, error) {
	j, err := reach(ctx, ctx, o)
	if err != nil {
		return nil, err
	}
	l := &Left{journal: j}
	if err := l.find(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("what is left of the log: %w", err), j.Close())
	}
	return l, nil
}

func (l *Left) find(ctx context.Context) (err error) {
	j := l.journal
	if l.kept, err = l.list(ctx, j.options.keptBucket()); err != nil {
		return err
	}
	if l.snapshots, err = l.list(ctx, j.options.bucket()); err != nil {
		return err
	}
	l.there = map[string]bool{}
	for _, s := range l.kept {
		for _, proposer := range append(s.beside, s.name) {
			l.there[proposer] = true
		}
	}
	l.tell()
	if err := l.findLog(ctx); err != nil {
		return err
	}
	if len(l.Kept) > 0 || l.Log < l.Snapshot {
		return nil
	}
	switch err := l.read(j.givenUp); {
	case errors.Is(err, ErrGivenUp):
		return nil
	case err != nil:
		return err
	}
	if l.Log == 0 {
		return fmt.Errorf("%w: there is no stream %s, nor anything beside it", ErrNothingKept, j.options.stream())
	}
	return fmt.Errorf("%w in the store %s, nor does the log say that it lost something: another one would begin beside it", ErrNothingKept, j.options.keptBucket())
}

// read reads the log from its first message on, over what it lacks.
func (l *Left) read(call func(*message) error) error {
	r := l.journal.newReader(max(l.first, 1) - 1)
	r.passed = func(g *gap) {
		l.journal.options.Log.Info("The log lacks messages, which are passed over", "after", g.after, "before", g.before)
	}
	return r.read(l.journal.life, l.Log, call)
}

// list is all copies in the store of a name.
func (l *Left) list(ctx context.Context, bucket string) ([]stored, error) {
	all, err := l.journal.listOf(ctx, bucket)
	for _, s := range all {
		err = errors.Join(err, l.journal.options.sameSecret(fmt.Sprintf("the object %s of the store %s", s.name, bucket), s.secret))
	}
	return all, err
}

// tell sets the fields that tell of copies.
func (l *Left) tell() {
	l.Kept, l.Snapshot = nil, 0
	missing := maps.Clone(l.there)
	for _, s := range l.kept {
		l.Kept = append(l.Kept, s.position)
		delete(missing, s.name)
	}
	l.Missing = slices.Sorted(maps.Keys(missing))
	if len(l.snapshots) > 0 {
		l.Snapshot = l.snapshots[0].position
	}
}

// DropDamaged reads all copies, and leaves out those that are not whole: a process that kept one of them is missing then. It fails where one cannot be
// read for want of an answer: what that one alone knows would be lost.
func (l *Left) DropDamaged(ctx context.Context) error {
	for _, all := range []*[]stored{&l.kept, &l.snapshots} {
		var whole []stored
		for _, s := range *all {
			switch err := s.read(ctx, io.Discard); {
			case err == nil:
				whole = append(whole, s)
			case errors.Is(err, errDamaged):
				l.journal.unusable(s.name, err)
			default:
				return fmt.Errorf("the copy %s of what is left of the log: %w", s.name, err)
			}
		}
		*all = whole
	}
	l.tell()
	return nil
}

// ErrChosen is returned where another log begins with what is left.
var ErrChosen = errors.New("another log begins with what is left of this one")

// Choose has the log of an instance begin with what is left, and none of another instance: processes whose configurations differ would go on with two logs.
// The first that is chosen stays. From then on nobody goes on with this log.
func (l *Left) Choose(ctx context.Context, instance string) error {
	err := l.choose(ctx, instance)
	if err == nil {
		l.Log, err = l.journal.giveUp(ctx)
	}
	return err
}

// choose notes the choice beside what was kept; without that there is none.
func (l *Left) choose(ctx context.Context, instance string) error {
	if len(l.kept) == 0 {
		return nil
	}
	j, chosen := l.journal, instance
	bucket := j.options.keptBucket()
	subject := chunks(&jetstream.ObjectInfo{Bucket: bucket, NUID: "next"})
	err := repeatedly(ctx, func(ctx context.Context) error {
		_, err := j.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: []byte(instance)},
			jetstream.WithExpectStream(streamOf(bucket)), jetstream.WithExpectLastSequencePerSubject(0), jetstream.WithRetryAttempts(0))
		if !conflicts(err) {
			return err
		}
		stream, err := j.js.Stream(ctx, streamOf(bucket))
		if err != nil {
			return err
		}
		message, err := stream.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) { // the node that is asked does not have it yet
			return errors.New("the choice is not everywhere yet")
		}
		if err == nil {
			chosen = string(message.Data)
		}
		return err
	})
	if err == nil && chosen != instance {
		return fmt.Errorf("%w: that of the instance %s", ErrChosen, chosen)
	}
	return err
}

// findLog finds the log itself, if it is there.
func (l *Left) findLog(ctx context.Context) error {
	j := l.journal
	return repeatedly(ctx, func(ctx context.Context) error {
		stream, err := j.js.Stream(ctx, j.options.stream())
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		is := stream.CachedInfo()
		l.first, l.Log, j.created = is.State.FirstSeq, is.State.LastSeq, is.Created
		return j.options.sameSecret("the stream "+is.Config.Name, is.Config.Metadata[secretOf])
	})
}

// Sources are those of all that is known, the one first that knows most: what was kept, the newest snapshot, and the log from its first round on.
func (l *Left) Sources() iter.Seq[journal.Source] {
	copies := slices.Concat(l.kept, l.snapshots[:min(1, len(l.snapshots))])
	slices.SortStableFunc(copies, func(a, b stored) int { return cmp.Compare(b.position, a.position) })
	return func(yield func(journal.Source) bool) {
		for _, s := range copies {
			if !yield(&snapshotSource{l.journal.life, s}) {
				return
			}
		}
		if l.Log > 0 {
			yield(&leftLog{l})
		}
	}
}

// Close ends the connection.
func (l *Left) Close() error { return l.journal.Close() }

// snapshotSource is a snapshot alone: nothing comes after it.
type snapshotSource struct {
	ctx context.Context // ends whoever reads it
	of  stored
}

// Load implements journal.Source.
func (s *snapshotSource) Load() iter.Seq2[counts.Row, error] { return s.of.rows(s.ctx) }

// Replay implements journal.Source.
func (s *snapshotSource) Replay(uint64, func(position uint64, r *counts.Round) error) error {
	return nil
}

// leftLog is the log itself. Processes may have read something else in some of its places: so no snapshot stands for its beginning, and seals say
// nothing. It may lack messages, and those go on to go by age: what is there is read.
type leftLog struct{ *Left }

// Load implements journal.Source.
func (l *leftLog) Load() iter.Seq2[counts.Row, error] { return noRows }

// Replay implements journal.Source.
func (l *leftLog) Replay(_ uint64, call func(position uint64, r *counts.Round) error) error {
	j := l.journal
	var round counts.Round
	return l.read(func(m *message) error {
		if m.subject != j.options.rounds() {
			return nil
		}
		if err := j.readRound(m, &round); err != nil {
			return err
		}
		return call(m.sequence, &round)
	})
}
