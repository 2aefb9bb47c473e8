// Package ingest measures how many statuses a second the webhook receiver takes, durably, beside the same receiver without a
// store and with Redis behind it.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"numberfleet.dev/numberfleet/hack/rig"

	"numberfleet.dev/numberfleet/hack/bench/measure"
	"numberfleet.dev/numberfleet/hack/bench/redis"
	"numberfleet.dev/numberfleet/hack/bench/report"
)

// receiver is one in front of a store, in a process of its own, and the store's process if it has one.
type receiver struct {
	name  string
	floor bool // it stores nothing
	*rig.Process
	address string
	store   *redis.Server // nil for none
}

func (s *receiver) pids() []int {
	if s.store == nil {
		return []int{s.PID()}
	}
	return []int{s.PID(), s.store.PID()}
}

func (s *receiver) stop() error {
	err := s.Stop(rig.Patience)
	if s.store != nil {
		err = errors.Join(err, s.store.Stop(rig.Patience))
	}
	return err
}

// bench is what the runs share.
type bench struct {
	*measure.Bench
	sequence    sequence
	credentials string
	during      time.Duration // of a run
	most        int           // bytes of posts in memory
	profiles    int           // that were begun
}

// start starts a receiver with flags of its own.
func (b *bench) start(ctx context.Context, name string, flags ...string) (*receiver, error) {
	addresses, err := rig.FreeAddresses(1)
	if err != nil {
		return nil, err
	}
	flags = append(flags, "--address", addresses[0], "--credentials", b.credentials)
	if b.Profiles != "" {
		b.profiles++
		flags = append(flags, "--profile", filepath.Join(b.Profiles, fmt.Sprintf("ingest-%d-%s.pprof", b.profiles, strings.ReplaceAll(name, " ", "-"))))
	}
	process, err := measure.StartRole(Role, flags...)
	if err != nil {
		return nil, err
	}
	if err := process.Listens(ctx, addresses[0]); err != nil {
		return nil, errors.Join(err, process.Stop(rig.Patience))
	}
	return &receiver{name: name, Process: process, address: addresses[0]}, nil
}

func (b *bench) startRedis(ctx context.Context, name, fsync string) (*receiver, error) {
	store, err := redis.Start(ctx, filepath.Join(b.Folder, "redis-"+fsync), fsync)
	if err != nil {
		return nil, err
	}
	s, err := b.start(ctx, name, "--redis", store.Address)
	if err != nil {
		return nil, errors.Join(err, store.Stop(rig.Patience))
	}
	s.store = store
	return s, nil
}

// run is what one run of one server measured.
type run struct {
	rate   float64 // statuses per second
	cpu    float64 // microseconds of the server and its store per status, what they put off included
	client float64 // share of one core
	p99    float64 // milliseconds
}

// post measures a server once.
func (b *bench) post(ctx context.Context, s *receiver, p *posts, connections int, during time.Duration) (run, error) {
	c, err := dial(s.address, connections)
	if err != nil {
		return run{}, err
	}
	defer func() { _ = c.close() }()
	before, err := measure.WaitIdle(ctx, s.pids())
	if err != nil {
		return run{}, err
	}
	did, err := c.post(ctx, p, s.floor, during)
	if err != nil {
		return run{}, fmt.Errorf("%s: %w", s.name, err)
	}
	after, err := measure.WaitIdle(ctx, s.pids())
	if err != nil {
		return run{}, err
	}
	var cpu time.Duration
	for i := range after {
		cpu += after[i] - before[i]
	}
	statuses := float64(did.posts * p.batch)
	return run{
		rate:   statuses / did.took.Seconds(),
		cpu:    float64(cpu.Nanoseconds()) / 1000 / statuses,
		client: did.cpu.Seconds() / did.took.Seconds(),
		p99:    float64(did.p99.Microseconds()) / 1000,
	}, nil
}

// runs are those of one server in one cell, by round.
type runs struct{ rate, cpu, client, p99 measure.Samples }

func (r *runs) add(one run) {
	r.rate = append(r.rate, one.rate)
	r.cpu = append(r.cpu, one.cpu)
	r.client = append(r.client, one.client)
	r.p99 = append(r.p99, one.p99)
}

// cell is what the servers do at one size of batch and one number of connections.
type cell struct {
	batch, connections int
	servers            []runs
}

func (b *bench) posts(of shape) *posts {
	one := newPosts(of, 1)
	return newPosts(of, max(1, b.most/one.length))
}

// fill posts a delivery to every user, so that all servers know all users.
func (b *bench) fill(ctx context.Context, of shape, servers []*receiver) error {
	p := b.posts(of)
	for seen := 0; seen < users && (!b.Short || seen == 0); seen += p.n * p.batch {
		p.fill(&b.sequence, seen)
		for _, s := range servers {
			if s.floor {
				continue
			}
			if _, err := b.post(ctx, s, p, 16, time.Hour); err != nil {
				return err
			}
		}
	}
	return nil
}

