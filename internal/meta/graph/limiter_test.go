package graph

import (
	"math"
	"sync"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"
)

var start = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// takeAll takes calls until none is left.
func takeAll(t *testing.T, l *Limiter) (calls int, retryAt time.Time) {
	t.Helper()
	for {
		at, ok := l.Take()
		if !ok {
			return calls, at
		}
		if calls++; calls > 10_000 {
			t.Fatal("the limiter limits nothing")
		}
	}
}

func TestATenthOfTheAllowanceAtOnceThenEvenly(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(start)
	l := NewLimiter(HourlyCalls, clock)
	calls, retryAt := takeAll(t, l)
	if calls != 20 || !retryAt.Equal(start.Add(20*time.Second)) { // 180 an hour
		t.Errorf("got %d calls, and then %s", calls, retryAt)
	}
	clock.SetTime(retryAt.Add(-time.Millisecond))
	if _, ok := l.Take(); ok {
		t.Error("a call passed before it was due")
	}
	clock.SetTime(retryAt)
	if _, ok := l.Take(); !ok {
		t.Error("no call passed when it was due")
	}
	clock.SetTime(start.Add(10 * time.Hour))
	if calls, _ := takeAll(t, l); calls != 20 {
		t.Errorf("after a long rest, got %d calls at once", calls)
	}
}

// No hour sees more calls than are allowed, whatever the rhythm of the callers and whatever Meta says meanwhile.
func TestNoHourSeesMoreThanTheAllowance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perHour := rapid.IntRange(2, 1000).Draw(t, "perHour")
		clock := clocktesting.NewFakePassiveClock(start)
		l := NewLimiter(perHour, clock)
		var passed []time.Time
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			clock.SetTime(clock.Now().Add(time.Duration(rapid.Int64Range(0, int64(20*time.Minute)).Draw(t, "rest"))))
			if rapid.Bool().Draw(t, "told") {
				l.Observe([]Usage{{CallCount: rapid.Float64Range(0, 120).Draw(t, "percent")}})
			}
			for range rapid.IntRange(0, 200).Draw(t, "calls") {
				if retryAt, ok := l.Take(); ok {
					passed = append(passed, clock.Now())
				} else if !retryAt.After(clock.Now()) {
					t.Fatalf("refused at %s until %s", clock.Now(), retryAt)
				}
			}
		}
		for i, at := range passed {
			within := 0
			for _, later := range passed[i:] {
				if later.Sub(at) < time.Hour {
					within++
				}
			}
			if within > perHour {
				t.Fatalf("%d calls within an hour from %s, allowed are %d", within, at, perHour)
			}
		}
	})
}

func TestWhatMetaSaysOfTheUsageTakesFromWhatIsLeft(t *testing.T) {
	for _, test := range []struct {
		percent float64
		left    int     // calls at once
		rate    float64 // per hour
	}{
		{0, 20, 180}, {50, 20, 180}, {75, 20, 180}, {80, 20, 144}, {90, 20, 72}, {95, 10, 36}, {98, 4, 18}, {99.5, 1, 18},
	} {
		l := NewLimiter(HourlyCalls, clocktesting.NewFakePassiveClock(start))
		l.Observe([]Usage{{CallCount: 1}, {TotalTime: test.percent}})
		state := l.State()
		if calls, _ := takeAll(t, l); calls != test.left || math.Abs(state.Rate-test.rate) > 0.001 || state.Percent != max(test.percent, 1) {
			t.Errorf("at %v %%: got %d calls and %+v, want %d at %v an hour", test.percent, calls, state, test.left, test.rate)
		}
	}
}

func TestTheLimiterHoldsWhileMetaRefuses(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(start)
	l := NewLimiter(HourlyCalls, clock)
	l.Observe([]Usage{{CallCount: 100, RegainAccess: 19 * time.Minute}})
	if retryAt, ok := l.Take(); ok || !retryAt.Equal(start.Add(19*time.Minute)) {
		t.Errorf("throttled for 19 minutes: got %s, %v", retryAt, ok)
	}
	l.Hold(start.Add(time.Minute)) // an earlier end does not shorten it
	clock.SetTime(start.Add(19*time.Minute - time.Second))
	if _, ok := l.Take(); ok {
		t.Error("a call passed before Meta accepts one")
	}
	clock.SetTime(start.Add(19 * time.Minute))
	if calls, _ := takeAll(t, l); calls != 5 { // at the slowest rate, of 18 an hour, for 19 minutes
		t.Errorf("got %d calls when access is regained", calls)
	}
	l = NewLimiter(HourlyCalls, clock)
	l.Observe([]Usage{{TotalCPUTime: 100}, {CallCount: 1}})
	if retryAt, ok := l.Take(); ok || !retryAt.Equal(clock.Now().Add(5*time.Minute)) {
		t.Errorf("throttled without a time: got %s, %v", retryAt, ok)
	}
}

func TestTheRateComesBackWhenTheUsageFalls(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(start)
	l := NewLimiter(HourlyCalls, clock)
	l.Observe([]Usage{{CallCount: 99}})
	l.Observe(nil) // says nothing
	if rate := l.State().Rate; math.Abs(rate-18) > 0.001 {
		t.Errorf("got %v an hour", rate)
	}
	clock.SetTime(start.Add(time.Minute))
	l.Observe([]Usage{{CallCount: 10}})
	if state := l.State(); math.Abs(state.Rate-180) > 0.001 || state.Percent != 10 {
		t.Errorf("the usage fell: got %+v", state)
	}
	l.Observe([]Usage{{CallCount: 99}})
	clock.SetTime(clock.Now().Add(time.Hour))
	takeAll(t, l)
	if state := l.State(); math.Abs(state.Rate-180) > 0.001 || state.Percent != 0 {
		t.Errorf("what was said an hour ago is over: got %+v", state)
	}
}

func TestTheAllowanceCanChange(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(start)
	l := NewLimiter(HourlyCalls, clock)
	takeAll(t, l)
	l.SetAllowance(HourlyCallsActive)
	l.SetAllowance(HourlyCallsActive)
	clock.SetTime(start.Add(time.Hour))
	if calls, _ := takeAll(t, l); calls != 500 {
		t.Errorf("with 5,000 an hour, got %d at once", calls)
	}
	clock.SetTime(start.Add(2 * time.Hour))
	l.SetAllowance(HourlyCalls)
	if calls, _ := takeAll(t, l); calls != 20 {
		t.Errorf("with 200 an hour again, got %d at once", calls)
	}
	l.SetAllowance(0)
	clock.SetTime(start.Add(9 * time.Hour))
	if calls, _ := takeAll(t, l); calls != 1 {
		t.Errorf("with nothing allowed, got %d", calls)
	}
}

func TestTheLimiterIsSharedSafely(t *testing.T) {
	l := NewLimiter(HourlyCalls, clocktesting.NewFakePassiveClock(start))
	var wg sync.WaitGroup
	var mu sync.Mutex
	passed := 0
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if _, ok := l.Take(); ok {
					mu.Lock()
					passed++
					mu.Unlock()
				}
				l.Observe([]Usage{{CallCount: 1}})
				_ = l.State()
			}
		})
	}
	wg.Wait()
	if passed != 20 {
		t.Errorf("%d calls passed", passed)
	}
}
