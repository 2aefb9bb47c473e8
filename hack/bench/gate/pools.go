package gate

import (
	"context"
	"errors"
	"path/filepath"

	"numberfleet.dev/numberfleet/hack/bench/load"
	"numberfleet.dev/numberfleet/hack/bench/measure"
	"numberfleet.dev/numberfleet/hack/bench/report"
)

// poolRate is how many reservations a second are asked of pools.
const poolRate = 5000

// fromPools measures what it costs that a pool chooses, beside reservations of the numbers for the same users, of the same server.
func (b *bench) fromPools(ctx context.Context, section *report.Section) (err error) {
	s, err := load.Start(ctx, b.Bench, Role, "pools", "--pools", "--data", filepath.Join(b.Folder, "pools"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	ofPools, ofNumbers := newPoolRequests(b.Random(3), b.bytes/8)
	named := []struct {
		by string
		requests
		runs load.Runs
	}{{by: "pool", requests: ofPools}, {by: "number", requests: ofNumbers}}
	var addedCPU, addedP50 measure.Samples
	for range b.Rounds {
		for i := range named {
			one, err := load.Measure(ctx, s, named[i].requests, 1, load.Shape{Connections: 64, During: b.during, Rate: poolRate, Again: true})
			if err != nil {
				return err
			}
			named[i].runs.Add(one)
		}
		pool, number := &named[0].runs, &named[1].runs
		addedCPU = append(addedCPU, last(pool.CPU)-last(number.CPU))
		addedP50 = append(addedP50, 1000*(last(pool.P50)-last(number.P50)))
	}
	t := report.Table{
		Title:   "Reservations over 64 connections of 1,000 pools of 10 numbers each, and of the numbers; response times in milliseconds",
		Columns: []string{"named by", "reservations per second", "p50", "p99", "CPU in microseconds"},
	}
	for i := range named {
		r := &named[i].runs
		t.Add(named[i].by, report.Cell(r.Rate, report.Whole), report.Cell(r.P50, report.Decimal), report.Cell(r.P99, report.Decimal), report.Cell(r.CPU, report.Decimal))
	}
	section.Tables = append(section.Tables, t)
	section.Goals = append(section.Goals,
		report.AtMost("a pool of 10 at 5,000 a second: CPU beyond a reservation of a number, µs", addedCPU, 20, report.Decimal))
	b.Say("pools: a choice adds %s µs of CPU, and %s at p50", report.Decimal(addedCPU.Median()), report.Decimal(addedP50.Median()))
	return nil
}
