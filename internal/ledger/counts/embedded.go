package counts

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-logr/logr"

	"numberfleet.dev/numberfleet/internal/report"
)

// Embedded is the ledger of one process: counts are answered from memory, a Pebble store keeps the journal and the
// snapshots. Its background work follows the times that are appended; it has no clock of its own.
type Embedded struct {
	db     *pebble.DB // nil if it is kept in memory only
	rows   writer     // of the journal
	hasher Hasher
	log    logr.Logger

	// flight is held by appends and by Configure from before their journal row has a place until it is counted.
	flight sync.RWMutex
	closed bool
	// ordered is held over the same time by those whose order matters: reports and windows.
	ordered   sync.Mutex
	journaled atomic.Int64 // bytes in the journal since the last snapshot

	scopesMu  sync.RWMutex
	scopes    map[string]*scope // by their numbers, and by all other names of these
	displayed map[string]string // numbers in E.164, by Meta's ids
	absorbed  []*scope          // whose rows the next snapshot removes
	groups    map[string]*group // by their subjects
	grouping  sync.Mutex        // held by Group

	subscribed atomic.Pointer[[]func(string)]
	subscribe  sync.Mutex

	snapshots  sync.Mutex // held by the snapshot under way
	generation uint64     // of the rows of the last snapshot, also if it failed
	orphans    [][]byte   // rows that failed snapshots left

	journalBytes int64
	retryAt      atomic.Int64 // after a failed snapshot: the size of the journal at which to try again
	latest       atomic.Int64 // the latest time that was appended at, Unix seconds
	swept        atomic.Int64 // when it was last swept, Unix seconds
	wake         chan struct{}
	stop         context.CancelFunc
	background   sync.WaitGroup

	failing func(step string) error // set by tests
}

var _ Ledger = (*Embedded)(nil)

// Options of the embedded engine. The zero value is ready for use.
type Options struct {
	// JournalBytes is the size of the journal at which a snapshot is taken. The larger, the fewer are taken, and the
	// longer a start takes: about a second for 64 MiB, the default.
	JournalBytes int64
	// Log receives what goes wrong in the background. It names no numbers.
	Log logr.Logger

	fs vfs.FS // tests
}

const (
	defaultJournalBytes = 64 << 20
	sweepEvery          = 6 * time.Hour
	maxTime             = math.MaxUint32 // Unix seconds: the year 2106
	maxNumber           = 64             // bytes
)

// ErrInvalid is wrapped by the errors of Append, Configure and Group about what they were given; trying again is no use.
var ErrInvalid = errors.New("invalid")

// The store's keys.
var (
	formatKey   = []byte("mformat")
	secretKey   = []byte("msecret")
	positionKey = []byte("mposition")
	attemptKey  = []byte("mattempt")
)

func journalKey(place uint64) []byte { return binary.BigEndian.AppendUint64([]byte("j"), place) }
func numberKey(number string) []byte { return append([]byte("n"), number...) }

func partKey(number string, name rowName) []byte {
	k := append([]byte{'p', byte(len(number))}, number...)
	k = binary.BigEndian.AppendUint64(k, uint64(name.prefix)<<(64-name.depth))
	return binary.BigEndian.AppendUint64(append(k, name.depth), name.generation)
}

func generationOf(partKey []byte) uint64 {
	if len(partKey) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(partKey[len(partKey)-8:])
}

// OpenMemory makes a ledger that is kept in memory only, with a fixed secret.
func OpenMemory() *Embedded {
	e := newEmbedded(Options{})
	e.hasher = NewHasher([16]byte{})
	e.start()
	return e
}

// Open opens the ledger in a directory, which it creates if there is none. No other process may have it open. A row that
// cannot be read, or that was acknowledged and is missing, fails it: counts are right or there are none.
func Open(dir string, options Options) (*Embedded, error) {
	e := newEmbedded(options)
	settings := &pebble.Options{
		FS:                          options.fs,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                64 << 20,
		MemTableStopWritesThreshold: 4,
		L0StopWritesThreshold:       24,
		Logger:                      storeLog{options.Log},
	}
	// Keys are hashes; there is little to compress.
	settings.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	db, err := pebble.Open(dir, settings)
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	e.db, e.rows.db = db, db
	if err := e.loadMarked(cmp.Or[vfs.FS](options.fs, vfs.Default), dir); err != nil {
		return nil, errors.Join(fmt.Errorf("open the ledger: %w", err), db.Close())
	}
	e.start()
	return e, nil
}

