package check

import (
	"math"
	"slices"
	"sort"
)

// steps is a count over time: when it goes up and when down.
type steps struct{ ups, downs []int64 }

// add counts one more from an instant until another.
func (s *steps) add(from, until int64) {
	s.ups, s.downs = append(s.ups, from), append(s.downs, until)
}

func (s *steps) sorted() *steps {
	slices.Sort(s.ups)
	slices.Sort(s.downs)
	return s
}

// at is the count at an instant, after the changes of that instant.
func (s *steps) at(t int64) int64 {
	until := func(all []int64) int { return sort.Search(len(all), func(i int) bool { return all[i] > t }) }
	return int64(until(s.ups) - until(s.downs))
}

// count is a measure of deliveries in (t-window, t] at every t. Only deliveries after an instant count.
func count(counted []contact, measure string, window, conversation, after int64) *steps {
	s := &steps{}
	switch measure {
	case "Messages":
		for _, d := range counted {
			if d.at > after {
				s.add(d.at, d.at+window)
			}
		}
	case "Conversations":
		opened := map[string]int64{}
		for _, d := range counted {
			if last, known := opened[d.user]; known && last > d.at-conversation {
				continue
			}
			if opened[d.user] = d.at; d.at > after {
				s.add(d.at, d.at+window)
			}
		}
	default: // users, by their last
		next := map[string]int64{}
		for _, d := range slices.Backward(counted) {
			until := d.at + window
			if later, known := next[d.user]; known {
				until = min(until, later)
			}
			if next[d.user] = d.at; d.at > after {
				s.add(d.at, until)
			}
		}
	}
	return s.sorted()
}

// never is before everything.
const never = math.MinInt64 / 4
