package controllers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
)

// usageIs fails unless so much is used, reserved and left, in a status and in the metrics of a number.
func usageIs(b *controllertest.Bench, n *v1alpha1.PhoneNumber, used, reserved, own, remaining int64) {
	b.T.Helper()
	u := &n.Status.Usage
	if *u.Used != used || *u.Reserved != reserved || *u.OwnReserved != own || *u.Remaining != remaining {
		b.T.Errorf("used %d, reserved %d, own %d, remaining %d; not %d, %d, %d, %d", *u.Used, *u.Reserved, *u.OwnReserved, *u.Remaining, used, reserved, own, remaining)
	}
	b.Gauged(n.Name, remaining)
	if got := b.Gauges(n.Name); got["phone_number_reserved"] != float64(reserved) || got["phone_number_own_reserved"] != float64(own) {
		b.T.Errorf("the metrics say %v", got)
	}
}

// What is held shows as reserved and does not remain. It is given back by a release, and turns into used by a delivery.
func TestWhatIsHeldDoesNotRemain(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("taqnyat")
	b.Deliver(number.Spec.PhoneNumber, 42)
	b.Evaluate(number)
	usageIs(b, number, 42, 0, 0, 208)

	held := b.Reserve(number, 5)
	b.Evaluate(number)
	usageIs(b, number, 42, 5, 5, 203)
	if !slices.ContainsFunc(number.Status.Explanation, func(s string) bool {
		return strings.Contains(s, "42 of 250 are used, 5 are held for messages that are under way, and 203 remain.")
	}) {
		t.Errorf("the explanation does not say what is held: %q", number.Status.Explanation)
	}

	b.Release(held[:2])
	b.Evaluate(number)
	usageIs(b, number, 42, 3, 3, 205)

	b.DeliverTo(number.Spec.PhoneNumber, held[2].ID)
	b.Evaluate(number)
	usageIs(b, number, 43, 2, 2, 205)
}

// The numbers of a portfolio hold places of one limit. Each shows what all hold, and what it holds itself.
func TestWhatIsHeldOfASharedLimit(t *testing.T) {
	f := controllertest.NewFleet(t)
	a, b := f.Number(), f.Number()
	f.Settle()
	f.Reserve(a, 10)
	f.Reserve(b, 4)
	f.At(time.Second)
	usageIs(f.Bench, a, 0, 14, 10, 236)
	usageIs(f.Bench, b, 0, 14, 4, 236)
	if p := f.Portfolio.Status.Usage; *p.Reserved != 14 || *p.Remaining != 236 || p.OwnReserved != nil {
		t.Errorf("the portfolio: %+v", p)
	}
	if got := f.Gauges(f.Portfolio.Name); got["portfolio_reserved"] != 14 || got["portfolio_remaining"] != 236 {
		t.Errorf("the metrics of the portfolio say %v", got)
	}
}

// While all that is left is held, nothing may be sent to further users, though the limit is not reached. A number of a portfolio that rests
// sees that others let go of it.
func TestAllThatIsLeftIsHeld(t *testing.T) {
	f := controllertest.NewFleet(t)
	number := f.Number()
	f.Settle()
	f.Deliver(number.Spec.PhoneNumber, 200)
	held := f.Reserve(number, 60)
	if got := controllertest.Granted(held); got != 50 {
		t.Fatalf("%d places were granted, of 50", got)
	}
	f.At(time.Second)
	for _, conditions := range [...]*v1alpha1.CommonStatus{&number.Status.CommonStatus, &f.Portfolio.Status.CommonStatus} {
		if c := meta.FindStatusCondition(conditions.Conditions, v1alpha1.ConditionSendable); c.Reason != "LimitReached" || !strings.Contains(c.Message, "or held") {
			t.Errorf("%+v", c)
		}
		if c := meta.FindStatusCondition(conditions.Conditions, v1alpha1.ConditionRestricted); c.Reason != v1alpha1.ReasonBelowLimit {
			t.Errorf("%+v", c)
		}
	}
	usageIs(f.Bench, number, 200, 50, 50, 0)
	if again := f.Reconcile(lookup.PortfolioKey(f.Portfolio.Name)); again.RequeueAfter == 0 || again.RequeueAfter > time.Minute {
		t.Errorf("it comes back after %s, not within a minute", again.RequeueAfter)
	}
	f.Release(held)
	f.At(time.Second)
	usageIs(f.Bench, number, 200, 0, 0, 50)
}

// What a sender let lapse is given back without a reconcile that anyone asked for.
func TestAHoldEndsByItself(t *testing.T) {
	f := controllertest.NewFleet(t, func(s *v1alpha1.BusinessPortfolioSpec) { s.Unconfirmed = v1alpha1.ReleaseUnconfirmed })
	number := f.Number()
	f.Settle()
	run(f)
	f.Reserve(number, 7)
	f.Eventually(number, "seven places are held", func() bool { return *number.Status.Usage.Reserved == 7 })
	f.FakeClock.Advance(11 * time.Minute)
	f.Must(f.Ledger.Expire(f.FakeClock.Now()))
	f.Eventually(number, "none is held", func() bool { return *number.Status.Usage.Reserved == 0 })
}
