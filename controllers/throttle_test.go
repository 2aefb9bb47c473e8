package controllers_test

import (
	"math"
	"testing"
	"time"

	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/fleet"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/throttle"
	"numberfleet.dev/numberfleet/internal/report"
)

// A decision is written at once, whatever the throttle holds back, and is the same as if each count had been written.
func TestDecisionsAreNotHeldBack(t *testing.T) {
	b := controllertest.New(t)
	real := testingclock.NewFakeClock(controllertest.Start)
	b.Throttle = throttle.NewThrottle(time.Minute, 5, real)
	number := b.Create("netcore")
	b.Evaluate(number)
	b.FakeClock.Advance(time.Hour)
	b.Deliver(number.Spec.PhoneNumber, 100)
	b.Evaluate(number)
	written := func() float64 {
		return b.Metric("numberfleet_status_writes_total", "for", "counts", "result", "written")
	}
	before := written()
	for range 8 {
		b.FakeClock.Advance(time.Second)
		b.Deliver(number.Spec.PhoneNumber, 1)
		b.Evaluate(number)
	}
	if got := written(); got != before || *number.Status.Usage.Used != 100 {
		t.Errorf("within a minute the counts are written %v times, and %d used are shown", got-before, *number.Status.Usage.Used)
	}
	b.Report(number.Spec.PhoneNumber, report.Quality, "Low")
	b.Evaluate(number)
	if number.Status.State != v1alpha1.StateFlagged || *number.Status.Usage.Used != 108 {
		t.Errorf("a decision is held back: %s, with %d used", number.Status.State, *number.Status.Usage.Used)
	}
	b.FakeClock.Advance(time.Hour)
	b.Deliver(number.Spec.PhoneNumber, 392)
	b.Evaluate(number)
	if *number.Status.Usage.Used != 500 {
		t.Errorf("a half of the limit is held back: %d used are shown", *number.Status.Usage.Used)
	}
	// Counts that were held back lose no decision: it has its own instant.
	at := b.FakeClock.Now().Add(6 * time.Minute)
	for range 12 {
		b.FakeClock.Advance(time.Minute)
		b.Deliver(number.Spec.PhoneNumber, 50)
		b.Evaluate(number)
	}
	if number.Status.State != v1alpha1.StateRestricted || !number.Status.Restriction.SinceTime.After(at) {
		t.Errorf("at its limit it is %s since %s", number.Status.State, number.Status.Restriction.SinceTime)
	}
}

// A number of a portfolio that sends nothing is not written while the others send.
func TestANumberThatSendsNothingIsNotWrittenForItsPortfolio(t *testing.T) {
	f := controllertest.NewFleet(t)
	a, b := f.Number(), f.Number()
	f.Settle()
	f.Deliver(a.Spec.PhoneNumber, 1)
	f.Settle()
	version := b.ResourceVersion
	for range 20 {
		f.FakeClock.Advance(time.Minute)
		f.Deliver(a.Spec.PhoneNumber, 10)
		f.Settle()
	}
	if *f.Portfolio.Status.Usage.Used != 201 || *a.Status.Usage.OwnUsed != 201 {
		t.Fatalf("the portfolio shows %d used", *f.Portfolio.Status.Usage.Used)
	}
	if b.ResourceVersion != version {
		t.Error("it is written for what another sends")
	}
	f.FakeClock.Advance(time.Minute)
	f.Deliver(a.Spec.PhoneNumber, 49)
	f.Settle()
	if b.ResourceVersion == version || b.Status.State != v1alpha1.StateRestricted || *b.Status.Usage.Remaining != 0 {
		t.Errorf("where the limit that it shares is reached it shows %s", b.Status.State)
	}
}

// What is held is a count: that senders take the last place of a limit and give it back is not written each time, neither on the portfolio nor
// on its numbers. A number that sends nothing is not written for what others hold.
func TestHoldsAreNotDecisions(t *testing.T) {
	f := controllertest.NewFleet(t)
	real := testingclock.NewFakeClock(controllertest.Start)
	f.Throttle = throttle.NewThrottle(time.Minute, math.Inf(1), real)
	a, b := f.Number(), f.Number()
	f.Settle()
	real.Step(time.Minute)
	f.Reserve(a, 249)
	f.Settle()
	if *a.Status.Usage.OwnReserved != 249 || *f.Portfolio.Status.Usage.Reserved != 249 {
		t.Fatalf("%d are reserved, %d by the number itself", *f.Portfolio.Status.Usage.Reserved, *a.Status.Usage.OwnReserved)
	}
	running := &fleet.Reconciler{Operator: f.Operator}
	reconcile := func() { // as in the operator: with what has moved
		f.FakeClock.Advance(time.Second)
		running.Receive(f.Ctx, nowhere{}, a.Spec.PhoneNumber)
		if _, err := running.Reconcile(f.Ctx, lookup.PortfolioKey(f.Portfolio.Name)); err != nil {
			t.Fatal(err)
		}
		for _, object := range []client.Object{a, b, f.Portfolio} {
			f.Must(f.Direct.Get(f.Ctx, client.ObjectKeyFromObject(object), object))
		}
	}
	reconcile()
	versions := func() [3]string {
		return [...]string{a.ResourceVersion, b.ResourceVersion, f.Portfolio.ResourceVersion}
	}
	before := versions()
	for range 5 {
		real.Step(time.Second)
		last := f.Reserve(a, 1)
		reconcile()
		f.Release(last)
		reconcile()
	}
	if versions() != before {
		t.Errorf("from %v to %v they are written for the last place", before, versions())
	}
	f.Reserve(a, 1)
	real.Step(time.Minute)
	reconcile()
	after := versions()
	if after[0] == before[0] || after[2] == before[2] || *a.Status.Usage.Remaining != 0 {
		t.Errorf("a minute later the number shows that %d remain", *a.Status.Usage.Remaining)
	}
	if after[1] != before[1] {
		t.Errorf("the other number is written, with %d reserved", *b.Status.Usage.Reserved)
	}
}

// nowhere is a queue for a test that reconciles by itself.
type nowhere struct{}

func (nowhere) Add(lookup.Key) {}
