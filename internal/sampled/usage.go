package sampled

import (
	"slices"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Usage is the usage of a number whose counts are read. It is a rules.Sampled.
type Usage struct {
	// Feedback answers what users did, and to how many: nobody else knows.
	Feedback rules.Usage
	// Readings are of different measures.
	Readings []Reading
	// Fresh is how long a reading holds.
	Fresh time.Duration
}

// Count is what was read of the measure, whenever that was; zero if it is not of the same window.
func (u Usage) Count(measure v1alpha1.Measure, from, to time.Time) int64 {
	if ofFeedback(measure) {
		return u.Feedback.Count(measure, from, to)
	}
	if r := u.reading(measure); r != nil && r.Window == to.Sub(from) {
		return r.Count
	}
	return 0
}

// Knows says whether the measure was read over the same window, at to or shortly before.
func (u Usage) Knows(measure v1alpha1.Measure, from, to time.Time) bool {
	if ofFeedback(measure) {
		return true
	}
	r := u.reading(measure)
	return r != nil && r.Read() && r.Window == to.Sub(from) && !to.Before(r.At) && to.Sub(r.At) < u.Fresh
}

// Nth is the first rise of the measure in (from, to] that was seen, for any number of deliveries may be behind it.
func (u Usage) Nth(measure v1alpha1.Measure, n int64, from, to time.Time) time.Time {
	if ofFeedback(measure) {
		return u.Feedback.Nth(measure, n, from, to)
	}
	if rises := u.rises(measure, from, to); len(rises) > 0 {
		return rises[0]
	}
	return time.Time{}
}

// Last is the last rise of the measure in (from, to] that was seen.
func (u Usage) Last(measure v1alpha1.Measure, from, to time.Time) time.Time {
	if ofFeedback(measure) {
		return u.Feedback.Last(measure, from, to)
	}
	if rises := u.rises(measure, from, to); len(rises) > 0 {
		return rises[len(rises)-1]
	}
	return time.Time{}
}

// FallsBelow is zero: when users leave the window does not follow from how many there are.
func (u Usage) FallsBelow(measure v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time {
	if ofFeedback(measure) {
		return u.Feedback.FallsBelow(measure, window, limit, now)
	}
	return time.Time{}
}

func (u Usage) reading(measure v1alpha1.Measure) *Reading {
	i := slices.IndexFunc(u.Readings, func(r Reading) bool { return r.Measure == measure })
	if i < 0 {
		return nil
	}
	return &u.Readings[i]
}

func (u Usage) rises(measure v1alpha1.Measure, from, to time.Time) []time.Time {
	r := u.reading(measure)
	if r == nil {
		return nil
	}
	first, _ := slices.BinarySearchFunc(r.Rises, from, func(rise, from time.Time) int {
		if rise.After(from) {
			return 1
		}
		return -1
	})
	last, _ := slices.BinarySearchFunc(r.Rises, to, func(rise, to time.Time) int {
		if rise.After(to) {
			return 1
		}
		return -1
	})
	return r.Rises[first:max(first, last)]
}

func ofFeedback(measure v1alpha1.Measure) bool {
	return measure == v1alpha1.MeasureReached || measure == v1alpha1.MeasureComplaining
}
