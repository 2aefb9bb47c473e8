package forecast

import (
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/simulate"
)

// syntheticUsage counts users who were never messaged before, one message each. Every measure counts such users alike,
// so that it keeps only how many there were at which instant. It satisfies rules.Usage.
type syntheticUsage struct {
	at   []int64 // Unix seconds, rising
	upTo []int64 // how many there were in all at each of them
}

// add counts users at an instant; instants do not fall. Nothing is changed that was there: see clone.
func (u *syntheticUsage) add(at time.Time, users int64) {
	if users > 0 {
		u.at, u.upTo = append(u.at, at.Unix()), append(u.upTo, u.total()+users)
	}
}

// clone is a copy that goes on by itself, and shares what there is now.
func (u *syntheticUsage) clone() *syntheticUsage {
	return &syntheticUsage{at: slices.Clip(u.at), upTo: slices.Clip(u.upTo)}
}

func (u *syntheticUsage) total() int64 {
	if len(u.upTo) == 0 {
		return 0
	}
	return u.upTo[len(u.upTo)-1]
}

// until is how many there were up to an instant.
func (u *syntheticUsage) until(at time.Time) int64 {
	i, _ := slices.BinarySearch(u.at, at.Unix()+1)
	if i == 0 {
		return 0
	}
	return u.upTo[i-1]
}

// Count implements rules.Usage.
func (u *syntheticUsage) Count(measure v1alpha1.Measure, from, to time.Time) rules.Count {
	count := rules.Count{Known: true}
	if to.After(from) && measure != v1alpha1.MeasureComplaining {
		count.Least = u.until(to) - u.until(from)
		count.Most = count.Least
	}
	return count
}

// Nth implements rules.Usage.
func (u *syntheticUsage) Nth(measure v1alpha1.Measure, n int64, from, to time.Time) time.Time {
	if n < 1 || n > u.total() || measure == v1alpha1.MeasureComplaining {
		return time.Time{}
	}
	i, _ := slices.BinarySearch(u.upTo, u.until(from)+n)
	if i == len(u.at) || u.at[i] > to.Unix() {
		return time.Time{}
	}
	return time.Unix(u.at[i], 0).UTC()
}

// Last implements rules.Usage.
func (u *syntheticUsage) Last(measure v1alpha1.Measure, from, to time.Time) time.Time {
	if i, _ := slices.BinarySearch(u.at, to.Unix()+1); i > 0 && u.at[i-1] > from.Unix() && measure != v1alpha1.MeasureComplaining {
		return time.Unix(u.at[i-1], 0).UTC()
	}
	return time.Time{}
}

// FallsBelow implements rules.Usage.
func (u *syntheticUsage) FallsBelow(measure v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time {
	return simulate.FallsBelow(u, measure, window, limit, now)
}