func newEmbedded(options Options) *Embedded {
	e := &Embedded{
		log:          options.Log,
		scopes:       map[string]*scope{},
		displayed:    map[string]string{},
		groups:       map[string]*group{},
		rows:         writer{log: options.Log, next: 1, waiting: newRound()},
		journalBytes: options.JournalBytes,
		wake:         make(chan struct{}, 1),
	}
	if e.journalBytes <= 0 {
		e.journalBytes = defaultJournalBytes
	}
	return e
}

// Hasher makes the keys of users and messages. Its secret is the store's.
func (e *Embedded) Hasher() Hasher { return e.hasher }

// loadMarked loads the store, and looks whether it has all that the mark knows of.
func (e *Embedded) loadMarked(fs vfs.FS, dir string) error {
	mark, unreadable, err := openMark(fs, dir)
	if err != nil {
		return err
	}
	if unreadable != nil {
		e.log.Error(unreadable, "Rows that the journal lost before this start would not be missed")
	}
	e.rows.mark = mark
	if err := e.load(); err != nil {
		return errors.Join(err, mark.close())
	}
	if err := mark.restart(e.rows.next); err != nil {
		return errors.Join(err, mark.close())
	}
	return nil
}

// load brings the store's content into memory.
func (e *Embedded) load() error {
	if err := e.loadSecret(); err != nil {
		return err
	}
	position, err := e.loadPosition()
	if err != nil {
		return err
	}
	if err := errors.Join(e.loadNumbers(), e.loadNames()); err != nil {
		return err
	}
	return e.replay(position)
}

// get reads a row; nil if there is none.
func (e *Embedded) get(k []byte) ([]byte, error) {
	value, closer, err := e.db.Get(k)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = closer.Close() }()
	return slices.Clone(value), nil
}

func (e *Embedded) loadSecret() error {
	format, err := e.get(formatKey)
	if err != nil {
		return err
	}
	if format == nil {
		secret := newSecret()
		b := e.db.NewBatch()
		defer func() { _ = b.Close() }()
		if err := errors.Join(
			b.Set(secretKey, seal(append([]byte{codecVersion}, secret[:]...)), nil),
			b.Set(formatKey, seal([]byte{codecVersion}), nil),
			b.Commit(pebble.Sync)); err != nil {
			return err
		}
		e.hasher = NewHasher(secret)
		return nil
	}
	if err := unseal(format).end(); err != nil {
		return fmt.Errorf("the row of the format cannot be read: %w", err)
	}
	row, err := e.get(secretKey)
	if err != nil {
		return err
	}
	r := unseal(row)
	var secret [16]byte
	copy(secret[:], r.bytes(16))
	if err := r.end(); err != nil {
		return fmt.Errorf("the row of the secret cannot be read: %w", err)
	}
	e.hasher = NewHasher(secret)
	return nil
}

// loadPosition reads where the journal goes on after the last snapshot, and removes what an interrupted one left.
func (e *Embedded) loadPosition() (uint64, error) {
	row, err := e.get(positionKey)
	if err != nil {
		return 0, err
	}
	var position uint64
	if row != nil {
		if position, e.generation, err = decodePosition(row); err != nil {
			return 0, fmt.Errorf("the row of the position cannot be read: %w", err)
		}
	}
	e.rows.next = max(1, position)
	attempt, err := e.get(attemptKey)
	if err != nil || len(attempt) != 8 || binary.BigEndian.Uint64(attempt) <= e.generation {
		return position, err
	}
	err = e.each([]byte("p"), func(k, _ []byte) error {
		if generationOf(k) > e.generation {
			return e.db.Delete(k, pebble.NoSync)
		}
		return nil
	})
	// Not used again, as rows of it may be left should this be interrupted too.
	e.generation = binary.BigEndian.Uint64(attempt)
	return position, err
}

// each calls with the rows whose keys begin with a byte, from a key on.
func (e *Embedded) each(from []byte, call func(k, value []byte) error) error {
	rows, err := e.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: []byte{from[0] + 1}})
	if err != nil {
		return err
	}
	for rows.First(); rows.Valid(); rows.Next() {
		value, err := rows.ValueAndErr()
		if err == nil {
			err = call(rows.Key(), value)
		}
		if err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return rows.Close()
}

