package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	testingclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	applyv1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

func TestNewNumberIsConnectedAtItsStartTierAndReady(t *testing.T) {
	b := newBench(t)
	number := b.create("taqnyat")
	if number.Status.ObservedGeneration != -1 {
		t.Errorf("before the first reconcile observedGeneration is %d: kstatus would take the number for current", number.Status.ObservedGeneration)
	}
	if result := b.reconcile(number); result.RequeueAfter != 0 {
		t.Errorf("a number without deadlines wakes after %s", result.RequeueAfter)
	}
	s := number.Status
	if s.State != v1alpha1.StateConnected || s.Tier.Name != "0" || s.Tier.Limit != 250 || s.Quality.Rating != v1alpha1.QualityUnknown {
		t.Errorf("it is %s on tier %s (%d) with quality %s", s.State, s.Tier.Name, s.Tier.Limit, s.Quality.Rating)
	}
	if *s.Usage.Used != 0 || *s.Usage.Remaining != 250 || s.Upgrade.NextTier != "1" || s.Upgrade.Required != 500 {
		t.Errorf("usage is %+v, upgrade %+v", s.Usage, s.Upgrade)
	}
	if s.ObservedGeneration != number.Generation {
		t.Errorf("observedGeneration is %d, not %d", s.ObservedGeneration, number.Generation)
	}
	for condition, want := range map[string]metav1.ConditionStatus{
		v1alpha1.ConditionReady: metav1.ConditionTrue, v1alpha1.ConditionFlagged: metav1.ConditionFalse,
		v1alpha1.ConditionRestricted: metav1.ConditionFalse, v1alpha1.ConditionUsageFresh: metav1.ConditionUnknown,
	} {
		c := meta.FindStatusCondition(s.Conditions, condition)
		if c == nil || c.Status != want || c.ObservedGeneration != number.Generation || !c.LastTransitionTime.Time.Equal(start) {
			t.Errorf("condition %s is %+v, not %s", condition, c, want)
		}
	}
	if len(b.reasons()) != 0 || len(s.History) != 0 {
		t.Error("coming into being is no transition")
	}
}

func TestDecisionsFallOnTheirInstantsHoweverLateTheyAreMade(t *testing.T) {
	b := newBench(t)
	number := b.create("meta-2023", func(n *v1alpha1.PhoneNumber) { n.Spec.Verification = v1alpha1.Verified })
	b.reconcile(number)
	b.clock.advance(time.Hour)
	b.deliver(number.Spec.PhoneNumber, 500)
	result := b.reconcile(number)
	if result.RequeueAfter > 24*time.Hour || !number.Status.Upgrade.EffectiveTime.Time.Equal(start.Add(25*time.Hour)) {
		t.Fatalf("it wakes after %s for an upgrade at %s", result.RequeueAfter, number.Status.Upgrade.EffectiveTime)
	}
	if !number.Status.NextDeadlineTime.Time.Equal(start.Add(25 * time.Hour)) {
		t.Errorf("the next deadline is %s", number.Status.NextDeadlineTime)
	}
	// The operator is away for three days.
	b.clock.advance(72 * time.Hour)
	b.reconcile(number)
	want := []string{"2026-03-02 10:00:00 UpgradePending", "2026-03-03 10:00:00 TierUpgraded"}
	if got := history(number); !slices.Equal(got, want) {
		t.Errorf("the history is %q, not %q", got, want)
	}
	if !number.Status.Tier.SinceTime.Time.Equal(start.Add(25 * time.Hour)) {
		t.Errorf("the tier is since %s", number.Status.Tier.SinceTime)
	}
	if got, want := b.reasons(), []string{"UpgradePending", "TierUpgraded"}; !slices.Equal(got, want) {
		t.Errorf("the events are %q, not %q", got, want)
	}
}

