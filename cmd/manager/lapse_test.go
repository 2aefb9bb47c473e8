package main

import (
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

// Whatever the clock's flags say, it is refused in a line, or there is a clock that goes forward.
func FuzzLapse(f *testing.F) {
	f.Add(1.0, "", "")
	f.Add(2880.0, "2026-03-02T09:00:00Z", "2026-01-01T00:00:00+01:00")
	f.Add(-1.0, "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
	f.Add(1e300, "now", "")
	f.Add(1e300, "", "")
	f.Add(86400.0, "0001-01-02T00:00:00Z", "9999-12-31T23:59:59Z")
	f.Fuzz(func(t *testing.T, speed float64, anchor, origin string) {
		real := clocktesting.NewFakePassiveClock(time.Unix(1790000000, 0))
		clk, err := lapse{speed: speed, anchor: anchor, origin: origin}.clock(real)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is more than a line", err)
			}
			return
		}
		before := clk.Now()
		real.SetTime(time.Unix(1790000001, 0))
		if clk.Now().Before(before) {
			t.Errorf("the clock went from %s to %s", before, clk.Now())
		}
	})
}