// loadNumbers loads what the last snapshot saved.
func (e *Embedded) loadNumbers() error {
	err := e.each([]byte("n"), func(k, row []byte) error {
		s := newScope(string(k[1:]))
		if err := s.decode(row); err != nil {
			return fmt.Errorf("the row of the number ending in %s cannot be read: %w", ending(s.number), err)
		}
		e.scopes[s.number] = s
		return nil
	})
	if err != nil {
		return err
	}
	work := make(chan *scope)
	failed := make(chan error, runtime.GOMAXPROCS(0))
	for range cap(failed) {
		go func() {
			var err error
			for s := range work {
				if err == nil {
					err = e.loadParts(s)
				}
			}
			failed <- err
		}()
	}
	for _, s := range e.scopes {
		work <- s
	}
	close(work)
	for range cap(failed) {
		err = errors.Join(err, <-failed)
	}
	return err
}

func (e *Embedded) loadParts(s *scope) error {
	for _, name := range s.rows {
		p := &part{depth: name.depth, prefix: name.prefix}
		row, closer, err := e.db.Get(partKey(s.number, name))
		if err == nil {
			p, err = decodePart(name.depth, name.prefix, row)
			err = errors.Join(err, closer.Close())
		}
		if err != nil {
			return fmt.Errorf("the row of part %s, generation %d, of the number ending in %s cannot be read: %w",
				(&part{depth: name.depth, prefix: name.prefix}).name(), name.generation, ending(s.number), err)
		}
		p.saved = name.generation
		for range 1 << (s.depth - name.depth) {
			s.parts = append(s.parts, p)
		}
	}
	s.recount()
	return nil
}

// replay counts what was appended since the last snapshot.
func (e *Embedded) replay(position uint64) error {
	var rec record
	var marked uint64
	err := e.each(journalKey(position), func(k, row []byte) error {
		if len(k) != len(journalKey(0)) {
			return errors.New("a row of the journal has an impossible key")
		}
		place := binary.BigEndian.Uint64(k[1:])
		if err := rec.decode(row); err != nil {
			return fmt.Errorf("row %d of the journal cannot be read: %w", place, err)
		}
		if e.rows.mark.covers(place) {
			marked++
		}
		e.apply(&rec)
		e.rows.next = place + 1
		e.journaled.Add(int64(len(row)))
		return nil
	})
	if err != nil {
		return err
	}
	return e.rows.mark.check(position, marked)
}

// ending is enough of a number to tell which it is, and not enough to dial it.
func ending(number string) string { return number[max(0, len(number)-4):] }

// Append implements Ledger. Of a batch that is not valid, the error says which entry or report and which field of it.
func (e *Embedded) Append(ctx context.Context, batch Batch, now time.Time) (Appended, error) {
	if err := ctx.Err(); err != nil {
		return Appended{}, err
	}
	rec, late, err := accept(batch, now.Unix())
	if err != nil {
		return Appended{}, err
	}
	for _, n := range batch.Names {
		if err := e.learn(n); err != nil {
			return Appended{}, err
		}
	}
	appended := Appended{Expired: late}
	if len(rec.entries)+len(rec.reports) > 0 {
		counted, err := e.commit(&rec)
		if err != nil {
			return Appended{}, err
		}
		appended.New, appended.Repeated = counted.New, counted.Repeated
		appended.Expired += counted.Expired
	}
	e.tick(now)
	return appended, nil
}

