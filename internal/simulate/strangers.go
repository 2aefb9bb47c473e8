package simulate

import (
	"math"
	"slices"
	"sort"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// strangers count users who were never messaged before, one message each, on top of what was counted before. Of such users
// every measure says the same, so that a number of them and an instant are all there is to keep. It satisfies rules.Usage.
type strangers struct {
	before rules.Usage // nil for nothing
	at     []int64     // Unix seconds, rising
	upTo   []int64     // how many there were in all at each of them
}

// add counts users at an instant; instants do not fall. Nothing is changed that was there: see copied.
func (s *strangers) add(at time.Time, users int64) {
	if users > 0 {
		s.at, s.upTo = append(s.at, at.Unix()), append(s.upTo, s.total()+users)
	}
}

// copied is a copy that goes its own way, and shares what there is now.
func (s *strangers) copied() *strangers {
	return &strangers{before: s.before, at: slices.Clip(s.at), upTo: slices.Clip(s.upTo)}
}

func (s *strangers) total() int64 {
	if len(s.upTo) == 0 {
		return 0
	}
	return s.upTo[len(s.upTo)-1]
}

// until is how many there were up to an instant.
func (s *strangers) until(at time.Time) int64 {
	i, _ := slices.BinarySearch(s.at, at.Unix()+1)
	if i == 0 {
		return 0
	}
	return s.upTo[i-1]
}

// Count implements rules.Usage.
func (s *strangers) Count(measure v1alpha1.Measure, from, to time.Time) int64 {
	if !to.After(from) || measure == rules.MeasureComplaining {
		return s.earlier(measure, from, to)
	}
	return s.earlier(measure, from, to) + s.until(to) - s.until(from)
}

func (s *strangers) earlier(measure v1alpha1.Measure, from, to time.Time) int64 {
	if s.before == nil {
		return 0
	}
	return s.before.Count(measure, from, to)
}

// Nth implements rules.Usage.
func (s *strangers) Nth(measure v1alpha1.Measure, n int64, from, to time.Time) time.Time {
	if s.before != nil {
		// Those before come first: everyone here was messaged later, or at the same instant as the last of them.
		if at := s.before.Nth(measure, n, from, to); !at.IsZero() {
			return at
		}
		n -= int64(sort.Search(int(min(n, math.MaxInt)), func(i int) bool { return s.before.Nth(measure, int64(i)+1, from, to).IsZero() }))
	}
	if n < 1 || n > s.total() || measure == rules.MeasureComplaining {
		return time.Time{}
	}
	i, _ := slices.BinarySearch(s.upTo, s.until(from)+n)
	if i == len(s.at) || s.at[i] > to.Unix() {
		return time.Time{}
	}
	return time.Unix(s.at[i], 0).UTC()
}

// Last implements rules.Usage.
func (s *strangers) Last(measure v1alpha1.Measure, from, to time.Time) time.Time {
	if i, _ := slices.BinarySearch(s.at, to.Unix()+1); i > 0 && s.at[i-1] > from.Unix() && measure != rules.MeasureComplaining {
		return time.Unix(s.at[i-1], 0).UTC()
	}
	if s.before == nil {
		return time.Time{}
	}
	return s.before.Last(measure, from, to)
}

// FallsBelow implements rules.Usage.
func (s *strangers) FallsBelow(measure v1alpha1.Measure, window time.Duration, limit int64, now time.Time) time.Time {
	if limit <= 0 {
		return time.Time{}
	}
	// Nothing further is delivered, so that the count only falls.
	seconds := sort.Search(int(window/time.Second), func(i int) bool {
		return s.Count(measure, now.Add(time.Duration(i)*time.Second-window), now) < limit
	})
	return now.Add(time.Duration(seconds) * time.Second)
}