// Run measures it all.
func Run(ctx context.Context, shared *measure.Bench) (report.Section, error) {
	b := &bench{Bench: shared, during: time.Second, most: 200 << 20, credentials: filepath.Join(shared.Folder, "credentials")}
	if b.Short {
		b.during, b.most = 50*time.Millisecond, 8<<20
	}
	b.sequence = sequence{start: time.Now().Add(-3 * time.Hour).Unix(), random: b.Random(1)}
	if err := os.Mkdir(b.credentials, 0o755); err != nil {
		return report.Section{}, err
	}
	for _, file := range []string{"app-secret", "verify-token"} {
		if err := os.WriteFile(filepath.Join(b.credentials, file), []byte(secret), 0o600); err != nil {
			return report.Section{}, err
		}
	}
	section := report.Section{Title: "Ingest", Intro: intro, Notes: notes}
	version, err := redis.Install(ctx, shared)
	switch {
	case err == nil:
		section.Versions = []string{version + " through rueidis " + measure.Version("github.com/redis/rueidis")}
	case b.Short && errors.Is(err, redis.ErrMissing):
		b.Say("without Redis: %v", err)
	default:
		return report.Section{}, err
	}
	if err := b.compareStores(ctx, &section, version != ""); err != nil {
		return report.Section{}, err
	}
	if err := b.compareEntries(ctx, &section); err != nil {
		return report.Section{}, err
	}
	return section, nil
}

// The servers of compareStores, in their order.
const (
	floorServer = iota
	ledgerServer
	everySecondServer
	alwaysServer
)

// compareStores measures the ledger beside no store and Redis.
func (b *bench) compareStores(ctx context.Context, section *report.Section, withRedis bool) (err error) {
	var servers []*receiver
	defer func() {
		for _, s := range servers {
			err = errors.Join(err, s.stop())
		}
	}()
	add := func(s *receiver, err error) error {
		if err == nil {
			servers = append(servers, s)
		}
		return err
	}
	if err := add(b.start(ctx, "no store")); err != nil {
		return err
	}
	servers[floorServer].floor = true
	if err := add(b.start(ctx, "ledger", "--data", filepath.Join(b.Folder, "ledger"))); err != nil {
		return err
	}
	if withRedis {
		if err := add(b.startRedis(ctx, "Redis, everysec", redis.EverySecond)); err != nil {
			return err
		}
		if err := add(b.startRedis(ctx, "Redis, always", redis.Always)); err != nil {
			return err
		}
	}
	if err := b.fill(ctx, shape{batch: 1000}, servers); err != nil {
		return err
	}
	var cells []cell
	for _, batch := range []int{1, 10, 100, 1000} {
		p := b.posts(shape{batch: batch})
		for _, connections := range []int{1, 16, 64} {
			c := cell{batch: batch, connections: connections, servers: make([]runs, len(servers))}
			for range b.Rounds {
				p.fill(&b.sequence, atRandom)
				for i, s := range servers {
					one, err := b.post(ctx, s, p, connections, b.during)
					if err != nil {
						return err
					}
					c.servers[i].add(one)
				}
			}
			b.Say("batches of %d, %d connections: %s of %s statuses/s", batch, connections,
				report.Whole(c.servers[ledgerServer].rate.Median()), report.Whole(c.servers[floorServer].rate.Median()))
			cells = append(cells, c)
		}
	}
	section.Tables = append(section.Tables, rates(servers, cells), times(servers, cells))
	section.Goals = append(section.Goals, goals(cells)...)
	return nil
}

func rates(servers []*receiver, cells []cell) report.Table {
	t := report.Table{Title: "Statuses per second, and the share of the floor", Columns: []string{"batch", "connections"}}
	for i, s := range servers {
		t.Columns = append(t.Columns, s.name)
		if i > floorServer {
			t.Columns = append(t.Columns, "of the floor")
		}
	}
	for _, c := range cells {
		row := []string{strconv.Itoa(c.batch), strconv.Itoa(c.connections)}
		for i, r := range c.servers {
			row = append(row, report.Cell(r.rate, report.Whole))
			if i > floorServer {
				row = append(row, report.Percent(measure.Ratios(r.rate, c.servers[floorServer].rate).Median()))
			}
		}
		t.Add(row...)
	}
	return t
}

func times(servers []*receiver, cells []cell) report.Table {
	t := report.Table{
		Title:   "CPU per status in microseconds, receiver and store together; 99th percentile of the response times in milliseconds; the client's share of one core",
		Columns: []string{"batch", "connections"},
	}
	for _, s := range servers {
		t.Columns = append(t.Columns, s.name, "p99", "client")
	}
	for _, c := range cells {
		row := []string{strconv.Itoa(c.batch), strconv.Itoa(c.connections)}
		for _, r := range c.servers {
			row = append(row, report.Cell(r.cpu, report.Decimal), report.Decimal(r.p99.Median()), report.Percent(r.client.Median()))
		}
		t.Add(row...)
	}
	return t
}