// accept checks a batch and leaves out what comes too late.
func accept(batch Batch, now int64) (rec record, late int, err error) {
	invalid := func(what string, i int, field, reason string) (record, int, error) {
		return record{}, 0, fmt.Errorf("%w: %s %d: %s %s", ErrInvalid, what, i, field, reason)
	}
	first, last := max(1, oldest(now)), min(now+int64(Ahead/time.Second), maxTime)
	kept := len(batch.Entries)
	for i := range batch.Entries {
		entry := &batch.Entries[i]
		switch {
		case entry.Number == "":
			return invalid("entry", i, "Number", "is empty")
		case len(entry.Number) > maxNumber:
			return invalid("entry", i, "Number", "is too long")
		case entry.Kind < Delivered || entry.Kind > Replied:
			return invalid("entry", i, "Kind", "is not known")
		case entry.Kind == Complained && !entry.Did.valid():
			return invalid("entry", i, "Did", "is not known")
		case entry.User == 0:
			return invalid("entry", i, "User", "is not known")
		case entry.Kind == Joined && entry.Alias == 0:
			return invalid("entry", i, "Alias", "is not known")
		case (entry.Kind == Delivered || entry.Kind == Replied || entry.Kind == Complained) && entry.Message == 0:
			return invalid("entry", i, "Message", "is not known")
		case entry.Reply && entry.Kind != Delivered:
			return invalid("entry", i, "Reply", "is said of no delivery")
		case entry.Chat != 0 && !entry.Kind.inChat():
			return invalid("entry", i, "Chat", "is said of no message")
		case entry.At > last:
			return invalid("entry", i, "At", "lies in the future")
		case entry.At < first:
			kept--
		}
	}
	rec.entries = batch.Entries
	if late = len(batch.Entries) - kept; late > 0 {
		rec.entries = make([]Entry, 0, kept)
		for _, entry := range batch.Entries {
			if entry.At >= first {
				rec.entries = append(rec.entries, entry)
			}
		}
	}
	for i, r := range batch.Reports {
		switch {
		case r.Subject.ID == "":
			return invalid("report", i, "Subject", "is empty")
		case len(r.Subject.String()) > maxNumber:
			return invalid("report", i, "Subject", "is too long")
		case r.Kind == "":
			return invalid("report", i, "Kind", "is empty")
		case r.At > last:
			return invalid("report", i, "At", "lies in the future")
		case r.At < first:
			late++
		default:
			rec.reports = append(rec.reports, r)
		}
	}
	return rec, late, nil
}

var rowBuffers = sync.Pool{New: func() any { return new([]byte) }}

// commit writes a record to the journal and then counts it.
func (e *Embedded) commit(rec *record) (Appended, error) {
	appended, changed, err := e.journal(rec)
	if err != nil {
		return Appended{}, err
	}
	e.tell(changed)
	return appended, nil
}

// tell tells subscribers which numbers changed, by every form of each.
func (e *Embedded) tell(changed []string) {
	calls := e.subscribed.Load()
	if calls == nil {
		return
	}
	for _, number := range changed {
		for _, call := range *calls {
			call(number)
		}
		for _, name := range e.namesOf(e.scope(number)) {
			if report.ParseSubject(name).Type == report.NumberID {
				continue
			}
			for _, call := range *calls {
				call(name)
			}
		}
	}
}

func (e *Embedded) journal(rec *record) (Appended, []string, error) {
	var row []byte
	if e.db != nil {
		buffer := rowBuffers.Get().(*[]byte)
		row = rec.encode((*buffer)[:0])
		defer func() {
			*buffer = row
			rowBuffers.Put(buffer)
		}()
	}
	// Before flight, which a snapshot waits for.
	if len(rec.reports)+len(rec.windows) > 0 {
		e.ordered.Lock()
		defer e.ordered.Unlock()
	}
	e.flight.RLock()
	defer e.flight.RUnlock()
	if e.closed {
		return Appended{}, nil, ErrClosed
	}
	if e.db != nil {
		if err := e.rows.write(row); err != nil {
			return Appended{}, nil, fmt.Errorf("write to the journal: %w", err)
		}
		e.journaled.Add(int64(len(row)))
	}
	appended, changed := e.apply(rec)
	return appended, changed, nil
}

