package sampled

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Which users several numbers have in common cannot be told from their counts. So there are two answers to how many they are
// together: one for the limit, which never shows more room than there is, and one for the way up, which never shows an upgrade
// earlier.

// Most is the usage of numbers that share a limit, at most: the sum.
type Most struct {
	Together
}

// Least is the usage of numbers that share a limit, at least: the most that one of them has. Messages are no two numbers', so
// theirs are summed up.
type Least struct {
	Together
}

// Together are numbers that share a limit, some of whose counts are read.
type Together struct {
	// Counted answers for all others together, exactly.
	Counted rules.Usage
	Members []Usage
}

// Count is the sum of what was read last, whenever that was.
func (t Most) Count(measure v1alpha1.Measure, from, to time.Time) int64 {
	sum := t.Counted.Count(measure, from, to)
	for _, m := range t.Members {
		sum += m.Count(measure, from, to)
	}
	return sum
}

// Knows says whether all of them are known: the sum is too low otherwise.
func (t Most) Knows(measure v1alpha1.Measure, from, to time.Time) bool {
	for _, m := range t.Members {
		if !m.Knows(measure, from, to) {
			return false
		}
	}
	return true
}

// Count is of those that are known.
func (t Least) Count(measure v1alpha1.Measure, from, to time.Time) int64 {
	least := t.Counted.Count(measure, from, to)
	for _, m := range t.Members {
		switch {
		case !m.Knows(measure, from, to):
		case measure == v1alpha1.MeasureMessages:
			least += m.Count(measure, from, to)
		default:
			least = max(least, m.Count(measure, from, to))
		}
	}
	return least
}

// Nth is the first that is known of any of them, or the nth of those that are counted if that is earlier.
func (t Together) Nth(measure v1alpha1.Measure, n int64, from, to time.Time) time.Time {
	first := t.Counted.Nth(measure, n, from, to)
	for _, m := range t.Members {
		if rise := m.Nth(measure, n, from, to); first.IsZero() || !rise.IsZero() && rise.Before(first) {
			first = rise
		}
	}
	return first
}

// Last is the last that is known of any of them.
func (t Together) Last(measure v1alpha1.Measure, from, to time.Time) time.Time {
	last := t.Counted.Last(measure, from, to)
	for _, m := range t.Members {
		if rise := m.Last(measure, from, to); rise.After(last) {
			last = rise
		}
	}
	return last
}

// FallsBelow is zero, as with each of the members.
func (t Together) FallsBelow(v1alpha1.Measure, time.Duration, int64, time.Time) time.Time {
	return time.Time{}
}
