package controllers_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Status, condition and metrics say the same of what may be sent now: nothing, with the reason, whenever nothing may be.
func TestWhatRemains(t *testing.T) {
	for _, test := range []struct {
		name   string
		happen func(b *controllertest.Bench, n *v1alpha1.PhoneNumber)
		remain int64
		reason string
		until  time.Duration // after the start
	}{
		{name: "42 of 250", happen: func(*controllertest.Bench, *v1alpha1.PhoneNumber) {}, remain: 208, reason: v1alpha1.ReasonBelowLimit},
		{name: "the limit is reached", happen: func(b *controllertest.Bench, n *v1alpha1.PhoneNumber) { b.Deliver(n.Spec.PhoneNumber, 300) },
			reason: "LimitReached", until: 24*time.Hour - 207*time.Second},
		{name: "blocked", happen: func(b *controllertest.Bench, n *v1alpha1.PhoneNumber) {
			b.Report(n.Spec.PhoneNumber, report.Connection, "Blocked")
		}, reason: "Blocked"},
		{name: "offline", happen: func(b *controllertest.Bench, n *v1alpha1.PhoneNumber) {
			b.Report(n.Spec.PhoneNumber, report.Connection, "Offline")
		}, reason: "Offline"},
		{name: "pending", happen: func(b *controllertest.Bench, n *v1alpha1.PhoneNumber) {
			b.Report(n.Spec.PhoneNumber, report.Connection, "Pending")
		}, reason: "Pending"},
		{name: "restricted by Meta's word", happen: func(b *controllertest.Bench, n *v1alpha1.PhoneNumber) {
			b.Report(n.Spec.PhoneNumber, report.Connection, "Restricted")
		}, reason: "LimitReached"},
		{name: "suspended", happen: func(b *controllertest.Bench, n *v1alpha1.PhoneNumber) {
			n.Spec.Activity = v1alpha1.Suspended
			b.Must(b.Client.Update(b.Ctx, n))
		}, reason: "Suspended"},
		{name: "without a policy", happen: func(b *controllertest.Bench, n *v1alpha1.PhoneNumber) {
			n.Spec.PolicyName = "there-is-none"
			b.Must(b.Client.Update(b.Ctx, n))
		}, reason: "NotReady"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := controllertest.New(t)
			number := b.Create("taqnyat")
			b.Deliver(number.Spec.PhoneNumber, 42)
			b.Evaluate(number)
			test.happen(b, number)
			b.EvaluateUntil(number, func() bool {
				c := meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionSendable)
				return c != nil && c.Reason == test.reason && c.Status == map[bool]metav1.ConditionStatus{true: metav1.ConditionTrue, false: metav1.ConditionFalse}[test.remain > 0]
			})
			usage := &number.Status.Usage
			until := time.Duration(0)
			if !usage.SendableTime.IsZero() {
				until = usage.SendableTime.Sub(controllertest.Start)
			}
			if *usage.Remaining != test.remain || until != test.until {
				t.Errorf("%d remain until %s after the start, want %d and %s", *usage.Remaining, until, test.remain, test.until)
			}
			b.Gauged(number.Name, test.remain)
		})
	}
}

// A number that nobody limits has a figure all the same: autoscalers read an absent one as 0.
func TestAnUnlimitedNumberHasAFigure(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("taqnyat")
	if got := b.Gauges(number.Name); got["phone_number_remaining"] != 0 || got["phone_number_sendable"] != 0 || got["phone_number_unlimited"] != 0 {
		t.Errorf("before the operator has looked at it: %v", got)
	}
	b.Report(number.Spec.PhoneNumber, report.Limit, "Unlimited")
	b.Evaluate(number)
	if number.Status.Usage.Remaining != nil {
		t.Errorf("%d remain where nothing limits it", *number.Status.Usage.Remaining)
	}
	b.Gauged(number.Name, 2147483647)
	if got := b.Gauges(number.Name); got["phone_number_unlimited"] != 1 || got["phone_number_reserved"] != 0 {
		t.Errorf("%v", got)
	}
	b.Report(number.Spec.PhoneNumber, report.Connection, "Offline")
	b.Evaluate(number)
	if *number.Status.Usage.Remaining != 0 {
		t.Errorf("%d remain while it is offline", *number.Status.Usage.Remaining)
	}
	b.Gauged(number.Name, 0)
}

// A portfolio has room while one of its numbers can send, and each of them has none while it cannot itself.
func TestWhatRemainsOfAPortfolio(t *testing.T) {
	f := controllertest.NewFleet(t)
	a, b := f.Number(), f.Number()
	f.Settle()
	f.Deliver(a.Spec.PhoneNumber, 100)
	f.Deliver(b.Spec.PhoneNumber, 1) // its status is written for counts of its own
	f.Settle()
	check := func(what string, ofA, ofB, together int64, reason string) {
		t.Helper()
		f.FakeClock.Advance(time.Minute)
		f.Settle()
		for _, resource := range []struct {
			what          string
			usage         *v1alpha1.UsageStatus
			setConditions []metav1.Condition
			want          int64
		}{{"a", &a.Status.Usage, a.Status.Conditions, ofA}, {"b", &b.Status.Usage, b.Status.Conditions, ofB},
			{"the portfolio", &f.Portfolio.Status.Usage, f.Portfolio.Status.Conditions, together}} {
			remaining := rules.NoLimit
			if resource.usage.Remaining != nil {
				remaining = *resource.usage.Remaining
			}
			if remaining != resource.want || meta.IsStatusConditionTrue(resource.setConditions, v1alpha1.ConditionSendable) != (resource.want > 0) {
				t.Errorf("%s: of %s %d remain, want %d: %+v", what, resource.what, remaining, resource.want, resource.setConditions)
			}
		}
		if c := meta.FindStatusCondition(f.Portfolio.Status.Conditions, v1alpha1.ConditionSendable); c.Reason != reason {
			t.Errorf("%s: the portfolio says %s, want %s", what, c.Reason, reason)
		}
		f.Gauged(a.Name, ofA)
		f.Gauged(b.Name, ofB)
		if got := f.Gauges(f.Portfolio.Name); got["portfolio_remaining"] != float64(together) {
			t.Errorf("%s: the metrics of the portfolio say %v, want %d", what, got, together)
		}
	}
	check("both can send", 149, 149, 149, v1alpha1.ReasonBelowLimit)
	f.Report(a.Spec.PhoneNumber, report.Connection, "Blocked")
	check("one is blocked", 0, 149, 149, v1alpha1.ReasonBelowLimit)
	f.Report(b.Spec.PhoneNumber, report.Connection, "Offline")
	check("neither can", 0, 0, 0, "Blocked")
	f.Report(b.Spec.PhoneNumber, report.Connection, "Connected")
	check("one is back", 0, 149, 149, v1alpha1.ReasonBelowLimit)
	f.Deliver(b.Spec.PhoneNumber, 200)
	check("the limit is reached", 0, 0, 0, "LimitReached")
	f.Report(lookup.PortfolioSubject(f.Portfolio).String(), report.Limit, "Unlimited")
	check("there is no limit, and one can send", 0, rules.NoLimit, rules.NoLimit, v1alpha1.ReasonUnlimited)
}