// apply counts a record. It returns the numbers it changed. A panic ends the process: it comes under locks, and whoever recovered from
// it would go on with numbers that never answer again. What was acknowledged is in the journal, and counted after a restart.
func (e *Embedded) apply(rec *record) (appended Appended, numbers []string) {
	defer exitOnPanic(e.log)
	note := func(number string, o outcome) {
		switch o {
		case changed:
			appended.New++
			if n := len(numbers); n == 0 || numbers[n-1] != number {
				numbers = append(numbers, number)
			}
		case expired:
			appended.Expired++
		default:
			appended.Repeated++
		}
	}
	var some [warmed]event
	for rest := rec.entries; len(rest) > 0; {
		name := rest[0].Number
		s := e.ensure(name)
		s.lock()
		for len(rest) > 0 && rest[0].Number == name {
			n := 0
			for n < len(some) && n < len(rest) && rest[n].Number == name {
				some[n] = newEvent(&rest[n])
				n++
			}
			rest = rest[n:]
			s.warm(some[:n])
			for _, ev := range some[:n] {
				note(s.number, s.record(ev))
			}
		}
		s.unlock()
	}
	for _, r := range rec.reports {
		s := e.ensure(r.Subject.String())
		s.lock()
		note(s.number, s.report(r))
		s.unlock()
	}
	for _, w := range rec.windows {
		s := e.ensure(w.number)
		s.lock()
		s.configure(newLengths(w.windows))
		s.unlock()
	}
	for _, l := range rec.links {
		e.bind(l.name, e.ensure(l.number))
		numbers = append(numbers, l.number)
	}
	slices.Sort(numbers)
	return appended, slices.Compact(numbers)
}

// exitOnPanic is deferred.
func exitOnPanic(log logr.Logger) {
	if p := recover(); p != nil {
		log.Error(fmt.Errorf("%v", p), "The ledger cannot go on", "stack", string(debug.Stack()))
		os.Exit(1)
	}
}

// scope is what is known about a number, nil if nothing is.
func (e *Embedded) scope(number string) *scope {
	e.scopesMu.RLock()
	defer e.scopesMu.RUnlock()
	return e.scopes[number]
}

func (e *Embedded) ensure(number string) *scope {
	if s := e.scope(number); s != nil {
		return s
	}
	e.scopesMu.Lock()
	defer e.scopesMu.Unlock()
	s := e.scopes[number]
	if s == nil {
		s = newScope(number)
		e.scopes[number] = s
	}
	return s
}

// all are the numbers' scopes, by number.
func (e *Embedded) all() []*scope {
	e.scopesMu.RLock()
	defer e.scopesMu.RUnlock()
	all := make([]*scope, 0, len(e.scopes))
	for _, number := range slices.Sorted(maps.Keys(e.scopes)) {
		if s := e.scopes[number]; s.number == number {
			all = append(all, s)
		}
	}
	return all
}

