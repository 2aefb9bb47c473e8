package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

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

// measureScrape reads all metrics of a fleet at rest, and then while webhooks come.
func (f *fleet) measureScrape(ctx context.Context, o *operator) (err error) {
	s := &f.out.scrape
	before, err := measure.CPU(o.PID())
	if err != nil {
		return err
	}
	for range f.plan.scrapes {
		start := time.Now()
		if s.bytes, err = o.ScrapeAll(ctx, o.token); err != nil {
			return err
		}
		s.took = append(s.took, time.Since(start).Seconds())
	}
	after, err := measure.CPU(o.PID())
	if err != nil {
		return err
	}
	s.cpu = (after - before) / time.Duration(f.plan.scrapes)

	scraped, stop := context.WithCancel(ctx)
	defer stop()
	send := func() (took measure.Samples, err error) {
		for range 20 * f.plan.scrapes {
			start := time.Now()
			if err := f.post(ctx, o, []delivery{{number: f.out.size - 1, user: 1, at: start}}); err != nil {
				return nil, err
			}
			took = append(took, time.Since(start).Seconds())
		}
		return took, nil
	}
	if s.quiet, err = send(); err != nil {
		return err
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
	return err
}

// ninetyNine is the sample that 99 of 100 do not exceed.
func ninetyNine(s measure.Samples) float64 {
	return slices.Sorted(slices.Values(s))[(len(s)*99-1)/100]
}

func milliseconds(s float64) string { return fmt.Sprintf("%.0f ms", s*1000) }

// scrapes says what scrapes of all fleets take.
func scrapes(all []outcome) report.Table {
	t := report.Table{Title: "Scrapes of all metrics, and webhooks while one follows another", Columns: []string{
		"numbers", "a scrape", "uncompressed", "CPU of the operator", "webhook, p99, without scrapes", "with scrapes",
	}}
	for i := range all {
		s := &all[i].scrape
		t.Add(report.Whole(float64(all[i].size)), report.Cell(s.took, milliseconds), fmt.Sprintf("%.1f MB", float64(s.bytes)/1e6), milliseconds(s.cpu.Seconds()),
			milliseconds(ninetyNine(s.quiet)), milliseconds(ninetyNine(s.meantime)))
	}
	return t
}

func scrapeGoal(all []outcome) report.Goal {
	worst := 0.0
	for i := range all {
		worst = max(worst, all[i].scrape.took.Median())
	}
	return report.Goal{What: "a scrape of all metrics, at worst", Wanted: "less than 1 s", Measured: milliseconds(worst), Met: worst < 1}
}

func webhookGoal(all []outcome) report.Goal {
	worst := 0.0
	for i := range all {
		worst = max(worst, ninetyNine(all[i].scrape.meantime))
	}
	return report.Goal{What: "a webhook while one scrape follows another, p99, at worst", Wanted: "at most 250 ms", Measured: milliseconds(worst), Met: worst <= 0.25}
}
