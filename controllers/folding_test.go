package controllers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
)

// A number that sends steadily at its limit tells of it when that begins, and once there has been room for an hour, however
// often it was restricted meanwhile. State and metrics are exact, and the operator wakes for what is left to tell.
func TestASteadySenderAtItsLimitIsToldAsTwoEvents(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("taqnyat")
	b.Deliver(number.Spec.PhoneNumber, 250)
	b.Evaluate(number)
	frees := func() {
		t.Helper()
		b.FakeClock.Advance(number.Status.Restriction.UntilTime.Sub(b.FakeClock.Now()))
		b.Evaluate(number)
		if number.Status.State != v1alpha1.StateConnected || !number.Status.LimitReached.RoomSinceTime.Time.Equal(b.FakeClock.Now()) {
			t.Fatalf("where there is room it is %s: %+v", number.Status.State, number.Status.LimitReached)
		}
	}
	for range 40 {
		frees()
		b.Deliver(number.Spec.PhoneNumber, 1)
		b.Evaluate(number)
		if number.Status.State != v1alpha1.StateRestricted || !number.Status.LimitReached.RoomSinceTime.IsZero() {
			t.Fatalf("where there is none it is %s: %+v", number.Status.State, number.Status.LimitReached)
		}
	}
	frees()
	b.FakeClock.Advance(time.Hour - time.Second)
	wake := b.Evaluate(number).RequeueAfter
	if got := b.Reasons(); !slices.Equal(got, []string{"Restricted"}) || len(number.Status.History) != 1 || number.Status.Transitions != 1 {
		t.Errorf("it is told %v, and stands in the history as %v", got, controllertest.History(number))
	}
	if got := b.Metric("numberfleet_transitions_total", "reason", "RestrictionLifted"); got != 41 {
		t.Errorf("the metrics have %v of 41 ends of a restriction", got)
	}
	if wake != time.Second {
		t.Errorf("it wakes after %s, not when there has been room for an hour", wake)
	}
	b.FakeClock.Advance(wake)
	b.Evaluate(number)
	if got := b.Reasons(); !slices.Equal(got, []string{"RestrictionLifted"}) || number.Status.LimitReached != (v1alpha1.LimitReachedStatus{}) {
		t.Errorf("after an hour of room it is told %v, and %+v is left", got, number.Status.LimitReached)
	}
	if last := number.Status.History[1].Message; !strings.Contains(last, "the limit was reached 41 times since 2026-03-02 09:00:00 UTC") {
		t.Errorf("it says %q", last)
	}
}