func TestItWakesAtTheVeryInstantOfADeadline(t *testing.T) {
	b := newBench(t)
	number := b.create("botmaker")
	b.report(number.Spec.PhoneNumber, report.Quality, "Low")
	result := b.reconcile(number)
	if result.RequeueAfter != 7*24*time.Hour {
		t.Fatalf("a flag's deadline is 7 days away, and it wakes after %s", result.RequeueAfter)
	}
	if result.Priority == nil || *result.Priority <= newsPriority {
		t.Error("a deadline waits behind news")
	}
	b.clock.advance(result.RequeueAfter - time.Second)
	b.reconcile(number)
	if number.Status.State != v1alpha1.StateFlagged {
		t.Errorf("a second before the deadline it is %s", number.Status.State)
	}
	b.clock.advance(time.Second)
	b.reconcile(number)
	if number.Status.State != v1alpha1.StateConnected {
		t.Errorf("at the deadline it is %s", number.Status.State)
	}
}

func TestCountsThatAreRefreshedWaitWithTheNews(t *testing.T) {
	b := newBench(t)
	number := b.create("quality-based")
	b.deliver(number.Spec.PhoneNumber, 5)
	if result := b.reconcile(number); result.RequeueAfter <= 0 || result.Priority == nil || *result.Priority != newsPriority {
		t.Errorf("the counts of a number without a deadline are refreshed after %s with priority %v", result.RequeueAfter, result.Priority)
	}
}

func TestANumberAtRestIsNeverWritten(t *testing.T) {
	b := newBench(t)
	number := b.create("netcore")
	b.deliver(number.Spec.PhoneNumber, 700)
	b.report(number.Spec.PhoneNumber, report.Quality, "Low")
	b.reconcile(number)
	before := number.ResourceVersion
	for range 60 {
		b.clock.advance(time.Minute)
		result := b.reconcile(number)
		if next := b.clock.Now().Add(result.RequeueAfter); result.RequeueAfter != 0 && next.Before(start.Add(24*time.Hour-time.Hour)) {
			t.Fatalf("at rest it wakes at %s, before anything changes", next)
		}
	}
	if number.ResourceVersion != before {
		t.Errorf("an hour at rest brought it from resource version %s to %s", before, number.ResourceVersion)
	}
	// A day later the users leave the window, and that is written.
	b.clock.advance(24 * time.Hour)
	b.reconcile(number)
	if number.ResourceVersion == before || *number.Status.Usage.Used != 0 {
		t.Errorf("a day later it shows %d used", *number.Status.Usage.Used)
	}
}

func TestTheLastUsersToLeaveAreWrittenOnce(t *testing.T) {
	b := newBench(t)
	number := b.create("netcore")
	b.deliver(number.Spec.PhoneNumber, 5)
	b.reconcile(number)
	b.clock.advance(24*time.Hour - 10*time.Minute)
	b.report(number.Spec.PhoneNumber, report.Quality, "Medium")
	b.reconcile(number)
	b.clock.advance(10 * time.Minute)
	result := b.reconcile(number)
	if *number.Status.Usage.Used != 0 {
		t.Errorf("%d used are shown after the last user left", *number.Status.Usage.Used)
	}
	if result.RequeueAfter != 0 && result.RequeueAfter < time.Hour {
		t.Errorf("it wakes after %s, though nothing can change", result.RequeueAfter)
	}
}

func TestADeliveryAheadOfTheClockCountsWhenTheClockIsThere(t *testing.T) {
	b := newBench(t)
	number := b.create("netcore")
	b.deliver(number.Spec.PhoneNumber, 999)
	ahead := counts.Entry{Number: number.Spec.PhoneNumber, Kind: counts.Delivered, User: 5000, Message: 5000, At: b.clock.Now().Add(2 * time.Second).Unix()}
	_, err := b.Ledger.Append(b.ctx, counts.Batch{Entries: []counts.Entry{ahead}}, b.clock.Now())
	b.must(err)
	if result := b.reconcile(number); result.RequeueAfter != 2*time.Second {
		t.Fatalf("it wakes after %s, not after 2 s", result.RequeueAfter)
	}
	b.clock.advance(2 * time.Second)
	b.reconcile(number)
	if number.Status.State != v1alpha1.StateRestricted {
		t.Errorf("with 1,000 of 1,000 used it is %s", number.Status.State)
	}
}

