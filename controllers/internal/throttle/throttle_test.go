package throttle

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/internal/rules"
)

var beginning = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func named(name string) lookup.Key {
	return lookup.Key{Kind: "PhoneNumber", NamespacedName: types.NamespacedName{Name: name}}
}

// The counts of one resource are written once in a period, and at once where a mark is crossed.
func TestTheCountsOfOneResourceAreThrottled(t *testing.T) {
	clock := testingclock.NewFakeClock(beginning)
	throttle := NewThrottle(time.Minute, 5, clock)
	write := func(d Difference) bool {
		clock.Step(200 * time.Millisecond)
		if !throttle.Allows(named("a"), d) {
			return false
		}
		throttle.SetWritten(named("a"))
		return true
	}
	moved, crossed := Difference{Counted: true, percent: 3}, Difference{Counted: true, percent: 1, crossed: true}
	if !write(moved) {
		t.Error("the first counts wait")
	}
	if write(moved) {
		t.Error("the next ones do not")
	}
	if _, held := throttle.Wait(named("a")); !held {
		t.Error("they do not come back by themselves")
	}
	if !write(crossed) {
		t.Error("a mark that is crossed waits")
	}
	clock.Step(time.Minute - 300*time.Millisecond)
	if write(moved) {
		t.Error("they are written within the minute")
	}
	if !write(moved) {
		t.Error("a minute later they wait")
	}
}

// All resources together are written so often a second, those first that changed most, and each in the end.
func TestAllCountsTogetherAreThrottled(t *testing.T) {
	clock := testingclock.NewFakeClock(beginning)
	throttle := NewThrottle(time.Minute, 5, clock)
	var queue []lookup.Key
	throttle.Subscribe("PhoneNumber", func(of lookup.Key) { queue = append(queue, of) })
	turns := func() (names []string) {
		throttle.grant()
		for _, of := range queue {
			if !throttle.Allows(of, Difference{Counted: true}) {
				t.Errorf("%s has its turn and is not let through", of.Name)
			}
			throttle.SetWritten(of)
			names = append(names, of.Name)
		}
		queue = nil
		return names
	}
	throttle.next = beginning.Add(time.Second)
	for name, d := range map[string]Difference{"little": {Counted: true, percent: 0.1}, "much": {Counted: true, percent: 20},
		"more": {Counted: true, percent: 40}, "crossed": {Counted: true, percent: 0.1, crossed: true}} {
		throttle.Allows(named(name), d)
	}
	if got := turns(); len(got) > 0 {
		t.Errorf("before there is a turn: %v", got)
	}
	var order []string
	clock.Step(time.Second)
	for range 4 {
		got := turns()
		if len(got) != 1 {
			t.Fatalf("at one instant %v have their turn", got)
		}
		order = append(order, got...)
		clock.Step(200 * time.Millisecond)
	}
	if want := []string{"crossed", "more", "much", "little"}; !slices.Equal(order, want) {
		t.Errorf("the turns are %v, not %v", order, want)
	}

	// Far more change more, each of them every minute: who changed little has a turn all the same.
	throttle.Allows(named("little"), Difference{Counted: true, percent: 0.01})
	for second := range 3600 {
		for i := range 10 {
			throttle.Allows(named(fmt.Sprint("busy-", second%60, "-", i)), Difference{Counted: true, percent: 20})
		}
		for range 5 {
			if slices.Contains(turns(), "little") {
				if second < 60 {
					t.Errorf("it has its turn after %d s, before those that change more", second)
				}
				return
			}
			clock.Step(200 * time.Millisecond)
		}
	}
	t.Error("for an hour it has no turn")
}

// It sleeps until the next turn, and wakes for what is new.
func TestTheThrottleWakesForATurn(t *testing.T) {
	clock := testingclock.NewFakeClock(beginning)
	throttle := NewThrottle(time.Minute, 5, clock)
	queue := make(chan lookup.Key, 1)
	throttle.Subscribe("PhoneNumber", func(of lookup.Key) { queue <- of })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- throttle.Start(ctx) }()
	throttle.SetWritten(named("a"))
	throttle.Allows(named("a"), Difference{Counted: true, percent: 1})
	for !clock.HasWaiters() {
		time.Sleep(time.Millisecond)
	}
	if len(queue) > 0 {
		t.Error("it has its turn within the minute")
	}
	clock.Step(time.Minute)
	if of := <-queue; of.Name != "a" {
		t.Errorf("it is the turn of %s", of.Name)
	}
	throttle.Forget(named("a"))
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(throttle.written)+len(throttle.held)+len(throttle.granted) > 0 {
		t.Error("what is gone is remembered")
	}
}

// Used crosses a mark at 50, 80, 90, 95 and 100 % of the limit, upwards at once and downwards once it is a percent below.
func TestMarks(t *testing.T) {
	for _, test := range []struct {
		Before, after, limit int64
		crossed              bool
	}{
		{499, 500, 1000, true}, {500, 501, 1000, false}, {501, 500, 1000, false}, {500, 499, 1000, false}, {500, 490, 1000, false}, {500, 489, 1000, true},
		{700, 800, 1000, true}, {800, 899, 1000, false}, {899, 900, 1000, true}, {900, 950, 1000, true}, {950, 999, 1000, false}, {999, 1000, 1000, true},
		{1000, 999, 1000, false}, {1000, 0, 1000, true}, {3, 4, 5, true}, {124, 125, 250, true}, {5, 5000, rules.Unlimited, false},
	} {
		d := Differ(Parts{Used: &test.Before, Limit: test.limit}, Parts{Used: &test.after, Limit: test.limit})
		if d.crossed != test.crossed {
			t.Errorf("from %d to %d of %d a mark is crossed: %t", test.Before, test.after, test.limit, d.crossed)
		}
	}
	if d := Differ(Parts{Limit: 10}, Parts{Used: new(int64(1)), Limit: 10}); !d.crossed {
		t.Error("a count that is known now is no news")
	}
}
