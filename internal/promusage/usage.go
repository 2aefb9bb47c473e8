package promusage

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Usage is the usage of a number whose counts are read. It is a rules.Usage.
type Usage struct {
	// Feedback answers what users did, and to how many: nobody else knows.
	Feedback rules.Usage
	// Used is of what uses the limit, and not less. Achieved are of what leads to the next tier, of different measures, and not more.
	Used     Reading
	Achieved []Reading
	// Fresh is how long a reading holds.
	Fresh time.Duration
}

// Count is what was read of the measure over the same window: at least what leads to the next tier, and at most what uses the limit.
func (u Usage) Count(measure v1alpha1.Measure, from, to time.Time) rules.Count {
	if ofFeedback(measure) {
		return u.Feedback.Count(measure, from, to)
	}
	var count rules.Count
	of := func(r *Reading) bool { return r.Measure == measure && r.Window == to.Sub(from) }
	used := of(&u.Used)
	if used {
		count = rules.Count{Most: u.Used.Count, Known: u.knows(&u.Used, to)}
	}
	for i := range u.Achieved {
		r := &u.Achieved[i]
		if !of(r) {
			continue
		}
		known := u.knows(r, to)
		if known {
			count.Least = r.Count
		}
		if !used {
			count.Most, count.Known = r.Count, known
		}
	}
	return count
}

// knows says whether a reading was made at an instant or shortly before.
func (u Usage) knows(r *Reading, at time.Time) bool {
	return r.Read() && !at.Before(r.At) && at.Sub(r.At) < u.Fresh
}

// Nth is the first rise of the measure in (from, to] that was seen, for any number of deliveries may be behind it.
func (u Usage) Nth(measure v1alpha1.Measure, n int64, from, to time.Time) time.Time {
	if ofFeedback(measure) {
		return u.Feedback.Nth(measure, n, from, to)
	}
	first, _ := u.rises(measure, from, to)
	return first
}

// Last is the last rise of the measure in (from, to] that was seen.
func (u Usage) Last(measure v1alpha1.Measure, from, to time.Time) time.Time {
	if ofFeedback(measure) {
		return u.Feedback.Last(measure, from, to)
	}
	_, last := u.rises(measure, from, to)
	return last
}

// FallsBelow is zero: when users leave the window does not follow from how many there are.
func (u Usage) FallsBelow(measure v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time {
	if ofFeedback(measure) {
		return u.Feedback.FallsBelow(measure, window, limit, now)
	}
	return time.Time{}
}

// rises are the first and the last rise of a measure in (from, to]; zero if there was none.
func (u Usage) rises(measure v1alpha1.Measure, from, to time.Time) (first, last time.Time) {
	for _, r := range append([]Reading{u.Used}, u.Achieved...) {
		for _, rise := range r.Rises {
			if r.Measure != measure || !rise.After(from) || rise.After(to) {
				continue
			}
			if first.IsZero() || rise.Before(first) {
				first = rise
			}
			if rise.After(last) {
				last = rise
			}
		}
	}
	return first, last
}

func ofFeedback(measure v1alpha1.Measure) bool {
	return measure == v1alpha1.MeasureReached || measure == v1alpha1.MeasureComplaining
}