func TestAComplaintAheadOfTheClockCountsWhenTheClockIsThere(t *testing.T) {
	b := newBench(t)
	number := b.create("netcore")
	b.reconcile(number)
	ahead := counts.Entry{Number: number.Spec.PhoneNumber, Kind: counts.Complained, User: 1, Message: 1, At: b.clock.Now().Add(2 * time.Second).Unix(),
		Did: counts.NewComplaint(v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam)}
	_, err := b.Ledger.Append(b.ctx, counts.Batch{Entries: []counts.Entry{ahead}}, b.clock.Now())
	b.must(err)
	if result := b.reconcile(number); result.RequeueAfter != 2*time.Second {
		t.Errorf("it wakes after %s, not after 2 s", result.RequeueAfter)
	}
}

func TestWhileRestrictedDeliveriesAreNotWrittenOneByOne(t *testing.T) {
	b := newBench(t)
	b.Throttle = NewThrottle(time.Minute, 5, testingclock.NewFakeClock(start))
	number := b.create("netcore")
	b.deliver(number.Spec.PhoneNumber, 1000)
	b.reconcile(number)
	before := number.ResourceVersion
	for range 5 {
		b.clock.advance(time.Minute)
		b.deliver(number.Spec.PhoneNumber, 1)
		b.reconcile(number)
	}
	if number.ResourceVersion != before {
		t.Error("five deliveries beyond the limit were written")
	}
}

func TestAnotherPolicyDecidesNothingForTimesBeforeIt(t *testing.T) {
	b := newBench(t)
	number := b.create("chat-api")
	b.report(number.Spec.PhoneNumber, report.Limit, "100000")
	b.report(number.Spec.PhoneNumber, report.Quality, "Low")
	b.reconcile(number)
	b.clock.advance(40 * 24 * time.Hour)
	b.reconcile(number)
	adopted := b.clock.Now()
	number.Spec.PolicyName = "quality-based"
	b.must(b.Client.Update(b.ctx, number))
	b.reconcile(number)
	s := number.Status
	if s.State != v1alpha1.StateFlagged || s.Tier.Limit != 100000 || s.PolicyName != "quality-based" {
		t.Errorf("under the new policy it is %s with a limit of %d", s.State, s.Tier.Limit)
	}
	if !s.Flag.SinceTime.Time.Equal(adopted) || !s.Flag.DeadlineTime.Time.Equal(adopted.Add(7*24*time.Hour)) {
		t.Errorf("the flag counts from %s to %s", s.Flag.SinceTime, s.Flag.DeadlineTime)
	}
	// And back: there a flag means nothing.
	number.Spec.PolicyName = "chat-api"
	b.must(b.Client.Update(b.ctx, number))
	b.reconcile(number)
	if number.Status.State != v1alpha1.StateConnected {
		t.Errorf("under rules without flags it is %s", number.Status.State)
	}
}

func TestAResourceThatComesLaterFindsItsHistory(t *testing.T) {
	b := newBench(t)
	name := newNumber()
	b.deliver(name, 600)
	b.report(name, report.Quality, "Medium")
	b.clock.advance(2 * time.Hour)
	number := b.create("botmaker", func(n *v1alpha1.PhoneNumber) { n.Spec.PhoneNumber = name })
	b.reconcile(number)
	s := number.Status
	if *s.Usage.Used != 600 || s.Quality.Rating != v1alpha1.QualityMedium || !s.Quality.SinceTime.Time.Equal(start) {
		t.Errorf("it shows %d used and quality %s since %s", *s.Usage.Used, s.Quality.Rating, s.Quality.SinceTime)
	}
	if !meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionUsageFresh) {
		t.Error("its usage is fresh")
	}

	// Created again, it comes to the same: the rules live through what is known of it.
	other := b.create("quality-based")
	b.deliver(other.Spec.PhoneNumber, 500)
	b.clock.advance(time.Hour)
	b.report(other.Spec.PhoneNumber, report.Quality, "Low")
	b.clock.advance(8 * 24 * time.Hour)
	b.reconcile(other)
	want, spec := other.DeepCopy(), other.Spec
	b.must(b.Client.Delete(b.ctx, other))
	b.clock.advance(time.Hour)
	again := b.create("", func(n *v1alpha1.PhoneNumber) { n.Spec = spec })
	b.reconcile(again)
	if got := history(again); !slices.Equal(got, history(want)) || again.Status.Tier.Name != want.Status.Tier.Name || len(got) != 5 {
		t.Errorf("created again it is on tier %s after %q, not on %s after %q", again.Status.Tier.Name, got, want.Status.Tier.Name, history(want))
	}
}