// Group implements Ledger. It looks at all users of the numbers, unless the group is as it was.
func (e *Embedded) Group(name string, numbers []string) error {
	for _, number := range numbers {
		if number == "" || len(number) > maxNumber {
			return fmt.Errorf("%w: a number of %d bytes", ErrInvalid, len(number))
		}
	}
	e.grouping.Lock()
	defer e.grouping.Unlock()
	numbers = slices.Clone(numbers)
	for i, number := range numbers {
		numbers[i] = e.Subject("", number)
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	if err := e.open(); err != nil {
		return err
	}
	e.scopesMu.RLock()
	g := e.groups[GroupSubject(name)]
	e.scopesMu.RUnlock()
	if g == nil {
		g = newGroup()
	}
	if slices.EqualFunc(g.members, numbers, func(s *scope, number string) bool { return s.number == number }) {
		return nil
	}
	members := make([]*scope, 0, len(numbers))
	for _, number := range numbers {
		s := e.ensure(number)
		if s.group != nil && s.group != g {
			s.group.set(slices.DeleteFunc(slices.Clone(s.group.members), func(m *scope) bool { return m == s }))
		}
		members = append(members, s)
	}
	g.set(members)
	e.scopesMu.Lock()
	defer e.scopesMu.Unlock()
	if e.groups[GroupSubject(name)] = g; len(members) == 0 {
		delete(e.groups, GroupSubject(name))
	}
	return nil
}

// open is ErrClosed if the ledger is closed.
func (e *Embedded) open() error {
	e.flight.RLock()
	defer e.flight.RUnlock()
	if e.closed {
		return ErrClosed
	}
	return nil
}

// read locks what a subject stands for, for reading; nil if nothing is known about it.
func (e *Embedded) read(name string) subject {
	e.scopesMu.RLock()
	s, g := e.scopes[name], e.groups[name]
	e.scopesMu.RUnlock()
	var is subject
	switch {
	case g != nil:
		is = g
	case s != nil:
		is = s
	default:
		return nil
	}
	is.rlock()
	return is
}

// Count implements Ledger.
func (e *Embedded) Count(subject string, measure Measure, from, to time.Time) int64 {
	s := e.read(subject)
	if s == nil {
		return 0
	}
	defer s.runlock()
	return count(s, measure, from.Unix(), to.Unix())
}

// Nth implements Ledger.
func (e *Embedded) Nth(subject string, measure Measure, n int64, from, to time.Time) time.Time {
	s := e.read(subject)
	if s == nil {
		return time.Time{}
	}
	defer s.runlock()
	on, _ := measure.on()
	l := &s.timelines()[on]
	if n < 1 || n > l.count(Messages, from.Unix(), to.Unix()) {
		return time.Time{}
	}
	at, _ := l.nth(Messages, from.Unix(), n)
	return instant(at)
}

// Last implements Ledger.
func (e *Embedded) Last(subject string, measure Measure, from, to time.Time) time.Time {
	s := e.read(subject)
	if s == nil {
		return time.Time{}
	}
	defer s.runlock()
	on, _ := measure.on()
	at, found := s.timelines()[on].last(from.Unix(), to.Unix())
	if !found {
		return time.Time{}
	}
	return instant(at)
}

func instant(at uint32) time.Time { return time.Unix(int64(at), 0).UTC() }

// FallsBelow implements Ledger.
func (e *Embedded) FallsBelow(subject string, measure Measure, window time.Duration, limit int64, now time.Time) time.Time {
	if limit <= 0 {
		return time.Time{}
	}
	s := e.read(subject)
	if s == nil {
		return now
	}
	defer s.runlock()
	from, to := now.Add(-window).Unix(), now.Unix()
	excess := count(s, measure, from, to) - limit + 1
	if excess <= 0 {
		return now
	}
	return instant(nth(s, measure, from, to, excess)).Add(window)
}

// NextExpiry implements Ledger.
func (e *Embedded) NextExpiry(subject string, now time.Time, windows ...time.Duration) (next time.Time) {
	s := e.read(subject)
	if s == nil {
		return time.Time{}
	}
	defer s.runlock()
	for _, window := range windows {
		for i := range s.timelines() {
			at, found := s.timelines()[i].nth(Messages, now.Add(-window).Unix(), 1)
			if !found {
				continue
			}
			if leaves := instant(at).Add(window); next.IsZero() || leaves.Before(next) {
				next = leaves
			}
		}
	}
	return next
}

// Feedback implements Ledger.
func (e *Embedded) Feedback(subject string, from, to time.Time) []Insight {
	s := e.read(subject)
	if s == nil {
		return nil
	}
	defer s.runlock()
	return insights(s, from.Unix(), to.Unix())
}

// Configure implements Ledger. Windows are whole seconds, from zero to Kept. What a longer service window than before
// makes of deliveries that are more than Kept old may depend on events that are not kept any more.
func (e *Embedded) Configure(number string, windows Windows) error {
	if number == "" || len(number) > maxNumber {
		return fmt.Errorf("%w: a number of %d bytes", ErrInvalid, len(number))
	}
	for _, w := range [...]time.Duration{windows.Service, windows.Conversation} {
		if w < 0 || w > longest || w%time.Second != 0 {
			return fmt.Errorf("%w: a window of %s is not whole seconds from 0 to %s", ErrInvalid, w, longest)
		}
	}
	is := newLengths(DefaultWindows)
	if s := e.scope(number); s != nil {
		s.rlock()
		is = s.windows
		s.runlock()
	}
	if is == newLengths(windows) {
		return nil
	}
	_, err := e.commit(&record{windows: []configured{{number, windows}}})
	return err
}

// Reports implements Ledger.
func (e *Embedded) Reports(subject report.Subject, after int64) []report.Report {
	s := e.scope(subject.String())
	if s == nil {
		return nil
	}
	s.rlock()
	defer s.runlock()
	i, _ := slices.BinarySearchFunc(s.reports, after+1, func(r report.Report, sequence int64) int { return int(r.Sequence - sequence) })
	return slices.Clone(s.reports[i:])
}

// LastReport implements Ledger.
func (e *Embedded) LastReport(subject report.Subject) int64 {
	s := e.scope(subject.String())
	if s == nil {
		return 0
	}
	s.rlock()
	defer s.runlock()
	return s.sequence
}

// Known implements Ledger. Windows alone do not make a number known.
func (e *Embedded) Known(subject string) bool {
	e.scopesMu.RLock()
	s, g := e.scopes[subject], e.groups[subject]
	e.scopesMu.RUnlock()
	if s == nil {
		return g != nil
	}
	s.rlock()
	defer s.runlock()
	return s.known()
}

// Numbers implements Ledger. A number of which only the windows are known is not among them.
func (e *Embedded) Numbers() []string {
	var numbers []string
	for _, s := range e.all() {
		s.rlock()
		if s.known() {
			numbers = append(numbers, s.number)
		}
		s.runlock()
	}
	return numbers
}

// Subscribe implements Ledger. A batch that changed nothing is not told.
func (e *Embedded) Subscribe(changed func(number string)) {
	e.subscribe.Lock()
	defer e.subscribe.Unlock()
	var calls []func(string)
	if was := e.subscribed.Load(); was != nil {
		calls = slices.Clone(*was)
	}
	calls = append(calls, changed)
	e.subscribed.Store(&calls)
}

// Sweep forgets what is too old at now to be counted again. The room on disk follows with the next snapshot. It runs by
// itself every six hours of appended time.
func (e *Embedded) Sweep(now time.Time) {
	e.swept.Store(now.Unix())
	for _, s := range e.all() {
		s.sweepAll(oldest(now.Unix()))
	}
	e.scopesMu.RLock()
	groups := slices.Collect(maps.Values(e.groups))
	e.scopesMu.RUnlock()
	for _, g := range groups {
		g.sweep()
	}
}

// start begins the work in the background.
func (e *Embedded) start() {
	ctx, cancel := context.WithCancel(context.Background())
	e.stop = cancel
	e.background.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-e.wake:
			}
			now := time.Unix(e.latest.Load(), 0)
			if !e.snapshotDue() {
				e.Sweep(now)
				continue
			}
			if err := e.Snapshot(ctx, now); err != nil && ctx.Err() == nil {
				e.retryAt.Store(e.journaled.Load() + e.journalBytes/4)
				e.log.Error(err, "The journal grows until a snapshot succeeds")
			} else {
				e.retryAt.Store(0)
			}
		}
	})
}

