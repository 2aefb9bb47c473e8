package counts

import (
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Subject answers the counts of a number or a group in the words of the policies.
type Subject struct {
	Ledger Ledger
	Name   string // a number, E.164 with the leading plus, or a GroupSubject
}

// Count is how much of the measure lies in (from, to].
func (s Subject) Count(measure v1alpha1.Measure, from, to time.Time) int64 {
	return s.Ledger.Count(s.Name, measureOf(measure), from, to)
}

// Nth is the nth of the measure's events in (from, to], the first being 1; zero if there are not so many.
func (s Subject) Nth(measure v1alpha1.Measure, n int64, from, to time.Time) time.Time {
	return s.Ledger.Nth(s.Name, measureOf(measure), n, from, to)
}

// Last is the last of the measure's events in (from, to]; zero if there is none.
func (s Subject) Last(measure v1alpha1.Measure, from, to time.Time) time.Time {
	return s.Ledger.Last(s.Name, measureOf(measure), from, to)
}

// FallsBelow is the first instant at or after now at which fewer than limit lie in the window, if nothing further happens.
func (s Subject) FallsBelow(measure v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time {
	return s.Ledger.FallsBelow(s.Name, measureOf(measure), window, limit, now)
}

// Measures of the rules that no policy can name.
const (
	reachedUsers     v1alpha1.Measure = "ReachedUsers"
	complainingUsers v1alpha1.Measure = "ComplainingUsers"
)

func measureOf(measure v1alpha1.Measure) Measure {
	switch measure {
	case v1alpha1.MeasureConversations:
		return Conversations
	case v1alpha1.MeasureMessages:
		return Messages
	case reachedUsers:
		return Reached
	case complainingUsers:
		return Complaining
	default:
		return Users
	}
}
