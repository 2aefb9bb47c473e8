package rules

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// Usage answers counts, exact to the second unless it is Sampled.
type Usage interface {
	// Count is how much of the measure lies in (from, to], as it stood at to.
	Count(measure v1alpha1.Measure, from, to time.Time) int64
	// Nth is the nth event in (from, to] that the measure looks at, the first being 1, and Last the last; zero if there are
	// not so many. v1alpha1.MeasureReached looks at all deliveries, v1alpha1.MeasureComplaining at feedback, the others at counted deliveries.
	Nth(measure v1alpha1.Measure, n int64, from, to time.Time) time.Time
	Last(measure v1alpha1.Measure, from, to time.Time) time.Time
	// FallsBelow is the first instant at or after now at which fewer than limit lie in the window, if nothing further is
	// delivered; zero where that is not known.
	FallsBelow(measure v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time
}

// Sampled is usage that is read elsewhere, now and then, and so is not known at every instant.
type Sampled interface {
	Usage
	// Knows says whether what Count answers is how it stood at to.
	Knows(measure v1alpha1.Measure, from, to time.Time) bool
}

// knows says whether a count is known. What was concluded from one that is not, stands.
func knows(usage Usage, measure v1alpha1.Measure, from, to time.Time) bool {
	sampled, is := usage.(Sampled)
	return !is || sampled.Knows(measure, from, to)
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
	// Usage answers the counts. Where it is not exact, it says rather more than is used: it never shows more room than there is.
	Usage Usage
	// UpgradeUsage answers the counts that lead to the next tier; nil where those of Usage are exact. It says rather less than there
	// is: no upgrade comes earlier than it may.
	UpgradeUsage Usage
}