func TestARestartRepeatsNothing(t *testing.T) {
	b := newBench(t)
	number := b.create("quality-based")
	b.deliver(number.Spec.PhoneNumber, 1000)
	b.report(number.Spec.PhoneNumber, report.Quality, "Low")
	b.reconcile(number)
	before, version := history(number), number.ResourceVersion
	if len(before) == 0 {
		t.Fatal("nothing happened")
	}
	b.reasons()
	b.PhoneNumberReconciler = &PhoneNumberReconciler{Operator{
		Client: b.Client, Cache: b.Cache, Clock: b.Clock, Ledger: b.Ledger, Samples: b.Samples, Receipts: b.Receipts, Presence: b.Presence, Recorder: b.recorder, Metrics: NewMetrics(prometheus.NewRegistry()), Throttle: unthrottled(),
	}}
	b.reconcile(number)
	if after := history(number); !slices.Equal(after, before) || number.ResourceVersion != version || len(b.reasons()) != 0 {
		t.Errorf("after a restart the history is %q, it was %q", after, before)
	}
}

func TestAnOutageOfTheAPIServerLosesAndRepeatsNothing(t *testing.T) {
	b := newBench(t)
	number := b.create("botmaker")
	b.reconcile(number)
	outage := true
	b.Client = failing{b.Client, &outage}
	b.report(number.Spec.PhoneNumber, report.Quality, "Low")
	for range 3 {
		if _, err := b.Reconcile(b.ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(number)}); err == nil {
			t.Fatal("a write that failed is tried again")
		}
		b.clock.advance(time.Minute)
	}
	if got := b.reasons(); len(got) != 0 {
		t.Fatalf("%q were announced before they were written", got)
	}
	outage = false
	b.reconcile(number)
	b.reconcile(number)
	if got, want := history(number), []string{"2026-03-02 09:00:00 QualityChanged", "2026-03-02 09:00:00 Flagged"}; !slices.Equal(got, want) {
		t.Errorf("the history is %q, not %q", got, want)
	}
	if got, want := b.reasons(), []string{"QualityChanged", "Flagged"}; !slices.Equal(got, want) {
		t.Errorf("the events are %q, not %q", got, want)
	}
}

// failing is a client whose status writes fail during an outage.
type failing struct {
	client.Client
	outage *bool
}

func (f failing) Status() client.SubResourceWriter { return failingStatus{f.Client.Status(), f.outage} }

type failingStatus struct {
	client.SubResourceWriter
	outage *bool
}

func (f failingStatus) Apply(ctx context.Context, obj runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
	if *f.outage {
		return errors.New("the API server is away")
	}
	return f.SubResourceWriter.Apply(ctx, obj, opts...)
}

// counting is a client that counts the status writes of a namespace.
type counting struct {
	client.Client
	namespace string
	writes    *atomic.Int64
}

func (c counting) Status() client.SubResourceWriter {
	return countingStatus{c.Client.Status(), c.namespace, c.writes}
}

type countingStatus struct {
	client.SubResourceWriter
	namespace string
	writes    *atomic.Int64
}

func (c countingStatus) Apply(ctx context.Context, obj runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
	// The portfolio of a test is named as its namespace.
	of := obj.(interface {
		GetName() *string
		GetNamespace() *string
	})
	if namespace, name := of.GetNamespace(), of.GetName(); namespace != nil && *namespace == c.namespace || *name == c.namespace {
		c.writes.Add(1)
	}
	return c.SubResourceWriter.Apply(ctx, obj, opts...)
}

// outdated is a client that reads a number as it was.
type outdated struct {
	client.Client
	was *v1alpha1.PhoneNumber
}

func (o outdated) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if number, ok := obj.(*v1alpha1.PhoneNumber); ok {
		o.was.DeepCopyInto(number)
		return nil
	}
	return o.Client.Get(ctx, key, obj, opts...)
}

