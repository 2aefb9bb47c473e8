package dashboard

import (
	"testing"
	"time"
)

// However long the page is open, no peak is lost, none lasts much longer than it did, and memory is bounded.
func TestSamplesAreBoundedAndKeepPeaks(t *testing.T) {
	const peak = 1_000_000
	var s samples
	start := time.Unix(1_800_000_003, 0)
	for i := range 100_000 {
		used := int64(i % 7)
		if i%10_007 == 5000 {
			used = peak
		}
		s.add(start.Add(time.Duration(i)*3*time.Second), used)
	}
	peaks, points := 0, s.points()
	for i, p := range points {
		if i > 0 && p.At <= points[i-1].At || p.At < s.since {
			t.Fatalf("point %d is at %d", i, p.At)
		}
		if p.Used != peak {
			continue
		}
		if peaks++; points[i+1].At-p.At > 2000 {
			t.Errorf("a peak lasts %d s", points[i+1].At-p.At)
		}
	}
	if len(s.stretches) > mostStretches || peaks != 10 || s.since != start.Unix() {
		t.Errorf("%d stretches with %d peaks since %d", len(s.stretches), peaks, s.since)
	}
}

// A count that stays the same takes no memory.
func TestSamplesOfWhatDoesNotChange(t *testing.T) {
	var s samples
	for i := range 1000 {
		s.add(time.Unix(1_800_000_000+int64(i)*60, 0), 42)
	}
	if points := s.points(); len(points) != 1 || points[0].Used != 42 {
		t.Errorf("%+v", points)
	}
}
