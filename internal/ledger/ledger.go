// Package ledger orders records, keeps them and applies them: a journal has the order and survives a crash, and a state machine (package
// counts) has what follows from it.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal"
)

// Ledger is a journal and the machine to which its rounds of records are applied, in the order of the journal. Its methods are safe for
// concurrent use. When a call that records something returns, all answers include it. The ledger's time is that of the records.
//
// Where the journal is shared, so is what the ledger knows: every process applies what all of them append. Only the one that leads sets windows,
// portfolios, claims and settings, see Lead; others are refused with ErrFenced.
//
// If a record cannot be kept or applied, the ledger cannot go on until it is opened again: every call that would record something returns why,
// and Options.Fatal is called.
type Ledger struct {
	*counts.View
	machine *counts.Machine
	journal journal.Journal
	replica *replica // nil where the journal is not shared
	cluster string
	hasher  counts.Hasher
	log     logr.Logger

	keeping  sync.Mutex // held by the round that is being written
	applying sync.Mutex // held by the round that is being applied, and while a snapshot begins or ends
	joining  sync.Mutex // guards what follows
	waiting  *round     // the next round
	broken   error      // why nothing more is recorded: ErrClosed, or what failed
	fatal    func(error)

	subscribed atomic.Pointer[[]func(string)]
	subscribe  sync.Mutex

	snapshots    sync.Mutex // held by the snapshot under way
	journalBytes int64
	retryAt      atomic.Int64 // after a failed snapshot: the size of the journal at which to try again
	wake         chan struct{}
	open         context.Context // until Close
	stop         context.CancelFunc
	background   sync.WaitGroup
}

// ErrClosed is returned by calls on a closed ledger.
var ErrClosed = errors.New("the ledger is closed")

// Options of a ledger. The zero value is ready for use, but for a shared journal.
type Options struct {
	// JournalBytes is the size of the journal at which a snapshot is taken. The larger, the fewer are taken, and the longer a start takes:
	// about a second for 64 MiB, the default.
	JournalBytes int64
	// Clock is what a shared journal's rounds are proposed by, and how long they take is measured with; Rules is the clock that records have.
	// Both are needed for a shared journal, and only there.
	Clock clock.WithTicker
	Rules clock.PassiveClock
	// Speed is by how much Rules goes faster than Clock; 1 if zero.
	Speed float64
	// Skew is how far Rules may be from the time of a shared journal. What is further off is wrong, and this process refuses records until it is
	// right: it would take what happens for what is long past, or still to come. Zero for any.
	Skew time.Duration
	// SnapshotEvery is how long the leader of a shared journal goes without a snapshot, however little the journal grows; 6 hours if zero.
	SnapshotEvery time.Duration
	// Cluster is the name of the Kubernetes cluster whose resources this process follows, where several share a journal; else it is empty.
	Cluster string
	// Applied is told how long each round took that this process proposed to a shared journal, until it was applied; nil for nobody.
	Applied func(took time.Duration)
	// Replaced is told, once, that what this process sets as the leader has no effect any more, since another has led since; nil for nobody.
	Replaced func()
	// Secret is that of the Hasher. Keys of users and messages are comparable only under the same one.
	Secret [16]byte
	// Log receives what goes wrong in the background. It names no numbers.
	Log logr.Logger
	// Fatal is told, once, why the ledger cannot go on. All that was acknowledged is in the journal: a new start has it.
	Fatal func(error)
}

const defaultJournalBytes = 64 << 20

// Open makes a ledger of what a journal has. It closes the journal with the ledger, and if it fails. Counts are right or there are none: a
// record or a row that cannot be read fails it.
func Open(j journal.Journal, options Options) (*Ledger, error) {
	machine, err := read(j)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the ledger: %w", err), j.Close())
	}
	l := &Ledger{
		View: &machine.View, machine: machine, journal: j, hasher: counts.NewHasher(options.Secret), log: options.Log,
		fatal: options.Fatal, cluster: options.Cluster, journalBytes: options.JournalBytes, wake: make(chan struct{}, 1), waiting: newRound(),
	}
	if l.journalBytes <= 0 {
		l.journalBytes = defaultJournalBytes
	}
	l.start()
	if shared, is := j.(journal.Shared); is {
		l.replica = newReplica(l, shared, options)
		if err := l.replica.start(); err != nil {
			return nil, errors.Join(fmt.Errorf("open the ledger: %w", err), l.Close())
		}
	}
	return l, nil
}

