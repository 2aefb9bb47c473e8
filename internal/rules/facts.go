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
	Instants
}

// Instants answers when something was counted, to the second.
type Instants interface {
	// Nth is the nth event in (from, to] that the measure looks at, the first being 1, and Last the last; zero if there are
	// not so many. MeasureReached looks at all deliveries, MeasureComplaining at feedback, the others at counted deliveries.
	Nth(measure v1alpha1.Measure, n int64, from, to time.Time) time.Time
	Last(measure v1alpha1.Measure, from, to time.Time) time.Time
	// FallsBelow is the first instant at or after now at which fewer than limit lie in the window, if nothing further is
	// delivered; zero where that is not known.
	FallsBelow(measure v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time
}

// Count is how much there was of a measure at an instant.
//
// Invariant: Least <= the true count; and Most >= the true count if Known. The limit is compared with Most, so that no more room is
// shown than there is. The next tier is compared with Least, so that no upgrade comes too early.
type Count struct {
	// Least and Most are equal where the count is exact. Most is the last count that was known where the present one is not.
	Least, Most int64
	// Known says whether the present count is known. If not, what was concluded from the last one stands.
	Known bool
}

// Exact is Usage whose counts are exact, as a ledger's are.
type Exact struct {
	Counted
}

// Counted answers exact counts.
type Counted interface {
	Count(measure v1alpha1.Measure, from, to time.Time) int64
	Instants
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
	// Reserved is how much more of the limit is held now for messages that are under way. No rule depends on it: what is held may never
	// be delivered.
	Reserved int64
}
