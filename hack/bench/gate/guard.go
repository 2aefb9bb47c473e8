package gate

import (
	"context"
	"errors"
	"path/filepath"

	"numberfleet.dev/numberfleet/hack/bench/load"
	"numberfleet.dev/numberfleet/hack/bench/measure"
	"numberfleet.dev/numberfleet/hack/bench/report"
)

// guarded measures what the guard adds to a message, beside a bare reverse proxy in front of the same stand-in for Meta.
func (b *bench) guarded(ctx context.Context, section *report.Section) (err error) {
	var started []*load.Server
	defer func() {
		for _, s := range started {
			err = errors.Join(err, s.Stop())
		}
	}()
	start := func(role, name string, flags ...string) (*load.Server, error) {
		s, err := load.Start(ctx, b.Bench, role, name, flags...)
		if err == nil {
			started = append(started, s)
		}
		return s, err
	}
	meta, err := start(MetaRole, "Meta")
	if err != nil {
		return err
	}
	upstream := "http://" + meta.Address
	bare, err := start(GuardRole, "bare proxy", "--upstream", upstream)
	if err != nil {
		return err
	}
	guard, err := start(GuardRole, "guard", "--upstream", upstream, "--data", filepath.Join(b.Folder, "guard"))
	if err != nil {
		return err
	}
	r := newMessages(b.Random(2), b.bytes)
	closed := load.Shape{Connections: 64, During: b.during, Again: true}
	var most [2]load.Runs // in a closed loop
	var half [2]load.Runs // at half of what saturates the guard
	var addedP50, addedP99 measure.Samples
	for range b.Rounds {
		open := closed
		for i, s := range []*load.Server{guard, bare} {
			one, err := load.Measure(ctx, s, r, 1, closed)
			if err != nil {
				return err
			}
			most[i].Add(one)
			if s == guard {
				open.Rate = one.Rate / 2
			}
		}
		for i, s := range []*load.Server{guard, bare} {
			one, err := load.Measure(ctx, s, r, 1, open)
			if err != nil {
				return err
			}
			half[i].Add(one)
		}
		addedP50 = append(addedP50, last(half[0].P50)-last(half[1].P50))
		addedP99 = append(addedP99, last(half[0].P99)-last(half[1].P99))
	}
	t := report.Table{
		Title:   "Messages over 64 connections, to the stand-in for Meta; response times in milliseconds at half of what saturates the guard",
		Columns: []string{"through", "most messages per second", "messages per second", "p50", "p99", "CPU in microseconds"},
	}
	for i, s := range []*load.Server{guard, bare} {
		t.Add(s.Name, report.Cell(most[i].Rate, report.Whole), report.Cell(half[i].Rate, report.Whole),
			report.Cell(half[i].P50, report.Decimal), report.Cell(half[i].P99, report.Decimal), report.Cell(half[i].CPU, report.Decimal))
	}
	section.Tables = append(section.Tables, t)
	section.Goals = append(section.Goals,
		report.AtMost("guard at half load: p50 beyond that of a bare proxy, ms", addedP50, 1, report.Decimal),
		report.AtMost("guard at half load: p99 beyond that of a bare proxy, ms", addedP99, 10, report.Decimal))
	b.Say("guard: %s messages/s at most; at half of it %s ms are added at p50, %s at p99", report.Whole(most[0].Rate.Median()),
		report.Decimal(addedP50.Median()), report.Decimal(addedP99.Median()))
	return nil
}

func last(s measure.Samples) float64 { return s[len(s)-1] }
