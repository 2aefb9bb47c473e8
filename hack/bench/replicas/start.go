package replicas

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"

	"numberfleet.dev/numberfleet/hack/bench/measure"
	"numberfleet.dev/numberfleet/hack/bench/report"
)

// readyWanted is in what time a new replica is ready, seconds.
const readyWanted = 10

// starts measures how long a new replica takes until it answers.
func (b *bench) starts(ctx context.Context, section *report.Section) error {
	instance := b.next()
	if err := b.history(ctx, instance); err != nil {
		return err
	}
	var took measure.Samples
	for range b.Rounds {
		runtime.GC()
		start := time.Now()
		fresh, err := b.join(ctx, instance, 1)
		if err != nil {
			return err
		}
		took = append(took, time.Since(start).Seconds())
		now := time.Now()
		if got := fresh[0].Count(numbers[0], v1alpha1.MeasureUniqueUsers, now.Add(-24*time.Hour), now); got != int64(b.fresh/len(numbers)) {
			err = fmt.Errorf("a new replica counts %d users, not %d", got, b.fresh/len(numbers))
		}
		if err := errors.Join(err, fresh.close()); err != nil {
			return err
		}
	}
	b.Say("a new replica with %s users is ready in %s s", report.Whole(float64(b.fresh)), report.Decimal(took.Median()))
	what := fmt.Sprintf("a new replica with %s users, and %s statuses after its snapshot, is ready, seconds", report.Whole(float64(b.fresh)), report.Whole(float64(b.rest)))
	section.Goals = append(section.Goals, report.AtMost(what, took, readyWanted, report.Decimal))
	return nil
}

// history makes a log with a snapshot, and statuses after it.
func (b *bench) history(ctx context.Context, instance string) error {
	all, err := b.join(ctx, instance, 1)
	if err != nil {
		return err
	}
	err = errors.Join(all[0].Lead(ctx), fill(ctx, all[0], 0, b.fresh))
	if err == nil {
		err = all[0].Snapshot(ctx)
	}
	if err == nil {
		err = fill(ctx, all[0], 0, b.rest)
	}
	return errors.Join(err, all.close())
}
