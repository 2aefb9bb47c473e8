package rules

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// Usage answers counts.
type Usage interface {
	// Count is how much of the measure lies in (from, to].
	Count(measure v1alpha1.Measure, from, to time.Time) Count
	// Nth is the nth event in (from, to] that the measure looks at, the first being 1, and Last the last; zero if there are
	// not so many. MeasureReached looks at all deliveries, MeasureComplaining at feedback, the others at counted deliveries.
	Nth(measure v1alpha1.Measure, n int64, from, to time.Time) time.Time
	Last(measure v1alpha1.Measure, from, to time.Time) time.Time
	// FallsBelow is the first instant at or after now at which fewer than limit lie in the window, if nothing further is
	// delivered; zero where that is not known.
	FallsBelow(measure v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time
}

// Count is how much there is of a measure, as it stood at an instant, to the second. The limit goes by Most, and never shows more room
// than there is. The next tier goes by Least, and never comes earlier than it may.
type Count struct {
	// Least and Most are equal where it is exact. Where nobody knows how it stood, Most is what was known last, and Least 0.
	Least, Most int64
	// Known says whether it was known how it stood. What was concluded from a count that is not stands.
	Known bool
}

// Exact is the usage of a ledger, whose counts are all known.
type Exact struct {
	Counted
}

// Counted is Usage whose counts are one number each.
type Counted interface {
	Count(measure v1alpha1.Measure, from, to time.Time) int64
	Nth(measure v1alpha1.Measure, n int64, from, to time.Time) time.Time
	Last(measure v1alpha1.Measure, from, to time.Time) time.Time
	FallsBelow(measure v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time
}

// Count implements Usage.
func (e Exact) Count(measure v1alpha1.Measure, from, to time.Time) Count {
	n := e.Counted.Count(measure, from, to)
	return Count{n, n, true}
}

// Facts are what is known of a number or a portfolio besides its state.
type Facts struct {
	// Verification that the resource declares; empty for Unverified. A reported one wins.
	Verification v1alpha1.Verification
	// Appealed says that Meta agreed on appeal that there is a direct way to a human.
	Appealed bool
	// HumanEscalation says whether the resource declares a direct way to a human.
	HumanEscalation bool
	// Reports that are not yet part of the state, in the order in which they arrived.
	Reports []report.Report
	// Members are what the numbers and templates of a portfolio, or the templates of a number that has its limit itself, came to since
	// the state, in order of time. See Fleet.
	Members []QualityAt
	// Usage answers the counts.
	Usage Usage
}
