// Package gate measures how many reservations a second the API grants, durably, beside the same API in front of a ledger that keeps
// nothing and in front of Redis; and what the guard adds to a request beside a bare reverse proxy.
package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"numberfleet.dev/numberfleet/hack/bench/load"
	"numberfleet.dev/numberfleet/hack/bench/measure"
	"numberfleet.dev/numberfleet/hack/bench/redis"
	"numberfleet.dev/numberfleet/hack/bench/report"
)

// bench is what the runs share.
type bench struct {
	*measure.Bench
	during time.Duration // of a run
	bytes  int           // of requests in memory
}

// Run measures it all.
func Run(ctx context.Context, shared *measure.Bench) (report.Section, error) {
	b := &bench{Bench: shared, during: 2 * time.Second, bytes: 64 << 20}
	if b.Short {
		b.during, b.bytes = 50*time.Millisecond, 4<<20
	}
	section := report.Section{Title: "Gate", Intro: intro, Notes: notes}
	var err error
	if section.Versions, err = redis.Find(ctx, shared); err != nil {
		return report.Section{}, err
	}
	if err := b.reservations(ctx, &section, len(section.Versions) > 0); err != nil {
		return report.Section{}, err
	}
	if err := b.fromPools(ctx, &section); err != nil {
		return report.Section{}, err
	}
	if err := b.guarded(ctx, &section); err != nil {
		return report.Section{}, err
	}
	return section, nil
}

// reservations measures the durable ledger beside one that keeps nothing, and Redis.
func (b *bench) reservations(ctx context.Context, section *report.Section, withRedis bool) (err error) {
	servers, err := load.StartAll(ctx, b.Bench, Role, "in memory", "durable", withRedis)
	defer func() { err = errors.Join(err, load.StopAll(servers)) }()
	if err != nil {
		return err
	}
	var cells []load.Cell
	for _, batch := range []int{1, 100} {
		r := newRequests(b.Random(uint64(batch)), batch, b.bytes)
		for _, connections := range []int{1, 16, 64} {
			c := load.NewCell(batch, connections, len(servers))
			for range b.Rounds {
				for i, s := range servers {
					one, err := load.Measure(ctx, s, r, batch, load.Shape{Connections: connections, During: b.during, Again: true})
					if err != nil {
						return err
					}
					c.Servers[i].Add(one)
				}
			}
			b.Say("batches of %d, %d connections: %s of %s reservations/s", batch, connections,
				report.Whole(c.Servers[load.Ledger].Rate.Median()), report.Whole(c.Servers[load.Floor].Rate.Median()))
			cells = append(cells, c)
		}
	}
	section.Tables = append(section.Tables, load.Rates("Reservations per second, and the share of the floor", servers, cells),
		load.Costs("reservation", servers, cells))
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
		if c.Batch == 1 {
			goal := report.AtLeast("one at a time: share of the floor", measure.Ratios(mine, c.Servers[load.Floor].Rate), 0.6, report.Percent)
			goal.Limit = limitOf(&c, load.Floor, "without a journal", "the rest is the sync and the write of the journal, and handing requests over to the one who writes them")
			all = append(all, goal)
		}
		if len(c.Servers) <= load.Always {
			continue
		}
		beside := measure.Ratios(mine, c.Servers[load.Always].Rate)
		switch c.Batch {
		case 1:
			goal := report.AtLeast("one at a time: times Redis that syncs always, the same durability", beside, 1.5, report.Decimal)
			goal.Limit = limitOf(&c, load.Always, "with Redis", "by profile more than half of ours is HTTP, which is the same in front of both")
			all = append(all, goal)
		case 100:
			goal := report.AtLeast("batches of 100: times Redis that syncs always, the same durability", beside, 4, report.Decimal)
			goal.Limit = limitOf(&c, load.Always, "with Redis", "by profile two fifths of ours is the decision, most of which waits for memory, and a third is JSON, "+
				"which is the same in front of both")
			all = append(all, goal)
		}
	}
	return all
}

// limitOf is a sentence on what a reservation costs, beside another server.
func limitOf(c *load.Cell, other int, name, why string) string {
	return fmt.Sprintf("a reservation takes %s microseconds of CPU, and %s %s; %s", report.Decimal(c.Servers[load.Ledger].CPU.Median()),
		report.Decimal(c.Servers[other].CPU.Median()), name, why)
}

const intro = `One thread asks for reservations over HTTP on loopback, in a closed loop, at the operator's own API in another process. There are 8
limits of 250,000 users each, of whom 125,000 are counted. Each request is about a random one of the 250,000, so about half need a place.
A place is reserved for a second. The floor is the same API in front of a ledger without a journal. With Redis, the same API calls a
script that checks and reserves on two sorted sets of a limit; calls of all requests are pipelined, and a batch is one call.`

var notes = []string{
	"A batch is about one limit, which is the best case of the script. The ledger takes batches about several limits as they are.",
	"The ledger writes every request, keeps each reservation by its id until it ends, and joins reservations of one user. The script keeps who is " +
		"reserved until when, and writes nothing for a user who is counted. A crash of Redis that syncs every second loses reservations that were granted.",
	"The caller's token and rights are known already. Client, API and store share the cores. A closed loop shows response times at saturation.",
}