// goals are judged where the server is busy: at 64 connections.
func goals(cells []cell) (all []report.Goal) {
	for _, c := range cells {
		if c.connections != 64 {
			continue
		}
		mine := c.servers[ledgerServer].rate
		share := measure.Ratios(mine, c.servers[floorServer].rate)
		switch c.batch {
		case 1:
			goal := atLeast("one status a request: share of the floor", share, 2./3, report.Percent)
			goal.Limit = c.beyondTheFloor() + "by profile two fifths for the sync and the write of the journal, a third for counting, " +
				"and most of the rest to hand rows over to the one who writes them"
			all = append(all, goal)
		case 100:
			goal := atLeast("batches of 100: share of the floor", share, 0.5, report.Percent)
			goal.Limit = c.beyondTheFloor() + "by profile half of it counting, most of which waits for memory, since users lie at random in tables larger " +
				"than the processor's caches, and a fifth the journal"
			all = append(all, goal, atLeast("batches of 100: statuses per second", mine, 100_000, report.Whole))
			if len(c.servers) > alwaysServer {
				all = append(all, atLeast("batches of 100: times Redis that syncs always, the same durability", measure.Ratios(mine, c.servers[alwaysServer].rate), 1.5, report.Decimal))
			}
		}
	}
	return all
}

// beyondTheFloor begins a sentence on what the ledger takes.
func (c *cell) beyondTheFloor() string {
	floor, mine := c.servers[floorServer].cpu.Median(), c.servers[ledgerServer].cpu.Median()
	return fmt.Sprintf("the ledger adds %s microseconds of CPU to the %s of the floor, ", report.Decimal(mine-floor), report.Decimal(floor))
}

func atLeast(what string, measured measure.Samples, wanted float64, format func(float64) string) report.Goal {
	return report.Goal{What: what, Wanted: "at least " + format(wanted), Measured: report.Cell(measured, format), Met: measured.Median() >= wanted}
}

// compareEntries measures the ledger by what is known of users and numbers.
func (b *bench) compareEntries(ctx context.Context, section *report.Section) (err error) {
	t := report.Table{
		Title:   "Batches of 100 over 64 connections, by what the statuses are about",
		Columns: []string{"statuses", "no store", "ledger", "of the floor", "CPU in microseconds, no store", "ledger"},
	}
	for _, kind := range []struct {
		name   string
		scoped bool
		flags  []string
	}{
		{"of numbers on their own, users by phone number", false, nil},
		{"of numbers that share a portfolio", false, []string{"--group"}},
		{"of numbers on their own, users by phone number and business-scoped id", true, nil},
		{"of numbers that share a portfolio, users by both", true, []string{"--group"}},
	} {
		floor, mine, err := b.compareToFloor(ctx, shape{batch: 100, scoped: kind.scoped}, kind.flags)
		if err != nil {
			return err
		}
		t.Add(kind.name, report.Cell(floor.rate, report.Whole), report.Cell(mine.rate, report.Whole),
			report.Percent(measure.Ratios(mine.rate, floor.rate).Median()), report.Cell(floor.cpu, report.Decimal), report.Cell(mine.cpu, report.Decimal))
		b.Say("%s: %s of %s statuses/s", kind.name, report.Whole(mine.rate.Median()), report.Whole(floor.rate.Median()))
	}
	section.Tables = append(section.Tables, t)
	return nil
}

func (b *bench) compareToFloor(ctx context.Context, of shape, flags []string) (floor, mine runs, err error) {
	folder, err := os.MkdirTemp(b.Folder, "ledger-")
	if err != nil {
		return floor, mine, err
	}
	none, err := b.start(ctx, "no store")
	if err != nil {
		return floor, mine, err
	}
	defer func() { err = errors.Join(err, none.stop()) }()
	none.floor = true
	engine, err := b.start(ctx, "ledger", append([]string{"--data", folder}, flags...)...)
	if err != nil {
		return floor, mine, err
	}
	defer func() { err = errors.Join(err, engine.stop()) }()
	if err := b.fill(ctx, shape{batch: 1000, scoped: of.scoped}, []*receiver{engine}); err != nil {
		return floor, mine, err
	}
	p := b.posts(of)
	for range b.Rounds {
		p.fill(&b.sequence, atRandom)
		for _, s := range []*receiver{none, engine} {
			one, err := b.post(ctx, s, p, 64, b.during)
			if err != nil {
				return floor, mine, err
			}
			if s.floor {
				floor.add(one)
			} else {
				mine.add(one)
			}
		}
	}
	return floor, mine, nil
}

const intro = `One thread posts signed webhooks over HTTP on loopback, in a closed loop, to the operator's own receiver in another process. The
receiver answers after a status is stored. All statuses are new and in order of time. Their users are random among 1,000,000 users of 10
numbers, whom the stores know already. The floor is the same receiver without a store: HTTP, signature and parser, without hashing of
ids. With Redis, the same receiver sends one ZADD with all users of a POST, pipelined over all requests.`

var notes = []string{
	"The ledger knows each message, conversation and service window, and counts a repeated status once. Redis keeps only the last message to each user.",
	"Client, receiver and store share the cores. A closed loop shows response times at saturation.",
}
