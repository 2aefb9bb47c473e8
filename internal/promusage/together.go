package promusage

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Together are numbers that share a limit, some of whose counts are read. It is a rules.Usage.
//
// Their counts do not say which users they have in common. So the count of all is at most the sum, and at least the highest of one.
type Together struct {
	// Counted answers for all other numbers together, exactly.
	Counted rules.Usage
	Members []Usage
}

// Count is known if that of each member is. A message belongs to one number, so messages are added up.
func (t Together) Count(measure v1alpha1.Measure, from, to time.Time) rules.Count {
	all := t.Counted.Count(measure, from, to)
	for _, m := range t.Members {
		one := m.Count(measure, from, to)
		all.Most += one.Most
		all.Known = all.Known && one.Known
		if measure == v1alpha1.MeasureMessages {
			all.Least += one.Least
		} else {
			all.Least = max(all.Least, one.Least)
		}
	}
	return all
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
