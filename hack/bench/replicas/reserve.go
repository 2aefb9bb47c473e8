package replicas

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"

	"numberfleet.dev/numberfleet/hack/bench/measure"
	"numberfleet.dev/numberfleet/hack/bench/report"
)

const (
	// usersOf is how many users a number may message. Half of them it has messaged today, so half of what is asked for needs a place, and
	// nothing is refused, which would be cheaper.
	usersOf = 20_000
	window  = 24 * time.Hour
	ttl     = 1 // second, after which a place is free again, so that what ends is a part of what is measured

	timesWanted = 2
	lateWanted  = 12.0 // milliseconds
)

// senders are how many callers there are; the goals are about the most.
var senders = [...]int{64, 256}

// reservations measures what three replicas grant, beside Redis.
func (b *bench) reservations(ctx context.Context, section *report.Section, withRedis bool) error {
	var mine, beside [len(senders)]runs
	for range b.Rounds {
		if err := b.reserve(ctx, &mine); err != nil {
			return err
		}
		if withRedis {
			if err := b.reserveInRedis(ctx, &beside); err != nil {
				return err
			}
		}
	}
	table := report.Table{
		Title:   "Reservations: per second, times of a call in milliseconds, CPU of each in microseconds",
		Columns: []string{"callers", "of", "reservations/s", "p50", "p99", "CPU of nodes or servers", "of replicas and callers"},
	}
	for i, callers := range senders {
		add := func(name string, m *runs) {
			b.Say("%d callers, %s: %s reservations/s", callers, name, report.Whole(m.rate.Median()))
			table.Add(strconv.Itoa(callers), name, report.Cell(m.rate, report.Whole), report.Cell(m.p50, report.Decimal), report.Cell(m.p99, report.Decimal),
				report.Decimal(m.servers.Median()), report.Decimal(m.own.Median()))
		}
		add("three replicas", &mine[i])
		if withRedis {
			add("Redis, always, with a copy", &beside[i])
		}
	}
	section.Tables = append(section.Tables, table)
	section.Goals = append(section.Goals, goals(&mine, &beside, withRedis)...)
	return nil
}

// goals compare what replicas reserve for the most senders with Redis, for as many and for fewer.
func goals(mine, beside *[len(senders)]runs, withRedis bool) (all []report.Goal) {
	most := &mine[len(senders)-1]
	of, cores := fmt.Sprintf("reservations, %d callers: ", senders[len(senders)-1]), runtime.NumCPU()
	takes := fmt.Sprintf("a reservation takes %s microseconds of CPU, %s of them of nodes", report.Decimal(most.cpu()), report.Decimal(most.servers.Median()))
	if withRedis {
		for i, callers := range senders {
			goal := report.AtLeast(fmt.Sprintf("%stimes Redis with %d, which syncs always and waits for one copy", of, callers),
				measure.Ratios(most.rate, beside[i].rate), timesWanted, report.Decimal)
			goal.Limit = fmt.Sprintf("%s, of which %d cores do at most %s a second; one of Redis takes %s", takes, cores,
				report.Whole(float64(cores)*1e6/most.cpu()), report.Decimal(beside[i].cpu()))
			all = append(all, goal)
		}
	}
	late := report.AtMost(of+"p99, ms", most.p99, lateWanted, report.Decimal)
	late.Limit = fmt.Sprintf("%s, so that %d cores are busy for %s of the time, and what a call needs waits for its turn", takes, cores,
		report.Percent(most.rate.Median()*most.cpu()/1e6/float64(cores)))
	return append(all, late)
}

// reserve measures three replicas, by senders.
func (b *bench) reserve(ctx context.Context, to *[len(senders)]runs) (err error) {
	all, err := b.three(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, all.close()) }()
	if err := all[0].Lead(ctx); err != nil {
		return err
	}
	var settings counts.Settings
	for _, number := range numbers {
		settings.Senders = append(settings.Senders, counts.SenderSetting{Number: number, Namespace: "fleet", Quality: v1alpha1.QualityHigh})
		settings.Limits = append(settings.Limits, counts.LimitSetting{
			Subject: number, Limit: usersOf, Measure: v1alpha1.MeasureUniqueUsers, Window: window, ReleaseUnconfirmed: true,
		})
	}
	if err := errors.Join(all[0].Configure(settings), fill(ctx, all[0], 0, len(numbers)*usersOf/2)); err != nil {
		return err
	}
	for i, callers := range senders {
		err := b.closedLoop(ctx, fmt.Sprint("reserve-", callers), &to[i], callers, 1, b.nodes(), func(ctx context.Context, i int, random *rand.Rand) error {
			user := random.IntN(len(numbers) * usersOf)
			op := counts.Operation{Kind: counts.Reserve, Number: numbers[user%len(numbers)], User: key(user), Category: counts.Marketing, TTL: ttl}
			binary.LittleEndian.PutUint64(op.ID[:], random.Uint64())
			decisions, err := all[i%len(all)].Operate(ctx, []counts.Operation{op}, time.Now())
			if err == nil && decisions[0].State == counts.Refused {
				err = fmt.Errorf("refused: %s", decisions[0].Why)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
