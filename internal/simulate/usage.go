package simulate

import (
	"math"
	"sort"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Successive counts what was before and what came since, of which no user is in both. It satisfies rules.Usage.
type Successive struct {
	// Nothing since lies before anything of before.
	Before, Since rules.Usage
}

// Count implements rules.Usage.
func (u Successive) Count(measure v1alpha1.Measure, from, to time.Time) rules.Count {
	before, since := u.Before.Count(measure, from, to), u.Since.Count(measure, from, to)
	return rules.Count{Least: before.Least + since.Least, Most: before.Most + since.Most, Known: before.Known && since.Known}
}

// Nth implements rules.Usage.
func (u Successive) Nth(measure v1alpha1.Measure, n int64, from, to time.Time) time.Time {
	if at := u.Before.Nth(measure, n, from, to); !at.IsZero() {
		return at
	}
	n -= int64(sort.Search(int(max(0, min(n, math.MaxInt))), func(i int) bool { return u.Before.Nth(measure, int64(i)+1, from, to).IsZero() }))
	return u.Since.Nth(measure, n, from, to)
}

// Last implements rules.Usage.
func (u Successive) Last(measure v1alpha1.Measure, from, to time.Time) time.Time {
	if last := u.Since.Last(measure, from, to); !last.IsZero() {
		return last
	}
	return u.Before.Last(measure, from, to)
}

// FallsBelow implements rules.Usage.
func (u Successive) FallsBelow(measure v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time {
	return FallsBelow(u, measure, window, limit, now)
}

// FallsBelow finds the instant of that name in rules.Instants by what is counted.
func FallsBelow(usage rules.Usage, measure v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time {
	if limit <= 0 {
		return time.Time{}
	}
	// Nothing further is delivered, so that the count only falls.
	seconds := sort.Search(int(window/time.Second), func(i int) bool {
		return usage.Count(measure, now.Add(time.Duration(i)*time.Second-window), now).Most < limit
	})
	return now.Add(time.Duration(seconds) * time.Second)
}
