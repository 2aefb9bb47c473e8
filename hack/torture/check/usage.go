package check

import (
	"math"
	"slices"
)

// outside are the deliveries of a subject outside of service windows, by time.
func (t *Input) outside(s Subject) []contact {
	return t.counted(s.Numbers, s.Policy.Spec.Counting.ServiceWindowHours*hour)
}

// usage is how deliveries count against the limit of a policy.
func (p *Policy) usage(deliveries []contact) *steps {
	window := p.Spec.Counting.WindowHours * hour
	return count(deliveries, p.Spec.Counting.Measure, window, window, never)
}

// Used is how much of the limit a subject has used at an instant.
func (t *Input) Used(s Subject, at int64) int64 { return s.Policy.usage(t.outside(s)).at(at) }

// Between are the least and the most that a subject has used in [from, to].
func (t *Input) Between(s Subject, from, to int64) (least, most int64) {
	return extremes(s.Policy.usage(t.outside(s)), from, to)
}

// Room is the first instant at which a subject that has reached a limit at an instant has room again, if nothing comes after it.
func (t *Input) Room(s Subject, limit, at int64) int64 {
	used := s.Policy.usage(slices.DeleteFunc(t.outside(s), func(d contact) bool { return d.at > at }))
	for _, down := range used.downs {
		if down > at && used.at(down) < limit {
			return down
		}
	}
	return at
}

// Week are the least and the most users that a subject reached within 7 days, by counted deliveries, at instants in [from, to].
func (t *Input) Week(s Subject, from, to int64) (least, most int64) {
	return extremes(count(t.outside(s), "UniqueUsers", 7*24*hour, 0, never), from, to)
}

// WeekMessages are the counted deliveries of a subject within the 7 days before an instant.
func (t *Input) WeekMessages(s Subject, at int64) int64 {
	return count(t.outside(s), "Messages", 7*24*hour, 0, never).at(at)
}

// Feedback is how many users complained about a number in the quality window before an instant, and how many were reached, if
// any complained and the policy makes a rating of it.
func (t *Input) Feedback(s Subject, at int64) (complaining, reached int64) {
	q := &s.Policy.Spec.Quality
	if complaining = count(t.complained(s.Numbers[0]), "UniqueUsers", q.WindowHours*hour, 0, never).at(at); complaining > 0 && q.LowPerThousand > 0 {
		reached = count(t.delivered(s.Numbers[0]), "UniqueUsers", q.WindowHours*hour, 0, never).at(at)
	}
	return complaining, reached
}

func extremes(s *steps, from, to int64) (least, most int64) {
	least, most = math.MaxInt64, math.MinInt64
	look := func(at int64) {
		if at >= from && at <= to {
			n := s.at(at)
			least, most = min(least, n), max(most, n)
		}
	}
	look(from)
	for _, at := range slices.Concat(s.ups, s.downs) {
		look(at)
	}
	return least, most
}