func TestTwoLeadersMakeATransitionOnce(t *testing.T) {
	b := newBench(t)
	number := b.create("botmaker")
	b.reconcile(number)
	stale := number.DeepCopy()
	b.report(number.Spec.PhoneNumber, report.Quality, "Low")
	b.reconcile(number)
	b.reasons()

	// The other leader still sees the status from before.
	b.Client = outdated{b.Client, stale}
	b.clock.advance(time.Hour)
	result := b.reconcile(number)
	if result.RequeueAfter == 0 {
		t.Error("it looks again")
	}
	if got := b.reasons(); len(got) != 0 {
		t.Errorf("it announces %q again", got)
	}
	if got := history(number); len(got) != 2 {
		t.Errorf("the history is %q", got)
	}
}

func TestConditionsOfOthersStay(t *testing.T) {
	b := newBench(t)
	number := b.create("botmaker")
	b.reconcile(number)
	theirs := applyv1alpha1.PhoneNumber(number.Name, number.Namespace).WithStatus(applyv1alpha1.PhoneNumberStatus().WithConditions(
		conditionApply("Audited", metav1.ConditionTrue, "Checked", b.clock.Now())))
	b.must(b.direct.Status().Apply(b.ctx, theirs, client.FieldOwner("auditor")))
	b.report(number.Spec.PhoneNumber, report.Quality, "Low")
	b.reconcileUntil(number, func() bool { return number.Status.State == v1alpha1.StateFlagged })
	b.report(number.Spec.PhoneNumber, report.Connection, "Connected")
	b.reconcileUntil(number, func() bool { return number.Status.State == v1alpha1.StateConnected })
	if !meta.IsStatusConditionTrue(number.Status.Conditions, "Audited") {
		t.Error("the condition of another owner is gone")
	}
	if !number.Status.Flag.SinceTime.IsZero() {
		t.Error("the flag, which ended, still stands in the status")
	}
	// It is theirs to take back, too.
	b.must(b.direct.Status().Apply(b.ctx, applyv1alpha1.PhoneNumber(number.Name, number.Namespace).WithStatus(applyv1alpha1.PhoneNumberStatus()), client.FieldOwner("auditor")))
	b.must(b.direct.Get(b.ctx, client.ObjectKeyFromObject(number), number))
	if meta.FindStatusCondition(number.Status.Conditions, "Audited") != nil {
		t.Error("the condition that its owner took back is still there")
	}
}

func TestProblemsShowInReady(t *testing.T) {
	b := newBench(t)
	ready := func(number *v1alpha1.PhoneNumber) *metav1.Condition {
		b.reconcile(number)
		return meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionReady)
	}
	t.Run("a policy that does not exist is waited for", func(t *testing.T) {
		number := b.create("nowhere")
		if c := ready(number); c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.ReasonPolicyNotFound || !strings.Contains(c.Message, `"nowhere"`) {
			t.Errorf("Ready is %+v", c)
		}
		if meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionStalled) != nil {
			t.Error("it is stalled, though the policy may still come")
		}
	})
	t.Run("without a policy name the default is asked for", func(t *testing.T) {
		number := b.create("")
		if c := ready(number); c.Status != metav1.ConditionTrue || number.Status.PolicyName != "meta-2025" {
			t.Errorf("with the default that ships, Ready is %+v under policy %q", c, number.Status.PolicyName)
		}
		var policy v1alpha1.MessagingPolicy
		b.must(b.Client.Get(b.ctx, client.ObjectKey{Name: "meta-2025"}, &policy))
		marks := policy.Annotations
		policy.Annotations = nil
		b.must(b.Client.Update(b.ctx, &policy))
		if c := ready(number); c.Reason != v1alpha1.ReasonPolicyNotFound || !strings.Contains(c.Message, v1alpha1.AnnotationDefaultPolicy) {
			t.Errorf("without a default, Ready is %+v", c)
		}
		policy.Annotations = marks
		b.must(b.Client.Update(b.ctx, &policy))
	})
	t.Run("a second resource for the same number is stalled until the first is gone", func(t *testing.T) {
		first := b.create("netcore")
		second := b.create("netcore", func(n *v1alpha1.PhoneNumber) { n.Spec.PhoneNumber = first.Spec.PhoneNumber })
		one, other := ready(first), ready(second)
		if (one.Status == metav1.ConditionTrue) == (other.Status == metav1.ConditionTrue) {
			t.Fatalf("Ready is %+v and %+v: exactly one counts", one, other)
		}
		if other.Status == metav1.ConditionTrue { // made in the same second, the UID decides
			first, second, other = second, first, one
		}
		if other.Reason != v1alpha1.ReasonDuplicateNumber || !meta.IsStatusConditionTrue(second.Status.Conditions, v1alpha1.ConditionStalled) {
			t.Errorf("the second is %+v", second.Status.Conditions)
		}
		b.must(b.Client.Delete(b.ctx, first))
		if c := ready(second); c.Status != metav1.ConditionTrue || meta.FindStatusCondition(second.Status.Conditions, v1alpha1.ConditionStalled) != nil {
			t.Errorf("alone, Ready is %+v", c)
		}
	})
	t.Run("a suspended number is frozen and catches up", func(t *testing.T) {
		number := b.create("botmaker", func(n *v1alpha1.PhoneNumber) { n.Spec.Activity = v1alpha1.Suspended })
		b.report(number.Spec.PhoneNumber, report.Quality, "Low")
		if c := ready(number); c.Status != metav1.ConditionTrue || c.Reason != v1alpha1.ReasonSuspended || number.Status.State != "" {
			t.Errorf("Ready is %+v, the state %q", c, number.Status.State)
		}
		number.Spec.Activity = v1alpha1.Active
		b.must(b.Client.Update(b.ctx, number))
		if c := ready(number); c.Reason != v1alpha1.ReasonEvaluated || number.Status.State != v1alpha1.StateFlagged {
			t.Errorf("active again, Ready is %+v, the state %q", c, number.Status.State)
		}
	})
}

