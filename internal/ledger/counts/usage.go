package counts

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Usage is what a View answers about one subject.
type Usage struct {
	view    *View
	subject string
}

// Usage is what is answered about a number or a portfolio.
func (v *View) Usage(subject string) Usage { return Usage{v, subject} }

// Count is how much of the measure lies in (from, to].
func (u Usage) Count(measure v1alpha1.Measure, from, to time.Time) int64 {
	return u.view.Count(u.subject, measure, from, to)
}

// Nth is the nth of the measure's events in (from, to], the first being 1; zero if there are not so many.
func (u Usage) Nth(measure v1alpha1.Measure, n int64, from, to time.Time) time.Time {
	return u.view.Nth(u.subject, measure, n, from, to)
}

// Last is the last of the measure's events in (from, to]; zero if there is none.
func (u Usage) Last(measure v1alpha1.Measure, from, to time.Time) time.Time {
	return u.view.Last(u.subject, measure, from, to)
}

// FallsBelow is the first instant at or after now at which fewer than limit lie in the window, if nothing further happens.
func (u Usage) FallsBelow(measure v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time {
	return u.view.FallsBelow(u.subject, measure, window, limit, now)
}

// Reserved is how much more is held at an instant, for messages that are under way.
func (u Usage) Reserved(now time.Time) int64 { return u.view.Reserved(u.subject, now) }
