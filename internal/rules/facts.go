package rules

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Usage answers counts, exact to the second.
type Usage interface {
	// Count is how much of the measure lies in (from, to], as it stood at to.
	Count(measure v1alpha1.Measure, from, to time.Time) int64
	// Nth is the nth counted delivery in (from, to], the first being 1, and Last the last; zero if there are not so many.
	Nth(n int64, from, to time.Time) time.Time
	Last(from, to time.Time) time.Time
	// FallsBelow is the first instant at or after now at which fewer than limit lie in the window, if nothing further is
	// delivered.
	FallsBelow(measure v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time
}

// ReportKind says what a report is about.
type ReportKind string

// The kinds of reports.
const (
	ReportQuality      ReportKind = "Quality"
	ReportLimit        ReportKind = "Limit"
	ReportConnection   ReportKind = "Connection"
	ReportVerification ReportKind = "Verification"
)

// Report is something that Meta said about the number.
type Report struct {
	Kind ReportKind
	At   time.Time
	// Value is a rating, a limit in digits or "Unlimited", a connection state, or a verification. What the engine does not
	// know changes nothing.
	Value string
	// Reason that came with a rating; may be empty.
	Reason string
}

// Facts are what is known of a number besides its state.
type Facts struct {
	// Verification that the resource declares; empty for Unverified. A reported one wins.
	Verification v1alpha1.Verification
	// HumanEscalation says whether the resource declares a direct way to a human.
	HumanEscalation bool
	// Reports that are not yet part of the state, in the order in which they arrived.
	Reports []Report
	// Usage answers the counts.
	Usage Usage
}