func TestHistoryKeepsTheLast20(t *testing.T) {
	b := newBench(t)
	number := b.create("chat-api")
	for i := range 25 {
		b.clock.advance(time.Hour)
		b.report(number.Spec.PhoneNumber, report.Quality, []string{"Low", "High"}[i%2])
		b.reconcile(number)
	}
	h := number.Status.History
	if len(h) != maxHistory || !h[0].Time.Time.Equal(start.Add(6*time.Hour)) || !h[19].Time.Time.Equal(start.Add(25*time.Hour)) {
		t.Errorf("%d transitions from %s to %s", len(h), h[0].Time, h[len(h)-1].Time)
	}
}

func TestALedgerThatWasLostStartsAnew(t *testing.T) {
	b := newBench(t)
	number := b.create("botmaker")
	for _, rating := range []string{"High", "Medium", "High"} {
		b.report(number.Spec.PhoneNumber, report.Quality, rating)
		b.clock.advance(time.Hour)
	}
	b.reconcile(number)
	if number.Status.ObservedReport != 3 {
		t.Fatalf("%d reports are seen", number.Status.ObservedReport)
	}
	b.Ledger = ledger.OpenMemory()
	b.report(number.Spec.PhoneNumber, report.Quality, "Low")
	b.reconcile(number)
	if number.Status.Quality.Rating != v1alpha1.QualityLow {
		t.Errorf("the first report of the new ledger is not seen: %s", number.Status.Quality.Rating)
	}
}

