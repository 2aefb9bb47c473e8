package timelapse_test

import (
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"

	"numberfleet.dev/numberfleet/internal/timelapse"
)

var anchor = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestClock(t *testing.T) {
	real := testingclock.NewFakePassiveClock(anchor.Add(10 * time.Second))
	origin := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	lapse, err := timelapse.New(real, anchor, origin, 3600)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := lapse.Now(), origin.Add(10*time.Hour); !got.Equal(want) {
		t.Errorf("ten seconds at 3,600 times are ten hours: the clock shows %s, not %s", got, want)
	}
	until := origin.Add(13 * time.Hour)
	wait := lapse.Wait(until)
	if wait < 3*time.Second || wait > 3*time.Second+10*time.Millisecond {
		t.Errorf("three hours more take three real seconds, not %s", wait)
	}
	real.SetTime(anchor.Add(10*time.Second + wait))
	if lapse.Now().Before(until) {
		t.Errorf("after the wait the clock shows %s, which is before %s", lapse.Now(), until)
	}
	if got := lapse.Wait(origin); got != 0 {
		t.Errorf("an instant that is past takes no wait, not %s", got)
	}
	for _, speed := range []float64{0, -1} {
		if _, err := timelapse.New(real, anchor, origin, speed); err == nil {
			t.Errorf("a clock of speed %v is refused", speed)
		}
	}
}

func TestRealClockShowsRealTime(t *testing.T) {
	real := testingclock.NewFakePassiveClock(anchor)
	c := timelapse.Real(real)
	real.SetTime(anchor.Add(time.Hour))
	if !c.Now().Equal(anchor.Add(time.Hour)) {
		t.Errorf("the clock shows %s", c.Now())
	}
}
