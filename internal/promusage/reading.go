// Package promusage answers the rules from counts that are read from a Prometheus now and then.
//
// A count is known for some time after it was read, and not after that. Where it is not exact it is a bound, so that the rules show neither
// more room nor an earlier upgrade.
package promusage

import (
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Reading is a count as it was read last.
type Reading struct {
	// Measure that it is of, and Window that it was counted over.
	Measure v1alpha1.Measure
	Window  time.Duration
	Count   int64
	// At is when it was read; zero if it never was.
	At time.Time
	// Rises are instants within the window at which it was found to be higher than the time before, in order: the last one, and
	// otherwise the first of each hour. Before each of them something was delivered, and after the read before it.
	Rises []time.Time
}

// Next is the reading after one more read, which is not older. The slices are its own.
func (r Reading) Next(measure v1alpha1.Measure, window time.Duration, count int64, at time.Time) Reading {
	next := Reading{Measure: measure, Window: window, Count: count, At: at}
	if r.Measure != measure {
		return next
	}
	for _, rise := range r.Rises {
		if rise.After(at.Add(-window)) {
			next.Rises = append(next.Rises, rise)
		}
	}
	if r.At.IsZero() || r.Window != window || count <= r.Count {
		return next
	}
	// The last one gives way, unless it is the first of its hour.
	if n := len(next.Rises); n > 1 && hour(next.Rises[n-1]).Equal(hour(next.Rises[n-2])) {
		next.Rises = next.Rises[:n-1]
	}
	next.Rises = append(slices.Clip(next.Rises), at)
	return next
}

// Read says whether there is anything.
func (r Reading) Read() bool { return !r.At.IsZero() }

func hour(t time.Time) time.Time { return t.Truncate(time.Hour) }
