package controllers

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

func named(name string) resource { return resource{"PhoneNumber", types.NamespacedName{Name: name}} }

// The counts of one resource are written once in a period, and at once where a mark is crossed.
func TestTheCountsOfOneResourceAreThrottled(t *testing.T) {
	clock := testingclock.NewFakeClock(start)
	throttle := NewThrottle(time.Minute, 5, clock)
	write := func(d difference) bool {
		clock.Step(200 * time.Millisecond)
		if !throttle.lets(named("a"), d) {
			return false
		}
		throttle.wrote(named("a"))
		return true
	}
	moved, crossed := difference{counted: true, percent: 3}, difference{counted: true, percent: 1, crossed: true}
	if !write(moved) {
		t.Error("the first counts wait")
	}
	if write(moved) {
		t.Error("the next ones do not")
	}
	if _, held := throttle.wait(named("a")); !held {
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
	clock := testingclock.NewFakeClock(start)
	throttle := NewThrottle(time.Minute, 5, clock)
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer queue.ShutDown()
	if err := throttle.source("PhoneNumber").Start(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	turns := func() (names []string) {
		throttle.grant()
		for queue.Len() > 0 {
			r, _ := queue.Get()
			queue.Done(r)
			of := resource{"PhoneNumber", r.NamespacedName}
			if !throttle.lets(of, difference{counted: true}) {
				t.Errorf("%s has its turn and is not let through", r.Name)
			}
			throttle.wrote(of)
			names = append(names, r.Name)
		}
		return names
	}
	throttle.next = start.Add(time.Second)
	for name, d := range map[string]difference{"little": {counted: true, percent: 0.1}, "much": {counted: true, percent: 20},
		"more": {counted: true, percent: 40}, "crossed": {counted: true, percent: 0.1, crossed: true}} {
		throttle.lets(named(name), d)
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
	throttle.lets(named("little"), difference{counted: true, percent: 0.01})
	for second := range 3600 {
		for i := range 10 {
			throttle.lets(named(fmt.Sprint("busy-", second%60, "-", i)), difference{counted: true, percent: 20})
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
	clock := testingclock.NewFakeClock(start)
	throttle := NewThrottle(time.Minute, 5, clock)
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	if err := throttle.source("PhoneNumber").Start(t.Context(), queue); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- throttle.Start(ctx) }()
	throttle.wrote(named("a"))
	throttle.lets(named("a"), difference{counted: true, percent: 1})
	for !clock.HasWaiters() {
		time.Sleep(time.Millisecond)
	}
	if queue.Len() > 0 {
		t.Error("it has its turn within the minute")
	}
	clock.Step(time.Minute)
	if r, _ := queue.Get(); r.Name != "a" { // waits
		t.Errorf("it is the turn of %s", r.Name)
	}
	throttle.gone(named("a"))
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
		before, after, limit int64
		crossed              bool
	}{
		{499, 500, 1000, true}, {500, 501, 1000, false}, {501, 500, 1000, false}, {500, 499, 1000, false}, {500, 490, 1000, false}, {500, 489, 1000, true},
		{700, 800, 1000, true}, {800, 899, 1000, false}, {899, 900, 1000, true}, {900, 950, 1000, true}, {950, 999, 1000, false}, {999, 1000, 1000, true},
		{1000, 999, 1000, false}, {1000, 0, 1000, true}, {3, 4, 5, true}, {124, 125, 250, true}, {5, 5000, rules.Unlimited, false},
	} {
		d := differ(parts{used: &test.before, limit: test.limit}, parts{used: &test.after, limit: test.limit})
		if d.crossed != test.crossed {
			t.Errorf("from %d to %d of %d a mark is crossed: %t", test.before, test.after, test.limit, d.crossed)
		}
	}
	if d := differ(parts{limit: 10}, parts{used: new(int64(1)), limit: 10}); !d.crossed {
		t.Error("a count that is known now is no news")
	}
}

// A decision is written at once, whatever the throttle holds back, and is the same as if each count had been written.
func TestDecisionsAreNotHeldBack(t *testing.T) {
	b := newBench(t)
	real := testingclock.NewFakeClock(start)
	b.Throttle = NewThrottle(time.Minute, 5, real)
	number := b.create("netcore")
	b.reconcile(number)
	b.clock.advance(time.Hour)
	b.deliver(number.Spec.PhoneNumber, 100)
	b.reconcile(number)
	written := func() float64 { return testutil.ToFloat64(b.Metrics.writes.WithLabelValues("written", "counts")) }
	before := written()
	for range 8 {
		b.clock.advance(time.Second)
		b.deliver(number.Spec.PhoneNumber, 1)
		b.reconcile(number)
	}
	if got := written(); got != before || *number.Status.Usage.Used != 100 {
		t.Errorf("within a minute the counts are written %v times, and %d used are shown", got-before, *number.Status.Usage.Used)
	}
	b.report(number.Spec.PhoneNumber, report.Quality, "Low")
	b.reconcile(number)
	if number.Status.State != v1alpha1.StateFlagged || *number.Status.Usage.Used != 108 {
		t.Errorf("a decision is held back: %s, with %d used", number.Status.State, *number.Status.Usage.Used)
	}
	b.clock.advance(time.Hour)
	b.deliver(number.Spec.PhoneNumber, 392)
	b.reconcile(number)
	if *number.Status.Usage.Used != 500 {
		t.Errorf("a half of the limit is held back: %d used are shown", *number.Status.Usage.Used)
	}
	// Counts that were held back lose no decision: it has its own instant.
	at := b.clock.Now().Add(6 * time.Minute)
	for range 12 {
		b.clock.advance(time.Minute)
		b.deliver(number.Spec.PhoneNumber, 50)
		b.reconcile(number)
	}
	if number.Status.State != v1alpha1.StateRestricted || !number.Status.Restriction.SinceTime.After(at) {
		t.Errorf("at its limit it is %s since %s", number.Status.State, number.Status.Restriction.SinceTime)
	}
}

// A number of a portfolio that sends nothing is not written while the others send.
func TestANumberThatSendsNothingIsNotWrittenForItsPortfolio(t *testing.T) {
	f := newFleet(t)
	a, b := f.number(), f.number()
	f.settle()
	f.deliver(a.Spec.PhoneNumber, 1)
	f.settle()
	version := b.ResourceVersion
	for range 20 {
		f.clock.advance(time.Minute)
		f.deliver(a.Spec.PhoneNumber, 10)
		f.settle()
	}
	if *f.portfolio.Status.Usage.Used != 201 || *a.Status.Usage.OwnUsed != 201 {
		t.Fatalf("the portfolio shows %d used", *f.portfolio.Status.Usage.Used)
	}
	if b.ResourceVersion != version {
		t.Error("it is written for what another sends")
	}
	f.clock.advance(time.Minute)
	f.deliver(a.Spec.PhoneNumber, 49)
	f.settle()
	if b.ResourceVersion == version || b.Status.State != v1alpha1.StateRestricted || *b.Status.Usage.Remaining != 0 {
		t.Errorf("where the limit that it shares is reached it shows %s", b.Status.State)
	}
}
