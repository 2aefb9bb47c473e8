// Package page draws a simulation as one HTML page that needs nothing else.
package page

import (
	"time"

	"numberfleet.dev/numberfleet/internal/chart"
	"numberfleet.dev/numberfleet/internal/rules"
)

// steps are how far apart points are, in seconds: each divides the next, so that points can be put together.
var steps = []int64{60, 300, 900, 3600, 10_800, 43_200, 86_400, 7 * 86_400}

const (
	mostPoints    = 3000    // of a subject: more than a screen is wide
	mostPointsAll = 1 << 20 // 16 MiB
)

// Recorder keeps what subjects use over time, for each stretch of time the most of it, so that no peak is lost. The more
// there is, the longer the stretches. It is a simulate.Observer.
type Recorder struct {
	policy *rules.Policy
	step   int // among steps
	tracks map[string]*track
	points int
}

// track is one subject.
type track struct {
	start, seen int64 // Unix seconds: the first instant, and the first that was not looked at
	peak        int64
	// points are the most that was used in a stretch each. Where there is no point, it is that of the last one, which is zero then.
	points []chart.Point
}

// NewRecorder makes a recorder for subjects of a policy.
func NewRecorder(policy *rules.Policy) *Recorder {
	return &Recorder{policy: policy, tracks: map[string]*track{}}
}

// Observe implements simulate.Observer. Between two events what is used can only fall: it is looked at after the first, and
// at the beginning of each stretch up to the second.
func (r *Recorder) Observe(subject string, usage rules.Usage, before time.Time) {
	until := before.Unix()
	t, ok := r.tracks[subject]
	if !ok {
		r.tracks[subject] = &track{start: until, seen: until}
		return
	}
	for at := t.seen; at < until; {
		used := rules.Used(r.policy, usage, time.Unix(at, 0))
		r.put(t, at, used)
		if used == 0 {
			break
		}
		step := steps[r.step]
		at += step - at%step
	}
	t.seen = max(t.seen, until)
}

func (r *Recorder) put(t *track, at, used int64) {
	t.peak = max(t.peak, used)
	stretch := at - at%steps[r.step]
	if last := len(t.points) - 1; last >= 0 && t.points[last].At == stretch {
		t.points[last].Used = max(t.points[last].Used, used)
		return
	}
	t.points = append(t.points, chart.Point{At: stretch, Used: used})
	r.points++
	for (len(t.points) > mostPoints || r.points > mostPointsAll) && r.step < len(steps)-1 {
		r.widen()
	}
}

// widen makes the stretches longer.
func (r *Recorder) widen() {
	r.step++
	r.points = 0
	for _, t := range r.tracks {
		kept := t.points[:0]
		for _, p := range t.points {
			p.At -= p.At % steps[r.step]
			if last := len(kept) - 1; last >= 0 && kept[last].At == p.At {
				kept[last].Used = max(kept[last].Used, p.Used)
			} else {
				kept = append(kept, p)
			}
		}
		t.points = kept
		r.points += len(kept)
	}
}