func (e *Embedded) snapshotDue() bool {
	return e.db != nil && e.journaled.Load() >= max(e.journalBytes, e.retryAt.Load())
}

// tick wakes the background if there is something to do.
func (e *Embedded) tick(now time.Time) {
	at := now.Unix()
	for {
		latest := e.latest.Load()
		if at <= latest {
			at = latest
			break
		}
		if e.latest.CompareAndSwap(latest, at) {
			break
		}
	}
	if swept := e.swept.Load(); swept == 0 {
		e.swept.CompareAndSwap(0, at)
	} else if at-swept >= int64(sweepEvery/time.Second) || e.snapshotDue() {
		select {
		case e.wake <- struct{}{}:
		default:
		}
	}
}

// Close implements Ledger.
func (e *Embedded) Close() error {
	e.flight.Lock()
	was := e.closed
	e.closed = true
	e.flight.Unlock()
	if was {
		return ErrClosed
	}
	e.stop()
	e.background.Wait()
	e.snapshots.Lock()
	defer e.snapshots.Unlock()
	if e.db == nil {
		return nil
	}
	return errors.Join(e.db.Close(), e.rows.mark.close())
}

// step lets tests fail a snapshot.
func (e *Embedded) step(name string) error {
	if e.failing == nil {
		return nil
	}
	return e.failing(name)
}

// storeLog hands the store's complaints on. What it says about its routine is dropped.
type storeLog struct{ log logr.Logger }

func (l storeLog) Infof(string, ...any) {}

func (l storeLog) Errorf(format string, args ...any) {
	l.log.Error(fmt.Errorf(format, args...), "The ledger's store has a problem")
}

// Fatalf is called when going on would lose data. It ends the process, as the store expects: it may hold its locks, and whoever
// recovered from a panic would go on with a ledger that never answers again.
func (l storeLog) Fatalf(format string, args ...any) {
	l.log.Error(fmt.Errorf(format, args...), "The ledger's store cannot go on")
	os.Exit(1)
}
