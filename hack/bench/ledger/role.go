package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/ledger/journal/pebble"
)

// Role is the name under which Measure is run as a process.
const Role = "ledger-store"

// options say what a process measures.
type options struct {
	store       string
	folder      string
	users       int
	deliveries  int
	starts      int
	inbound     bool
	paired      bool
	group       bool
	memoryOnly  bool
	journalOnly bool
	seed        uint64
}

// Measure measures one store in fresh memory, and writes a result as JSON to standard output.
func Measure(ctx context.Context, args []string) error {
	var o options
	flags := flag.NewFlagSet(Role, flag.ContinueOnError)
	flags.StringVar(&o.store, "store", "", "memory, disk, map or redis")
	flags.StringVar(&o.folder, "folder", "", "where the store keeps its files")
	flags.IntVar(&o.users, "users", 0, "how many users there are")
	flags.IntVar(&o.deliveries, "deliveries", 1, "how many each gets before memory is measured")
	flags.IntVar(&o.starts, "starts", 0, "how often to start the store again; then nothing else is measured")
	flags.BoolVar(&o.inbound, "inbound", false, "each has written before")
	flags.BoolVar(&o.paired, "paired", false, "each has two keys")
	flags.BoolVar(&o.group, "group", false, "the numbers share a portfolio")
	flags.BoolVar(&o.memoryOnly, "memory-only", false, "measure nothing but memory")
	flags.BoolVar(&o.journalOnly, "journal-only", false, "take no snapshot")
	flags.Uint64Var(&o.seed, "seed", 1, "which users are made up")
	if err := flags.Parse(args); err != nil {
		return err
	}
	stores := map[string]func(context.Context, options) (result, error){
		"memory": measureMemory, "disk": measureDisk, "map": measureMap, "redis": measureRedis,
	}
	r, err := stores[o.store](ctx, o)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

const (
	batchSize  = 100
	recordsFor = time.Second // of random users
	spread     = 30 * 24 * time.Hour
)

var begin = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

// workload makes deliveries to users, in order of time.
type workload struct {
	options
	random   *rand.Rand
	numbers  []string
	messages uint64
}

func newWorkload(o options) *workload {
	c := &workload{options: o, random: rand.New(rand.NewPCG(o.seed, 7)), numbers: make([]string, numbers)}
	for i := range c.numbers {
		c.numbers[i] = fmt.Sprintf("+155501000%02d", i)
	}
	return c
}

// key is the ith user's, as evenly spread as a hash, in one number of all.
func key(i int) counts.UserKey { return counts.UserKey(uint64(i+1) * 0x9e3779b97f4a7c15) }

func (c *workload) number(user int) string { return c.numbers[user%len(c.numbers)] }

// delivery is a new one to a user.
func (c *workload) delivery(user int, at time.Time) counts.Entry {
	c.messages++
	e := counts.Entry{
		Number: c.number(user), Kind: counts.Delivered, User: key(user), Message: counts.MessageKey(c.messages * 0xd6e8feb86659fd93), At: at.Unix(),
	}
	if c.paired {
		e.Alias = key(user + 1<<40)
	}
	return e
}

// first is when the ith of n events comes.
func first(i, n int) time.Time { return begin.Add(spread / time.Duration(n) * time.Duration(i)) }

// addUsers appends deliveries to all users, and returns the time after the last. If a stall is asked for, it is the longest time of an
// append.
func (c *workload) addUsers(ctx context.Context, engine *ledger.Ledger, size int, stall *time.Duration) (time.Time, error) {
	n := c.users * c.deliveries
	entries := make([]counts.Entry, 0, 2*size)
	for i := 0; i < n; {
		entries = entries[:0]
		var at time.Time
		for ; len(entries) < size && i < n; i++ {
			at = first(i, n)
			user := i % c.users
			if c.inbound && i < c.users {
				entries = append(entries, counts.Entry{Number: c.number(user), Kind: counts.Received, User: key(user), At: at.Add(-25 * time.Hour).Unix()})
			}
			entries = append(entries, c.delivery(user, at))
		}
		start := time.Now()
		if _, err := engine.Append(ctx, counts.Batch{Entries: entries}, at); err != nil {
			return time.Time{}, err
		}
		if stall != nil {
			*stall = max(*stall, time.Since(start))
		}
	}
	return begin.Add(spread), nil
}

// record is what a record of a random user takes.
func (c *workload) record(at time.Time, write func([]counts.Entry, time.Time) error) (float64, error) {
	entries := make([]counts.Entry, batchSize)
	records, took := 0, time.Duration(0)
	for took < recordsFor {
		for i := range entries {
			entries[i] = c.delivery(c.random.IntN(c.users), at.Add(time.Duration(records/5000)*time.Second))
		}
		// A webhook is about one number.
		number := c.numbers[records/batchSize%numbers]
		for i := range entries {
			user := c.random.IntN(c.users/numbers)*numbers + records/batchSize%numbers
			entries[i].Number, entries[i].User = number, key(user)
			if c.paired {
				entries[i].Alias = key(user + 1<<40)
			}
		}
		start := time.Now()
		if err := write(entries, time.Unix(entries[batchSize-1].At, 0)); err != nil {
			return 0, err
		}
		took += time.Since(start)
		records += batchSize
	}
	return float64(took.Nanoseconds()) / float64(records), nil
}

// each is what a call takes.
func each(call func() error) (float64, error) {
	const during = 200 * time.Millisecond
	calls, start := 0, time.Now()
	for time.Since(start) < during {
		if err := call(); err != nil {
			return 0, err
		}
		calls++
	}
	return float64(time.Since(start).Nanoseconds()) / float64(calls), nil
}

func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

func measureMemory(ctx context.Context, o options) (r result, err error) {
	c := newWorkload(o)
	engine := ledger.OpenMemory()
	defer func() { err = errors.Join(err, engine.Close()) }()
	if o.group {
		if err := engine.SetPortfolio("all", c.numbers); err != nil {
			return r, err
		}
	}
	before := heap()
	now, err := c.addUsers(ctx, engine, batchSize, nil)
	if err != nil {
		return r, err
	}
	r.Memory = (heap() - before) / float64(o.users)
	if o.memoryOnly {
		return r, nil
	}
	if err := measureAnswers(ctx, c, engine, now, &r); err != nil {
		return r, err
	}
	// One number alone grows the largest table.
	one := newWorkload(o)
	one.numbers = one.numbers[:1]
	alone := ledger.OpenMemory()
	defer func() { err = errors.Join(err, alone.Close()) }()
	var stall time.Duration
	_, err = one.addUsers(ctx, alone, 1, &stall)
	r.Stall = float64(stall.Microseconds()) / 1000
	return r, err
}

func measureAnswers(ctx context.Context, c *workload, engine *ledger.Ledger, now time.Time, r *result) (err error) {
	r.Count, err = each(func() error {
		if engine.Count(c.numbers[0], v1alpha1.MeasureUniqueUsers, now.Add(-24*time.Hour), now) == 0 {
			return errors.New("the ledger counts nobody")
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.Record, err = c.record(now, func(entries []counts.Entry, at time.Time) error {
		_, err := engine.Append(ctx, counts.Batch{Entries: entries}, at)
		return err
	})
	return err
}

func open(folder string, settings ledger.Options) (*ledger.Ledger, error) {
	store, err := pebble.Open(folder, pebble.Options{})
	if err != nil {
		return nil, err
	}
	return ledger.Open(store, settings)
}

func measureDisk(ctx context.Context, o options) (r result, err error) {
	c := newWorkload(o)
	settings := ledger.Options{}
	if o.journalOnly {
		settings.JournalBytes = 1 << 40
	}
	before := heap()
	engine, err := open(o.folder, settings)
	if err != nil {
		return r, err
	}
	now, err := c.addUsers(ctx, engine, 1000, nil)
	if err != nil {
		return r, errors.Join(err, engine.Close())
	}
	if !o.journalOnly {
		err = engine.Snapshot(ctx)
	}
	if err = errors.Join(err, engine.Close()); err != nil {
		return r, err
	}
	engine = nil
	files, err := size(o.folder)
	if err != nil {
		return r, err
	}
	r.Disk = files / float64(o.users)
	for i := range max(1, o.starts) {
		runtime.GC()
		start := time.Now()
		engine, err := open(o.folder, settings)
		if err != nil {
			return r, err
		}
		r.Start = append(r.Start, time.Since(start).Seconds())
		if got := engine.Count(c.numbers[0], v1alpha1.MeasureUniqueUsers, begin.Add(-time.Hour), now); got != int64(o.users/numbers) {
			return r, errors.Join(fmt.Errorf("after a start %d users are there, not %d", got, o.users/numbers), engine.Close())
		}
		if i == 0 && o.starts == 0 {
			r.Memory = (heap() - before) / float64(o.users)
			err = measureAnswers(ctx, c, engine, now, &r)
		}
		if err := errors.Join(err, engine.Close()); err != nil {
			return r, err
		}
	}
	return r, nil
}

// size is what the files in a folder take, in bytes.
func size(folder string) (bytes float64, err error) {
	err = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			bytes += float64(info.Size())
		}
		return err
	})
	return bytes, err
}

func measureMap(_ context.Context, o options) (r result, err error) {
	c := newWorkload(o)
	before := heap()
	last := map[uint64]uint32{}
	var stall time.Duration
	for i := range o.users {
		start := time.Now()
		last[uint64(key(i))] = uint32(first(i, o.users).Unix())
		stall = max(stall, time.Since(start))
	}
	r.Stall = float64(stall.Microseconds()) / 1000
	r.Memory = (heap() - before) / float64(o.users)
	now := begin.Add(spread)
	r.Count, err = each(func() error {
		n, from := 0, uint32(now.Add(-24*time.Hour).Unix())
		for _, at := range last {
			if at > from {
				n++
			}
		}
		if n == 0 {
			return errors.New("the map counts nobody")
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	r.Record, err = c.record(now, func(entries []counts.Entry, _ time.Time) error {
		for i := range entries {
			if user, at := uint64(entries[i].User), uint32(entries[i].At); last[user] < at {
				last[user] = at
			}
		}
		return nil
	})
	return r, err
}
