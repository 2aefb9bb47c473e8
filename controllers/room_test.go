package controllers

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// gauges are the values of the fleet's metrics about the resource of that name, without "numberfleet_".
func (b *bench) gauges(name string) map[string]float64 {
	b.t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(&Fleet{Numbers: b.Client, Ledger: b.Ledger, Samples: b.Samples, Clock: b.clock})
	families, err := registry.Gather()
	b.must(err)
	values := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "name" && label.GetValue() == name {
					values[family.GetName()[len("numberfleet_"):]] = metric.GetGauge().GetValue()
				}
			}
		}
	}
	return values
}

// Status, condition and metrics say the same of what may be sent now: nothing, with the reason, whenever nothing may be.
func TestWhatRemains(t *testing.T) {
	for _, test := range []struct {
		name   string
		happen func(b *bench, n *v1alpha1.PhoneNumber)
		remain int64
		reason string
		until  time.Duration // after the start
	}{
		{name: "42 of 250", happen: func(*bench, *v1alpha1.PhoneNumber) {}, remain: 208, reason: v1alpha1.ReasonBelowLimit},
		{name: "the limit is reached", happen: func(b *bench, n *v1alpha1.PhoneNumber) { b.deliver(n.Spec.PhoneNumber, 300) },
			reason: "LimitReached", until: 24*time.Hour - 207*time.Second},
		{name: "blocked", happen: func(b *bench, n *v1alpha1.PhoneNumber) {
			b.report(n.Spec.PhoneNumber, report.Connection, "Blocked")
		}, reason: "Blocked"},
		{name: "offline", happen: func(b *bench, n *v1alpha1.PhoneNumber) {
			b.report(n.Spec.PhoneNumber, report.Connection, "Offline")
		}, reason: "Offline"},
		{name: "pending", happen: func(b *bench, n *v1alpha1.PhoneNumber) {
			b.report(n.Spec.PhoneNumber, report.Connection, "Pending")
		}, reason: "Pending"},
		{name: "restricted by Meta's word", happen: func(b *bench, n *v1alpha1.PhoneNumber) {
			b.report(n.Spec.PhoneNumber, report.Connection, "Restricted")
		}, reason: "LimitReached"},
		{name: "suspended", happen: func(b *bench, n *v1alpha1.PhoneNumber) {
			n.Spec.Activity = v1alpha1.Suspended
			b.must(b.Client.Update(b.ctx, n))
		}, reason: "Suspended"},
		{name: "without a policy", happen: func(b *bench, n *v1alpha1.PhoneNumber) {
			n.Spec.PolicyName = "there-is-none"
			b.must(b.Client.Update(b.ctx, n))
		}, reason: "NotReady"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t)
			number := b.create("taqnyat")
			b.deliver(number.Spec.PhoneNumber, 42)
			b.reconcile(number)
			test.happen(b, number)
			b.reconcileUntil(number, func() bool {
				c := meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionSendable)
				return c != nil && c.Reason == test.reason && c.Status == map[bool]metav1.ConditionStatus{true: metav1.ConditionTrue, false: metav1.ConditionFalse}[test.remain > 0]
			})
			usage := &number.Status.Usage
			until := time.Duration(0)
			if !usage.SendableTime.IsZero() {
				until = usage.SendableTime.Sub(start)
			}
			if *usage.Remaining != test.remain || until != test.until {
				t.Errorf("%d remain until %s after the start, want %d and %s", *usage.Remaining, until, test.remain, test.until)
			}
			b.gauged(number.Name, test.remain)
		})
	}
}

