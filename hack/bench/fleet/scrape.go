package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"numberfleet.dev/numberfleet/hack/rig"

	"numberfleet.dev/numberfleet/hack/bench/measure"
	"numberfleet.dev/numberfleet/hack/bench/report"
)

// scrape is what reading all metrics takes, and what it does to webhooks meanwhile.
type scrape struct {
	took            measure.Samples // seconds, of each
	bytes           int64           // before they are compressed
	cpu             time.Duration   // of the operator, for each
	quiet, meantime measure.Samples // seconds until a webhook is answered: while nothing is scraped, and while it is all the time
}

// Scrapes measures scrapes of a large fleet.
func Scrapes(ctx context.Context, b *measure.Bench) (report.Section, error) {
	size, scrapes := 50_000, 20
	if b.Short {
		size, scrapes = 40, 2
	}
	s, err := scrapeFleet(ctx, b, size, scrapes)
	if err != nil {
		return report.Section{}, err
	}
	took, webhook := s.took.Median(), ninetyNine(s.meantime)
	table := report.Table{Columns: []string{"numbers", "a scrape", "uncompressed", "CPU of the operator", "webhook, p99, without scrapes", "with scrapes"}}
	table.Add(report.Whole(float64(size)), report.Cell(s.took, milliseconds), fmt.Sprintf("%.1f MB", float64(s.bytes)/1e6), milliseconds(s.cpu.Seconds()),
		milliseconds(ninetyNine(s.quiet)), milliseconds(webhook))
	return report.Section{
		Title: "Scrapes",
		Intro: fmt.Sprintf("All metrics of a fleet at rest are read %d times, compressed, as a Prometheus reads them; then again and again while webhooks come. The\n"+
			"reader, etcd, kube-apiserver and the operator share the machine.", scrapes),
		Tables: []report.Table{table},
		Goals: []report.Goal{
			{What: "a scrape of all metrics", Wanted: "less than 1 s", Measured: milliseconds(took), Met: took < 1},
			{What: "a webhook while one scrape follows another, p99", Wanted: "at most 250 ms", Measured: milliseconds(webhook), Met: webhook <= 0.25},
		},
	}, nil
}

// scrapeFleet measures scrapes of one fleet, each number of which has its status.
func scrapeFleet(ctx context.Context, b *measure.Bench, size, scrapes int) (s *scrape, err error) {
	manager, err := buildOperator(ctx, b)
	if err != nil {
		return nil, err
	}
	f, err := newFleet(ctx, b, &plan{}, manager, size)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.end()) }()
	b.Say("scrapes: creating %d numbers", size)
	if err := f.create(ctx); err != nil {
		return nil, err
	}
	b.Say("scrapes: first start with %d numbers", size)
	if err := f.firstStart(ctx); err != nil {
		return nil, err
	}
	o, err := f.startOperator()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.Stop(rig.Patience)) }()
	if _, err := o.ready(ctx); err != nil {
		return nil, err
	}
	if _, err := o.waitReconciled(ctx, size); err != nil {
		return nil, err
	}
	return f.measureScrapes(ctx, o, scrapes)
}

// measureScrapes reads all metrics of a fleet at rest, and then while webhooks come.
func (f *fleet) measureScrapes(ctx context.Context, o *operator, scrapes int) (s *scrape, err error) {
	s = &scrape{}
	before, err := measure.CPU(o.PID())
	if err != nil {
		return nil, err
	}
	for range scrapes {
		start := time.Now()
		if s.bytes, err = o.ScrapeAll(ctx, o.token); err != nil {
			return nil, err
		}
		s.took = append(s.took, time.Since(start).Seconds())
	}
	after, err := measure.CPU(o.PID())
	if err != nil {
		return nil, err
	}
	s.cpu = (after - before) / time.Duration(scrapes)

	scraped, stop := context.WithCancel(ctx)
	defer stop()
	send := func() (took measure.Samples, err error) {
		for range 20 * scrapes {
			start := time.Now()
			if err := f.post(ctx, o, []delivery{{number: f.out.size - 1, user: 1, at: start}}); err != nil {
				return nil, err
			}
			took = append(took, time.Since(start).Seconds())
		}
		return took, nil
	}
	if s.quiet, err = send(); err != nil {
		return nil, err
	}
	var group errgroup.Group
	group.Go(func() error {
		for scraped.Err() == nil {
			if _, err := o.ScrapeAll(scraped, o.token); err != nil && scraped.Err() == nil {
				return err
			}
		}
		return nil
	})
	s.meantime, err = send()
	stop()
	if scraping := group.Wait(); err == nil {
		err = scraping
	}
	return s, err
}

// ninetyNine is the sample that 99 of 100 do not exceed.
func ninetyNine(s measure.Samples) float64 {
	return slices.Sorted(slices.Values(s))[(len(s)*99-1)/100]
}

func milliseconds(s float64) string { return fmt.Sprintf("%.0f ms", s*1000) }