// OpenMemory makes a ledger of which nothing is kept.
func OpenMemory() *Ledger {
	l, err := Open(journal.Discard, Options{})
	if err != nil {
		panic(err) // there is nothing that could fail
	}
	return l
}

// read makes the machine of all that a journal has.
func read(j journal.Source) (*counts.Machine, error) {
	machine, err := counts.Restore(j.Load(), parallel)
	if err != nil {
		return nil, err
	}
	return machine, j.Replay(machine.Position(), func(position uint64, r *counts.Round) error {
		machine.Apply(position, r)
		return nil
	})
}

// parallel runs tasks on all processors.
func parallel(n int, task func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				task(i)
			}
		})
	}
	workers.Wait()
}

// Hasher makes the keys of users and messages.
func (l *Ledger) Hasher() counts.Hasher { return l.hasher }

// Append records a batch at now. When it returns nil the batch survives a crash and is counted. Appending a batch again changes nothing.
// Entries and reports that are more than counts.Kept+counts.Lateness older than log time are dropped: nothing could count them. The error of an
// invalid batch says which entry or report is wrong, and which field of it; it wraps counts.ErrInvalid.
func (l *Ledger) Append(ctx context.Context, batch counts.Batch, now time.Time) (counts.Outcome, error) {
	if err := errors.Join(ctx.Err(), l.Fresh()); err != nil { // a clock that is wrong says neither what is late nor what is ahead
		return counts.Outcome{}, err
	}
	if err := batch.Validate(now); err != nil {
		return counts.Outcome{}, err
	}
	batch, late := batch.Timely(now)
	batch.Displays = l.NewDisplays(batch.Displays)
	if len(batch.Entries)+len(batch.Reports)+len(batch.Displays) == 0 {
		return counts.Outcome{Expired: late}, l.usable()
	}
	outcome := counts.Outcome{Expired: late}
	for part := range batch.Parts(fullRound) {
		applied, err := l.commit(ctx, &counts.Record{Clock: now.UnixMilli(), Batch: part})
		if err != nil {
			return outcome, err
		}
		outcome.Add(applied.Outcome)
	}
	if outcome.Ahead > 0 {
		return outcome, fmt.Errorf("%w: its clock is behind, and %d entries lie more than %s ahead of it", ErrUnavailable, outcome.Ahead, counts.Ahead)
	}
	return outcome, nil
}

// MostOperations is how many operations one call takes.
const MostOperations = 1000

// Operate has the state machine decide of operations at now, in their order. When it returns without an error what was granted survives a
// crash. The error of an invalid operation says which one is wrong, and which field of it; it wraps counts.ErrInvalid.
func (l *Ledger) Operate(ctx context.Context, operations []counts.Operation, now time.Time) ([]counts.Decision, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(operations) > MostOperations {
		return nil, fmt.Errorf("%w: more than %d operations", counts.ErrInvalid, MostOperations)
	}
	for i := range operations {
		if err := operations[i].Validate(); err != nil {
			return nil, fmt.Errorf("operation %d: %w", i, err)
		}
	}
	if len(operations) == 0 {
		return nil, l.usable()
	}
	decisions := make([]counts.Decision, 0, len(operations))
	for part := range counts.OperationParts(l.inLog(operations), fullRound) {
		applied, err := l.commit(ctx, &counts.Record{Clock: now.UnixMilli(), Operations: part})
		if err != nil {
			return nil, err
		}
		decisions = append(decisions, applied.Decisions...)
	}
	return decisions, nil
}

// Configure sets what operations are decided by. It writes what differs from what is known, and nothing of what another cluster sets.
func (l *Ledger) Configure(settings counts.Settings) error {
	if err := settings.Validate(); err != nil {
		return err
	}
	if err := l.settled(); err != nil {
		return err
	}
	for part := range l.Changes(l.settingsInLog(settings), l.cluster).Parts(fullRound) {
		if err := l.control(&counts.Record{Settings: part}); err != nil {
			return err
		}
	}
	return nil
}

// Expire ends the reservations that end by now, if there are any: log time moves to now.
func (l *Ledger) Expire(now time.Time) error {
	if !l.EndsBy(now) {
		return l.usable()
	}
	_, err := l.commit(context.Background(), &counts.Record{Clock: now.UnixMilli()})
	return err
}

// CatchUp returns when all that anyone was told before the call is known here.
func (l *Ledger) CatchUp(ctx context.Context, now time.Time) error {
	if l.replica == nil {
		return l.usable()
	}
	_, err := l.commit(ctx, &counts.Record{Clock: now.UnixMilli()})
	return err
}