func TestMetricsNameResourcesOnly(t *testing.T) {
	b := newBench(t)
	number := b.create("netcore")
	b.deliver(number.Spec.PhoneNumber, 42)
	b.deliver("+15559999999", 1)
	b.report(report.TemplateSubject("2001", "order_update", "en").String(), report.TemplateState, "Paused")
	b.report(report.PortfolioSubject("3001").String(), report.Increase, "Failed")
	b.reconcile(number)
	fleet := &Fleet{Numbers: b.Client, Ledger: b.Ledger, Samples: b.Samples, Clock: b.Clock}
	problems, err := testutil.CollectAndLint(fleet)
	b.must(err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(fleet)
	families, err := registry.Gather()
	b.must(err)
	text := fmt.Sprint(families)
	for _, family := range families {
		if family.GetName() != "numberfleet_unclaimed_phone_numbers" {
			continue
		}
		if got := family.GetMetric()[0].GetGauge().GetValue(); got != 1 {
			t.Errorf("%v numbers that no resource names", got)
		}
	}
	for _, want := range []string{number.Name, "value:42", "numberfleet_unclaimed_phone_numbers"} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	for _, secret := range []string{number.Spec.PhoneNumber[1:], "15559999999"} {
		if strings.Contains(text, secret) {
			t.Error("the metrics name a phone number")
		}
	}
}

// The controller as it runs in the operator: woken by the ledger, by the policy, and by deadlines.
func TestRunningController(t *testing.T) {
	b := newBench(t)
	manager := b.manager()
	b.must(SetupIndexes(b.ctx, manager.GetFieldIndexer()))
	var writes atomic.Int64
	b.PhoneNumberReconciler = &PhoneNumberReconciler{Operator{
		Client: counting{manager.GetClient(), b.namespace, &writes}, Cache: manager.GetCache(), Clock: b.clock, Ledger: b.Ledger, Samples: b.Samples, Receipts: b.Receipts, Presence: b.Presence, Recorder: b.recorder,
		Metrics: NewMetrics(prometheus.NewRegistry()), Throttle: unthrottled(), BatchPeriod: 200 * time.Millisecond, Concurrency: 2,
	}}
	b.must(b.PhoneNumberReconciler.SetupWithManager(manager))
	b.start(manager)

	number := b.create("quality-based")
	b.eventually(number, "the new number is ready", func() bool {
		return meta.IsStatusConditionTrue(number.Status.Conditions, v1alpha1.ConditionReady)
	})
	// A burst of 500 appends is one write for each batch period that it lasts, not 500.
	before := writes.Load()
	for range 499 {
		b.deliver(number.Spec.PhoneNumber, 1)
	}
	b.deliver(number.Spec.PhoneNumber, 1)
	b.eventually(number, "half of the limit raises the tier", func() bool { return number.Status.Tier.Name == "2" })
	if n := writes.Load() - before; n < 1 || n > 50 {
		t.Errorf("a burst of 500 took %d writes", n)
	}
	// A policy that changes is seen by its numbers.
	waiting := b.create("later-" + b.namespace)
	b.eventually(waiting, "it waits for its policy", func() bool {
		return meta.IsStatusConditionFalse(waiting.Status.Conditions, v1alpha1.ConditionReady)
	})
	var policy v1alpha1.MessagingPolicy
	b.must(b.direct.Get(b.ctx, client.ObjectKey{Name: "netcore"}, &policy))
	policy.ObjectMeta = metav1.ObjectMeta{Name: "later-" + b.namespace}
	b.must(b.direct.Create(b.ctx, &policy))
	b.eventually(waiting, "its policy has come", func() bool {
		return meta.IsStatusConditionTrue(waiting.Status.Conditions, v1alpha1.ConditionReady)
	})
	// The fleet can be selected by what it shows.
	var flagged v1alpha1.PhoneNumberList
	b.must(b.direct.List(b.ctx, &flagged, client.InNamespace(b.namespace), client.MatchingFields{"status.tier.name": "2", "status.state": "Connected", "status.quality.rating": "Unknown"}))
	if len(flagged.Items) != 1 || flagged.Items[0].Name != number.Name {
		t.Errorf("%d numbers are on tier 2", len(flagged.Items))
	}
}

// Why a number is rated Low shows where the rating does, in Meta's words.
func TestALowRatingShowsItsReason(t *testing.T) {
	b := newBench(t)
	number := b.create("botmaker", func(n *v1alpha1.PhoneNumber) {
		n.Spec.Business.HumanEscalationPaths = []v1alpha1.HumanEscalationPath{v1alpha1.Email}
	})
	b.reconcile(number)
	b.clock.advance(time.Minute)
	_, err := b.Ledger.Append(b.ctx, counts.Batch{Reports: []report.Report{
		{Subject: report.ParseSubject(number.Spec.PhoneNumber), Kind: report.Quality, At: b.clock.Now().Unix(), Value: "Low", Reason: "LackingHumanAttention"},
	}}, b.clock.Now())
	b.must(err)
	b.reconcile(number)
	quality, explained := number.Status.Quality, strings.Join(number.Status.Explanation, "\n")
	if quality.Rating != v1alpha1.QualityLow || quality.Reason != "LackingHumanAttention" || !strings.Contains(explained, "Meta reported it, for LackingHumanAttention.") {
		t.Errorf("it shows %+v, and explains\n%s", quality, explained)
	}
}
