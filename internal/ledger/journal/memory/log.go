package memory

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

// Log is a log in memory that several processes share: for tests.
type Log struct {
	// Stamp is the log's own clock; nil where rounds get no stamp.
	Stamp func() time.Time

	mu       sync.Mutex
	messages []message
	grown    chan struct{} // closed when there is more
	saving   sync.Mutex
	saved    *Journal // has the snapshot
	kept     []Kept
	losses   int // so many times it lost something
	noticed  int // of these the last one that a process found
}

type message struct {
	row   []byte
	seal  []byte // of a seal: the digest of all messages before it
	stamp int64
}

// NewLog makes an empty log.
func NewLog() *Log { return &Log{grown: make(chan struct{}), saved: New()} }

// Open is the journal of one process.
func (l *Log) Open() journal.Shared {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &replica{log: l, losses: l.losses}
}

// Clone is a log with what this one has by now.
func (l *Log) Clone() *Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &Log{
		Stamp: l.Stamp, messages: slices.Clip(l.messages), grown: make(chan struct{}),
		saved: l.saved.Clone(),
	}
}

// Lose removes the last messages, as no log should.
func (l *Log) Lose(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages = l.messages[: len(l.messages)-n : len(l.messages)-n]
	l.losses++
}

// Notice has all processes find that the log lost something.
func (l *Log) Notice() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notice()
}

func (l *Log) notice() {
	l.noticed = l.losses
	l.wake()
}

// Kept is what a process kept when the log had lost something.
type Kept struct {
	*Journal
	Proposer uint64
	Beside   []uint64
}

// Kept is what processes kept.
func (l *Log) Kept() []Kept {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.kept)
}

func (l *Log) add(m message) {
	l.messages = append(l.messages, m)
	l.wake()
}

func (l *Log) wake() {
	close(l.grown)
	l.grown = make(chan struct{})
}

// after returns the message after so many, or what is closed once there is one.
func (l *Log) after(position uint64) (*message, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if position < uint64(len(l.messages)) {
		return &l.messages[position], nil
	}
	return nil, l.grown
}

// hasLost says whether a process has found that the log lost something, after so many losses.
func (l *Log) hasLost(losses int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.noticed > losses
}

// replica is a process's journal on a log.
type replica struct {
	log      *Log
	losses   int // that the log had when it was opened
	position uint64
	digest   []byte
	mu       sync.Mutex
	size     int64 // since the snapshot
}

// Load implements journal.Journal.
func (r *replica) Load() iter.Seq2[counts.Row, error] { return r.log.saved.Clone().Load() }

// Replay implements journal.Journal.
func (r *replica) Replay(after uint64, call func(position uint64, r *counts.Round) error) error {
	for r.position < after { // the digest is of all
		m, _ := r.log.after(r.position)
		if m == nil {
			return fmt.Errorf("the log ends before the snapshot at %d", after)
		}
		if _, err := r.read(m); err != nil {
			return err
		}
	}
	r.grow(-r.Size())
	for {
		m, _ := r.log.after(r.position)
		if m == nil {
			return nil
		}
		if err := r.give(m, call); err != nil {
			return err
		}
	}
}

// Follow implements journal.Shared. Where one process finds that the log lost something all end: another one may be past where that shows.
func (r *replica) Follow(ctx context.Context, call func(position uint64, r *counts.Round) error) error {
	for {
		m, more := r.log.after(r.position)
		if r.log.hasLost(r.losses) {
			return ErrSealed
		}
		if m != nil {
			if err := r.give(m, call); err != nil {
				return err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-more:
		}
	}
}

func (r *replica) give(m *message, call func(position uint64, r *counts.Round) error) error {
	round, err := r.read(m)
	if err != nil || round == nil {
		return err
	}
	return call(r.position, round)
}

// ErrSealed is returned where a seal differs from what was read.
var ErrSealed = fmt.Errorf("%w: it is not the one that was sealed", journal.ErrLost)

// read reads the next message: a round, or nothing of a seal.
func (r *replica) read(m *message) (*counts.Round, error) {
	r.position++
	if m.seal != nil {
		if !bytes.Equal(m.seal, r.digest) {
			return nil, ErrSealed
		}
		return nil, nil
	}
	sum := sha256.Sum256(append(bytes.Clone(r.digest), m.row...))
	r.digest = sum[:]
	r.grow(int64(len(m.row)))
	var round counts.Round
	if err := round.ReadRow(m.row); err != nil {
		return nil, err
	}
	round.Stamp = m.stamp
	return &round, nil
}

// Append implements journal.Journal.
func (r *replica) Append(ctx context.Context, round *counts.Round) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	m := message{row: round.AppendRow(nil)}
	if l.Stamp != nil {
		m.stamp = l.Stamp().UnixMilli()
	}
	l.add(m)
	return nil
}

// Seal implements journal.Shared.
func (r *replica) Seal(context.Context) error {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	var digest []byte
	for _, m := range l.messages {
		if m.seal == nil {
			sum := sha256.Sum256(append(bytes.Clone(digest), m.row...))
			digest = sum[:]
		}
	}
	l.add(message{seal: append([]byte{}, digest...)})
	return nil
}

// Keep implements journal.Shared.
func (r *replica) Keep(ctx context.Context, k journal.Kept) error {
	kept := New()
	if err := kept.Save(ctx, 0, k.Rows); err != nil {
		return err
	}
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	r.log.kept = append(r.log.kept, Kept{kept, k.Proposer, k.Beside})
	r.log.notice()
	return nil
}

// Save implements journal.Journal.
func (r *replica) Save(ctx context.Context, _ uint64, rows iter.Seq[counts.Row]) error {
	size := r.Size()
	r.log.saving.Lock()
	defer r.log.saving.Unlock()
	if err := r.log.saved.Save(ctx, 0, rows); err != nil {
		return err
	}
	r.grow(-size)
	return nil
}

// Size implements journal.Journal.
func (r *replica) Size() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.size
}

func (r *replica) grow(by int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.size += by
}

// Close implements journal.Journal.
func (r *replica) Close() error { return nil }
