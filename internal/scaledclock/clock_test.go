package scaledclock_test

import (
	"math"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"

	"numberfleet.dev/numberfleet/internal/scaledclock"
)

var anchor = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestClock(t *testing.T) {
	real := testingclock.NewFakePassiveClock(anchor.Add(10 * time.Second))
	origin := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	lapse, err := scaledclock.New(real, anchor, origin, 3600)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := lapse.Now(), origin.Add(10*time.Hour); !got.Equal(want) {
		t.Errorf("ten seconds at 3,600 times are ten hours: the clock shows %s, not %s", got, want)
	}
	if got, want := lapse.At(anchor.Add(time.Second)), origin.Add(time.Hour); !got.Equal(want) {
		t.Errorf("a second after the anchor it shows %s, not %s", got, want)
	}
	if got := lapse.At(anchor.Add(-time.Second)); !got.After(origin.AddDate(50, 0, 0)) {
		t.Errorf("a second before the anchor it shows %s, though it may have shown anything", got)
	}
	if got := scaledclock.Real(real).At(anchor); !got.Equal(anchor) {
		t.Errorf("the real clock shows %s at %s", got, anchor)
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
	for _, speed := range []float64{0, -1, math.NaN(), scaledclock.Fastest + 1, 1e300, math.Inf(1)} {
		if _, err := scaledclock.New(real, anchor, origin, speed); err == nil {
			t.Errorf("a clock of speed %v is refused", speed)
		}
	}
}

// However long it runs, and however slowly, a clock goes neither back nor wakes anyone at once.
func TestClockDoesNotOverflow(t *testing.T) {
	real := testingclock.NewFakePassiveClock(anchor)
	fast, err := scaledclock.New(real, anchor, anchor, scaledclock.Fastest)
	if err != nil {
		t.Fatal(err)
	}
	last := fast.Now()
	for range 10 {
		real.SetTime(real.Now().Add(30 * 24 * time.Hour))
		if now := fast.Now(); now.Before(last) {
			t.Errorf("the clock went from %s to %s", last, now)
		}
		last = fast.Now()
	}
	real.SetTime(anchor)
	slow, err := scaledclock.New(real, anchor, anchor, 1e-300)
	if err != nil {
		t.Fatal(err)
	}
	if wait := slow.Wait(anchor.Add(time.Hour)); wait < 24*time.Hour {
		t.Errorf("an hour of a clock that stands almost still is waited for %s", wait)
	}
}

func TestRealClockShowsRealTime(t *testing.T) {
	real := testingclock.NewFakePassiveClock(anchor)
	c := scaledclock.Real(real)
	real.SetTime(anchor.Add(time.Hour))
	if !c.Now().Equal(anchor.Add(time.Hour)) {
		t.Errorf("the clock shows %s", c.Now())
	}
}

// A clock that is ahead of its limit shows the limit, and who waits for an instant waits until the limit has reached it.
func TestALimitedClockIsNeverAhead(t *testing.T) {
	real := testingclock.NewFakePassiveClock(anchor)
	lapse, err := scaledclock.New(real, anchor, anchor, 60)
	if err != nil {
		t.Fatal(err)
	}
	limit := anchor.Add(time.Hour)
	limited := scaledclock.Limited{Clock: lapse, Limit: func() time.Time { return limit }}
	for _, test := range []struct{ passed, shown, wait time.Duration }{ // passed is real time
		{0, 0, 2 * time.Minute},
		{time.Minute, time.Hour, time.Minute},
		{time.Hour, time.Hour, time.Minute},
	} {
		real.SetTime(anchor.Add(test.passed))
		if got := limited.Now(); !got.Equal(anchor.Add(test.shown)) || limited.Since(anchor) != test.shown {
			t.Errorf("after %s it shows %s", test.passed, got)
		}
		if got := limited.Wait(anchor.Add(2 * time.Hour)); got.Round(time.Second) != test.wait {
			t.Errorf("after %s one waits %s", test.passed, got)
		}
	}
	if got := (scaledclock.Limited{Clock: lapse}).Now(); !got.Equal(lapse.Now()) {
		t.Errorf("without a limit it shows %s", got)
	}
}
