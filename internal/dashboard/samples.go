package dashboard

import (
	"time"

	"numberfleet.dev/numberfleet/internal/chart"
)

const (
	mostStretches = 300 // of an object
	firstStep     = 10  // seconds of a stretch, to begin with
)

// samples are how much of its limit an object used since it is looked at: for each stretch of time the most of it, so that no peak is lost.
// The more there is, the longer the stretches.
type samples struct {
	since     int64 // Unix seconds
	step      int64
	stretches []stretch
}

// stretch is the most that was used in a stretch of time, and what was used at its end. Up to the next one that does not change.
type stretch struct{ at, most, last int64 }

// add adds how much is used at an instant.
func (s *samples) add(now time.Time, used int64) {
	if s.step == 0 {
		s.since, s.step = now.Unix(), firstStep
	}
	s.put(stretch{now.Unix(), used, used})
	for len(s.stretches) > mostStretches {
		s.step *= 2
		shorter := s.stretches
		s.stretches = nil
		for _, p := range shorter {
			s.put(p)
		}
	}
}

func (s *samples) put(p stretch) {
	p.at = max(s.since, p.at-p.at%s.step)
	if len(s.stretches) == 0 {
		s.stretches = append(s.stretches, p)
		return
	}
	switch before := &s.stretches[len(s.stretches)-1]; {
	case before.at >= p.at:
		before.most, before.last = max(before.most, p.most), p.last
	case before.last != p.most || before.last != p.last:
		s.stretches = append(s.stretches, p)
	}
}

// points are what is drawn, from the left to the right.
func (s *samples) points() (points []chart.Point) {
	for i, p := range s.stretches {
		points = append(points, chart.Point{At: p.at, Used: p.most})
		if end := p.at + s.step; p.last != p.most && (i == len(s.stretches)-1 || s.stretches[i+1].at > end) {
			points = append(points, chart.Point{At: end, Used: p.last})
		}
	}
	return points
}
