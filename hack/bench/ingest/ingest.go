// Package ingest measures how many statuses a second the webhook receiver takes, durably, beside the same receiver without a
// store and with Redis behind it.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"numberfleet.dev/numberfleet/hack/bench/load"
	"numberfleet.dev/numberfleet/hack/bench/measure"
	"numberfleet.dev/numberfleet/hack/bench/redis"
	"numberfleet.dev/numberfleet/hack/bench/report"
)

// bench is what the runs share.
type bench struct {
	*measure.Bench
	sequence    sequence
	credentials string
	during      time.Duration // of a run
	most        int           // bytes of posts in memory
}

// start starts a receiver with flags of its own.
func (b *bench) start(ctx context.Context, name string, flags ...string) (*load.Server, error) {
	return load.Start(ctx, b.Bench, Role, name, append(flags, "--credentials", b.credentials)...)
}

// post sends posts to a server.
func (b *bench) post(ctx context.Context, s *load.Server, p *posts, of load.Shape) (load.Run, error) {
	return load.Measure(ctx, s, p, p.batch, of)
}

func (b *bench) posts(of shape) *posts {
	one := newPosts(of, 1)
	return newPosts(of, max(1, b.most/one.length))
}

// fill posts a delivery to every user, so that all servers know all users.
func (b *bench) fill(ctx context.Context, of shape, servers []*load.Server) error {
	p := b.posts(of)
	for seen := 0; seen < users && (!b.Short || seen == 0); seen += p.n * p.batch {
		p.fill(&b.sequence, seen)
		for _, s := range servers {
			if _, err := b.post(ctx, s, p, load.Shape{Connections: 16, During: time.Hour}); err != nil {
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
	var err error
	if section.Versions, err = redis.Find(ctx, shared); err != nil {
		return report.Section{}, err
	}
	if err := b.compareStores(ctx, &section, len(section.Versions) > 0); err != nil {
		return report.Section{}, err
	}
	if err := b.compareEntries(ctx, &section); err != nil {
		return report.Section{}, err
	}
	return section, nil
}

// compareStores measures the ledger beside no store and Redis.
func (b *bench) compareStores(ctx context.Context, section *report.Section, withRedis bool) (err error) {
	servers, err := load.StartAll(ctx, b.Bench, Role, "no store", "ledger", withRedis, "--credentials", b.credentials)
	defer func() { err = errors.Join(err, load.StopAll(servers)) }()
	if err != nil {
		return err
	}
	if err := b.fill(ctx, shape{batch: 1000}, servers[load.Ledger:]); err != nil {
		return err
	}
	var cells []load.Cell
	for _, batch := range []int{1, 10, 100, 1000} {
		p := b.posts(shape{batch: batch})
		for _, connections := range []int{1, 16, 64} {
			c := load.NewCell(batch, connections, len(servers))
			for range b.Rounds {
				p.fill(&b.sequence, atRandom)
				for i, s := range servers {
					one, err := b.post(ctx, s, p, load.Shape{Connections: connections, During: b.during, Again: i == load.Floor})
					if err != nil {
						return err
					}
					c.Servers[i].Add(one)
				}
			}
			b.Say("batches of %d, %d connections: %s of %s statuses/s", batch, connections,
				report.Whole(c.Servers[load.Ledger].Rate.Median()), report.Whole(c.Servers[load.Floor].Rate.Median()))
			cells = append(cells, c)
		}
	}
	section.Tables = append(section.Tables, load.Rates("Statuses per second, and the share of the floor", servers, cells),
		load.Costs("status", servers, cells))
	section.Goals = append(section.Goals, goals(cells)...)
	return nil
}

// goals are judged where the server is busy: at 64 connections.
func goals(cells []load.Cell) (all []report.Goal) {
	for _, c := range cells {
		if c.Connections != 64 {
			continue
		}
		mine := c.Servers[load.Ledger].Rate
		share := measure.Ratios(mine, c.Servers[load.Floor].Rate)
		switch c.Batch {
		case 1:
			goal := report.AtLeast("one status a request: share of the floor", share, 2./3, report.Percent)
			goal.Limit = beyondTheFloor(&c) + "by profile two fifths for the sync and the write of the journal, a third for counting, " +
				"and most of the rest to hand rows over to the one who writes them"
			all = append(all, goal)
		case 100:
			goal := report.AtLeast("batches of 100: share of the floor", share, 0.5, report.Percent)
			goal.Limit = beyondTheFloor(&c) + "by profile half of it counting, most of which waits for memory, since users lie at random in tables larger " +
				"than the processor's caches, and a fifth the journal"
			all = append(all, goal, report.AtLeast("batches of 100: statuses per second", mine, 100_000, report.Whole))
			if len(c.Servers) > load.Always {
				all = append(all, report.AtLeast("batches of 100: times Redis that syncs always, the same durability", measure.Ratios(mine, c.Servers[load.Always].Rate), 1.5, report.Decimal))
			}
		}
	}
	return all
}

// beyondTheFloor begins a sentence on what the ledger takes.
func beyondTheFloor(c *load.Cell) string {
	floor, mine := c.Servers[load.Floor].CPU.Median(), c.Servers[load.Ledger].CPU.Median()
	return fmt.Sprintf("the ledger adds %s microseconds of CPU to the %s of the floor, ", report.Decimal(mine-floor), report.Decimal(floor))
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
		t.Add(kind.name, report.Cell(floor.Rate, report.Whole), report.Cell(mine.Rate, report.Whole),
			report.Percent(measure.Ratios(mine.Rate, floor.Rate).Median()), report.Cell(floor.CPU, report.Decimal), report.Cell(mine.CPU, report.Decimal))
		b.Say("%s: %s of %s statuses/s", kind.name, report.Whole(mine.Rate.Median()), report.Whole(floor.Rate.Median()))
	}
	section.Tables = append(section.Tables, t)
	return nil
}

func (b *bench) compareToFloor(ctx context.Context, of shape, flags []string) (floor, mine load.Runs, err error) {
	folder, err := os.MkdirTemp(b.Folder, "ledger-")
	if err != nil {
		return floor, mine, err
	}
	none, err := b.start(ctx, "no store")
	if err != nil {
		return floor, mine, err
	}
	defer func() { err = errors.Join(err, none.Stop()) }()
	engine, err := b.start(ctx, "ledger", append([]string{"--data", folder}, flags...)...)
	if err != nil {
		return floor, mine, err
	}
	defer func() { err = errors.Join(err, engine.Stop()) }()
	if err := b.fill(ctx, shape{batch: 1000, scoped: of.scoped}, []*load.Server{engine}); err != nil {
		return floor, mine, err
	}
	p := b.posts(of)
	for range b.Rounds {
		p.fill(&b.sequence, atRandom)
		for _, s := range []*load.Server{none, engine} {
			one, err := b.post(ctx, s, p, load.Shape{Connections: 64, During: b.during, Again: s == none})
			if err != nil {
				return floor, mine, err
			}
			if s == none {
				floor.Add(one)
			} else {
				mine.Add(one)
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