// SetWindows sets the windows of a number: whole seconds, from zero to counts.Kept. It writes nothing if they are the same. Deliveries that are
// more than Kept old may not be counted by a longer service window, since the messages from users that it needs are not kept.
func (l *Ledger) SetWindows(number string, windows counts.Windows) error {
	w := counts.NumberWindows{Number: number, Windows: windows}
	if err := w.Validate(); err != nil {
		return err
	}
	if err := l.settled(); err != nil || l.Windows(number) == windows || l.SetElsewhere(number) != "" {
		return err
	}
	return l.control(&counts.Record{Windows: []counts.NumberWindows{w}})
}

// SetPortfolio sets the numbers of a portfolio, see counts.Portfolio. It writes nothing if they are the same.
func (l *Ledger) SetPortfolio(name string, numbers []string) error {
	p := counts.Portfolio{Name: name, Numbers: numbers}
	if err := p.Validate(); err != nil {
		return err
	}
	if err := l.settled(); err != nil || l.HasPortfolio(p) {
		return err
	}
	return l.control(&counts.Record{Portfolios: []counts.Portfolio{p}})
}

// Claim gives what comes under an id of Meta's to a number, see counts.Claim. It writes nothing if that is so already.
func (l *Ledger) Claim(id, number string) error {
	c := counts.Claim{ID: id, Number: number}
	if err := c.Validate(); err != nil {
		return err
	}
	if err := l.settled(); err != nil || l.HasClaim(c) || l.SetElsewhere(number) != "" {
		return err
	}
	return l.control(&counts.Record{Claims: []counts.Claim{c}})
}

// SetElsewhere is the other cluster that sets what is known of a number, or of a counts.PortfolioKey: what this one sets has no effect. It is
// empty where there is none.
func (l *Ledger) SetElsewhere(subject string) string { return l.View.SetElsewhere(subject, l.cluster) }

// HasPortfolio says whether what this cluster gave a portfolio are just these numbers, but for those that another one sets.
func (l *Ledger) HasPortfolio(p counts.Portfolio) bool { return l.View.HasPortfolio(p, l.cluster) }

// control commits what only the leader may.
func (l *Ledger) control(record *counts.Record) error {
	applied, err := l.commit(context.Background(), record)
	if err == nil && applied.Fenced {
		l.replica.isReplaced()
		return ErrFenced
	}
	return err
}

// settled returns ErrUnavailable while something may still be set of which who set it was told that it takes too long: what is set after that
// cannot be compared with what is known now.
func (l *Ledger) settled() error {
	l.joining.Lock()
	defer l.joining.Unlock()
	if l.broken == nil && l.replica != nil && l.replica.overdue() {
		return ErrUnavailable
	}
	return l.broken
}

// usable is why nothing more is recorded, nil if it is.
func (l *Ledger) usable() error {
	l.joining.Lock()
	defer l.joining.Unlock()
	return l.broken
}

// Subscribe calls changed with a subject after anything was recorded about it, by every form of its number. It must return quickly.
func (l *Ledger) Subscribe(changed func(subject string)) {
	l.subscribe.Lock()
	defer l.subscribe.Unlock()
	var calls []func(string)
	if was := l.subscribed.Load(); was != nil {
		calls = slices.Clone(*was)
	}
	calls = append(calls, changed)
	l.subscribed.Store(&calls)
}

// tell tells subscribers what changed.
func (l *Ledger) tell(changed []string) {
	calls := l.subscribed.Load()
	if calls == nil {
		return
	}
	for _, subject := range changed {
		for _, form := range l.Forms(subject) {
			for _, call := range *calls {
				call(form)
			}
		}
	}
}

// Close ends what is under way and closes the journal. Where a shared one lost something it waits until what is known here is kept, for 10 s at most.
func (l *Ledger) Close() error {
	was := l.end(ErrClosed)
	if errors.Is(was, ErrClosed) {
		return ErrClosed
	}
	l.stop()
	if l.replica != nil {
		l.replica.abandon()
	}
	l.background.Wait()
	l.keeping.Lock()
	defer l.keeping.Unlock()
	l.applying.Lock()
	defer l.applying.Unlock()
	return l.journal.Close()
}

// end makes the ledger record nothing more, and returns why it did not before.
func (l *Ledger) end(why error) (was error) {
	l.joining.Lock()
	defer l.joining.Unlock()
	was = l.broken
	if was == nil || errors.Is(why, ErrClosed) {
		l.broken = why
	}
	return was
}