// gauged holds that the metrics of a number say so as well.
func (b *bench) gauged(name string, remain int64) {
	b.t.Helper()
	sendable := 0.0
	if remain > 0 {
		sendable = 1
	}
	var got map[string]float64
	for range 100 { // the cache follows
		got = b.gauges(name)
		if got["phone_number_remaining"] == float64(remain) && got["phone_number_sendable"] == sendable {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.t.Errorf("the metrics say %v, want %d", got, remain)
}

// A number that nobody limits has a figure all the same: autoscalers read an absent one as 0.
func TestAnUnlimitedNumberHasAFigure(t *testing.T) {
	b := newBench(t)
	number := b.create("taqnyat")
	if got := b.gauges(number.Name); got["phone_number_remaining"] != 0 || got["phone_number_sendable"] != 0 || got["phone_number_unlimited"] != 0 {
		t.Errorf("before the operator has looked at it: %v", got)
	}
	b.report(number.Spec.PhoneNumber, report.Limit, "Unlimited")
	b.reconcile(number)
	if number.Status.Usage.Remaining != nil {
		t.Errorf("%d remain where nothing limits it", *number.Status.Usage.Remaining)
	}
	b.gauged(number.Name, 2147483647)
	if got := b.gauges(number.Name); got["phone_number_unlimited"] != 1 || got["phone_number_reserved"] != 0 {
		t.Errorf("%v", got)
	}
	b.report(number.Spec.PhoneNumber, report.Connection, "Offline")
	b.reconcile(number)
	if *number.Status.Usage.Remaining != 0 {
		t.Errorf("%d remain while it is offline", *number.Status.Usage.Remaining)
	}
	b.gauged(number.Name, 0)
}

// A portfolio has room while one of its numbers can send, and each of them has none while it cannot itself.
func TestWhatRemainsOfAPortfolio(t *testing.T) {
	f := newFleet(t)
	a, b := f.number(), f.number()
	f.settle()
	f.deliver(a.Spec.PhoneNumber, 100)
	f.deliver(b.Spec.PhoneNumber, 1) // its status is written for counts of its own
	f.settle()
	check := func(what string, ofA, ofB, together int64, reason string) {
		t.Helper()
		f.clock.advance(time.Minute)
		f.settle()
		for _, resource := range []struct {
			what       string
			usage      *v1alpha1.UsageStatus
			conditions []metav1.Condition
			want       int64
		}{{"a", &a.Status.Usage, a.Status.Conditions, ofA}, {"b", &b.Status.Usage, b.Status.Conditions, ofB},
			{"the portfolio", &f.portfolio.Status.Usage, f.portfolio.Status.Conditions, together}} {
			remaining := rules.NoLimit
			if resource.usage.Remaining != nil {
				remaining = *resource.usage.Remaining
			}
			if remaining != resource.want || meta.IsStatusConditionTrue(resource.conditions, v1alpha1.ConditionSendable) != (resource.want > 0) {
				t.Errorf("%s: of %s %d remain, want %d: %+v", what, resource.what, remaining, resource.want, resource.conditions)
			}
		}
		if c := meta.FindStatusCondition(f.portfolio.Status.Conditions, v1alpha1.ConditionSendable); c.Reason != reason {
			t.Errorf("%s: the portfolio says %s, want %s", what, c.Reason, reason)
		}
		f.gauged(a.Name, ofA)
		f.gauged(b.Name, ofB)
		if got := f.gauges(f.portfolio.Name); got["portfolio_remaining"] != float64(together) {
			t.Errorf("%s: the metrics of the portfolio say %v, want %d", what, got, together)
		}
	}
	check("both can send", 149, 149, 149, v1alpha1.ReasonBelowLimit)
	f.report(a.Spec.PhoneNumber, report.Connection, "Blocked")
	check("one is blocked", 0, 149, 149, v1alpha1.ReasonBelowLimit)
	f.report(b.Spec.PhoneNumber, report.Connection, "Offline")
	check("neither can", 0, 0, 0, "Blocked")
	f.report(b.Spec.PhoneNumber, report.Connection, "Connected")
	check("one is back", 0, 149, 149, v1alpha1.ReasonBelowLimit)
	f.deliver(b.Spec.PhoneNumber, 200)
	check("the limit is reached", 0, 0, 0, "LimitReached")
	f.report(portfolioSubject(f.portfolio).String(), report.Limit, "Unlimited")
	check("there is no limit, and one can send", 0, rules.NoLimit, rules.NoLimit, v1alpha1.ReasonUnlimited)
}
