package controllers_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/fleet"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/controllers/internal/throttle"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

func TestNewNumberIsConnectedAtItsStartTierAndReady(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("taqnyat")
	if number.Status.ObservedGeneration != -1 {
		t.Errorf("before the first reconcile observedGeneration is %d: kstatus would take the number for current", number.Status.ObservedGeneration)
	}
	if result := b.Evaluate(number); result.RequeueAfter != 0 {
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
		if c == nil || c.Status != want || c.ObservedGeneration != number.Generation || !c.LastTransitionTime.Time.Equal(controllertest.Start) {
			t.Errorf("condition %s is %+v, not %s", condition, c, want)
		}
	}
	if len(b.Reasons()) != 0 || len(s.History) != 0 {
		t.Error("coming into being is no transition")
	}
}

func TestDecisionsFallOnTheirInstantsHoweverLateTheyAreMade(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("meta-2023", func(n *v1alpha1.PhoneNumber) { n.Spec.Verification = v1alpha1.Verified })
	b.Evaluate(number)
	b.FakeClock.Advance(time.Hour)
	b.Deliver(number.Spec.PhoneNumber, 500)
	result := b.Evaluate(number)
	if result.RequeueAfter > 24*time.Hour || !number.Status.Upgrade.EffectiveTime.Time.Equal(controllertest.Start.Add(25*time.Hour)) {
		t.Fatalf("it wakes after %s for an upgrade at %s", result.RequeueAfter, number.Status.Upgrade.EffectiveTime)
	}
	if !number.Status.NextDeadlineTime.Time.Equal(controllertest.Start.Add(25 * time.Hour)) {
		t.Errorf("the next deadline is %s", number.Status.NextDeadlineTime)
	}
	// The operator is away for three days.
	b.FakeClock.Advance(72 * time.Hour)
	b.Evaluate(number)
	want := []string{"2026-03-02 10:00:00 UpgradePending", "2026-03-03 10:00:00 TierUpgraded"}
	if got := controllertest.History(number); !slices.Equal(got, want) {
		t.Errorf("the history is %q, not %q", got, want)
	}
	if !number.Status.Tier.SinceTime.Time.Equal(controllertest.Start.Add(25 * time.Hour)) {
		t.Errorf("the tier is since %s", number.Status.Tier.SinceTime)
	}
	if got, want := b.Reasons(), []string{"UpgradePending", "TierUpgraded"}; !slices.Equal(got, want) {
		t.Errorf("the events are %q, not %q", got, want)
	}
}

func TestItWakesAtTheVeryInstantOfADeadline(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("botmaker")
	b.Report(number.Spec.PhoneNumber, report.Quality, "Low")
	result := b.Evaluate(number)
	if result.RequeueAfter != 7*24*time.Hour {
		t.Fatalf("a flag's deadline is 7 days away, and it wakes after %s", result.RequeueAfter)
	}
	if result.Priority == nil || *result.Priority <= reconciler.NewsPriority {
		t.Error("a deadline waits behind news")
	}
	b.FakeClock.Advance(result.RequeueAfter - time.Second)
	b.Evaluate(number)
	if number.Status.State != v1alpha1.StateFlagged {
		t.Errorf("a second before the deadline it is %s", number.Status.State)
	}
	b.FakeClock.Advance(time.Second)
	b.Evaluate(number)
	if number.Status.State != v1alpha1.StateConnected {
		t.Errorf("at the deadline it is %s", number.Status.State)
	}
}

func TestCountsThatAreRefreshedWaitWithTheNews(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("quality-based")
	b.Deliver(number.Spec.PhoneNumber, 5)
	if result := b.Evaluate(number); result.RequeueAfter <= 0 || result.Priority == nil || *result.Priority != reconciler.NewsPriority {
		t.Errorf("the counts of a number without a deadline are refreshed after %s with priority %v", result.RequeueAfter, result.Priority)
	}
}

func TestANumberAtRestIsNeverWritten(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("netcore")
	b.Deliver(number.Spec.PhoneNumber, 700)
	b.Report(number.Spec.PhoneNumber, report.Quality, "Low")
	b.Evaluate(number)
	before := number.ResourceVersion
	for range 60 {
		b.FakeClock.Advance(time.Minute)
		result := b.Evaluate(number)
		if next := b.FakeClock.Now().Add(result.RequeueAfter); result.RequeueAfter != 0 && next.Before(controllertest.Start.Add(24*time.Hour-time.Hour)) {
			t.Fatalf("at rest it wakes at %s, before anything changes", next)
		}
	}
	if number.ResourceVersion != before {
		t.Errorf("an hour at rest brought it from resource version %s to %s", before, number.ResourceVersion)
	}
	// A day later the users leave the window, and that is written.
	b.FakeClock.Advance(24 * time.Hour)
	b.Evaluate(number)
	if number.ResourceVersion == before || *number.Status.Usage.Used != 0 {
		t.Errorf("a day later it shows %d used", *number.Status.Usage.Used)
	}
}

func TestTheLastUsersToLeaveAreWrittenOnce(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("netcore")
	b.Deliver(number.Spec.PhoneNumber, 5)
	b.Evaluate(number)
	b.FakeClock.Advance(24*time.Hour - 10*time.Minute)
	b.Report(number.Spec.PhoneNumber, report.Quality, "Medium")
	b.Evaluate(number)
	b.FakeClock.Advance(10 * time.Minute)
	result := b.Evaluate(number)
	if *number.Status.Usage.Used != 0 {
		t.Errorf("%d used are shown after the last user left", *number.Status.Usage.Used)
	}
	if result.RequeueAfter != 0 && result.RequeueAfter < time.Hour {
		t.Errorf("it wakes after %s, though nothing can change", result.RequeueAfter)
	}
}

func TestADeliveryAheadOfTheClockCountsWhenTheClockIsThere(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("netcore")
	b.Deliver(number.Spec.PhoneNumber, 999)
	ahead := counts.Entry{Number: number.Spec.PhoneNumber, Kind: counts.Delivered, User: 5000, Message: 5000, At: b.FakeClock.Now().Add(2 * time.Second).Unix()}
	_, err := b.Ledger.Append(b.Ctx, counts.Batch{Entries: []counts.Entry{ahead}}, b.FakeClock.Now())
	b.Must(err)
	if result := b.Evaluate(number); result.RequeueAfter != 2*time.Second {
		t.Fatalf("it wakes after %s, not after 2 s", result.RequeueAfter)
	}
	b.FakeClock.Advance(2 * time.Second)
	b.Evaluate(number)
	if number.Status.State != v1alpha1.StateRestricted {
		t.Errorf("with 1,000 of 1,000 used it is %s", number.Status.State)
	}
}

func TestAComplaintAheadOfTheClockCountsWhenTheClockIsThere(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("netcore")
	b.Evaluate(number)
	ahead := counts.Entry{Number: number.Spec.PhoneNumber, Kind: counts.Complained, User: 1, Message: 1, At: b.FakeClock.Now().Add(2 * time.Second).Unix(),
		Complaint: counts.NewComplaint(v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam)}
	_, err := b.Ledger.Append(b.Ctx, counts.Batch{Entries: []counts.Entry{ahead}}, b.FakeClock.Now())
	b.Must(err)
	if result := b.Evaluate(number); result.RequeueAfter != 2*time.Second {
		t.Errorf("it wakes after %s, not after 2 s", result.RequeueAfter)
	}
}

func TestWhileRestrictedDeliveriesAreNotWrittenOneByOne(t *testing.T) {
	b := controllertest.New(t)
	b.Throttle = throttle.NewThrottle(time.Minute, 5, testingclock.NewFakeClock(controllertest.Start))
	number := b.Create("netcore")
	b.Deliver(number.Spec.PhoneNumber, 1000)
	b.Evaluate(number)
	before := number.ResourceVersion
	for range 5 {
		b.FakeClock.Advance(time.Minute)
		b.Deliver(number.Spec.PhoneNumber, 1)
		b.Evaluate(number)
	}
	if number.ResourceVersion != before {
		t.Error("five deliveries beyond the limit were written")
	}
}

func TestAnotherPolicyDecidesNothingForTimesBeforeIt(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("chat-api")
	b.Report(number.Spec.PhoneNumber, report.Limit, "100000")
	b.Report(number.Spec.PhoneNumber, report.Quality, "Low")
	b.Evaluate(number)
	b.FakeClock.Advance(40 * 24 * time.Hour)
	b.Evaluate(number)
	adopted := b.FakeClock.Now()
	number.Spec.PolicyName = "quality-based"
	b.Must(b.Client.Update(b.Ctx, number))
	b.Evaluate(number)
	s := number.Status
	if s.State != v1alpha1.StateFlagged || s.Tier.Limit != 100000 || s.PolicyName != "quality-based" {
		t.Errorf("under the new policy it is %s with a limit of %d", s.State, s.Tier.Limit)
	}
	if !s.Flag.SinceTime.Time.Equal(adopted) || !s.Flag.DeadlineTime.Time.Equal(adopted.Add(7*24*time.Hour)) {
		t.Errorf("the flag counts from %s to %s", s.Flag.SinceTime, s.Flag.DeadlineTime)
	}
	// And back: there a flag means nothing.
	number.Spec.PolicyName = "chat-api"
	b.Must(b.Client.Update(b.Ctx, number))
	b.Evaluate(number)
	if number.Status.State != v1alpha1.StateConnected {
		t.Errorf("under rules without flags it is %s", number.Status.State)
	}
}

func TestAResourceThatComesLaterFindsItsHistory(t *testing.T) {
	b := controllertest.New(t)
	name := controllertest.NewNumber()
	b.Deliver(name, 600)
	b.Report(name, report.Quality, "Medium")
	b.FakeClock.Advance(2 * time.Hour)
	number := b.Create("botmaker", func(n *v1alpha1.PhoneNumber) { n.Spec.PhoneNumber = name })
	b.Evaluate(number)
	s := number.Status
	if *s.Usage.Used != 600 || s.Quality.Rating != v1alpha1.QualityMedium || !s.Quality.SinceTime.Time.Equal(controllertest.Start) {
		t.Errorf("it shows %d used and quality %s since %s", *s.Usage.Used, s.Quality.Rating, s.Quality.SinceTime)
	}
	if !meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionUsageFresh) {
		t.Error("its usage is fresh")
	}

	// Created again, it comes to the same: the rules live through what is known of it.
	other := b.Create("quality-based")
	b.Deliver(other.Spec.PhoneNumber, 500)
	b.FakeClock.Advance(time.Hour)
	b.Report(other.Spec.PhoneNumber, report.Quality, "Low")
	b.FakeClock.Advance(8 * 24 * time.Hour)
	b.Evaluate(other)
	want, spec := other.DeepCopy(), other.Spec
	b.Must(b.Client.Delete(b.Ctx, other))
	b.FakeClock.Advance(time.Hour)
	again := b.Create("", func(n *v1alpha1.PhoneNumber) { n.Spec = spec })
	b.Evaluate(again)
	if got := controllertest.History(again); !slices.Equal(got, controllertest.History(want)) || again.Status.Tier.Name != want.Status.Tier.Name || len(got) != 5 {
		t.Errorf("created again it is on tier %s after %q, not on %s after %q", again.Status.Tier.Name, got, want.Status.Tier.Name, controllertest.History(want))
	}
}

func TestHistoryKeepsTheLast20(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("chat-api")
	for i := range 25 {
		b.FakeClock.Advance(time.Hour)
		b.Report(number.Spec.PhoneNumber, report.Quality, []string{"Low", "High"}[i%2])
		b.Evaluate(number)
	}
	h := number.Status.History
	if len(h) != statuses.MaxHistory || !h[0].Time.Time.Equal(controllertest.Start.Add(6*time.Hour)) || !h[19].Time.Time.Equal(controllertest.Start.Add(25*time.Hour)) {
		t.Errorf("%d transitions from %s to %s", len(h), h[0].Time, h[len(h)-1].Time)
	}
}

func TestMetricsNameResourcesOnly(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("netcore")
	b.Deliver(number.Spec.PhoneNumber, 42)
	b.Deliver("+15559999999", 1)
	b.Report(report.TemplateSubject("2001", "order_update", "en").String(), report.TemplateState, "Paused")
	b.Report(report.PortfolioSubject("3001").String(), report.Increase, "Failed")
	b.Evaluate(number)
	fleet := b.Figures()
	problems, err := testutil.GatherAndLint(fleet)
	b.Must(err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	families, err := fleet.Gather()
	b.Must(err)
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
	b := controllertest.New(t)
	manager := b.Manager()
	b.Must(lookup.SetupIndexes(b.Ctx, manager.GetFieldIndexer()))
	var writes atomic.Int64
	b.Operator.Client, b.Cache = counting{manager.GetClient(), b.Namespace, &writes}, manager.GetCache()
	b.BatchPeriod, b.Concurrency = 200*time.Millisecond, 2
	b.Policies.Reader = manager.GetCache()
	b.Must((&fleet.Reconciler{Operator: b.Operator}).SetupWithManager(manager))
	b.StartManager(manager)

	number := b.Create("quality-based")
	b.Eventually(number, "the new number is ready", func() bool {
		return meta.IsStatusConditionTrue(number.Status.Conditions, v1alpha1.ConditionReady)
	})
	// That the secret of Meta's webhooks goes and comes is seen by the numbers that nothing was received about.
	fresh := func() string {
		return meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionUsageFresh).Reason
	}
	b.Operator.Webhooks.(*controllertest.Webhooks).SetMissing(true)
	b.Eventually(number, "the secret is missing", func() bool { return fresh() == v1alpha1.ReasonSecretMissing })
	b.Operator.Webhooks.(*controllertest.Webhooks).SetMissing(false)
	b.Eventually(number, "the secret is there", func() bool { return fresh() == v1alpha1.ReasonNothingReceived })
	// A burst of 500 appends is one write for each batch period that it lasts, not 500.
	before, began := writes.Load(), clock.RealClock{}.Now()
	for range 499 {
		b.Deliver(number.Spec.PhoneNumber, 1)
	}
	b.Deliver(number.Spec.PhoneNumber, 1)
	b.Eventually(number, "half of the limit raises the tier", func() bool { return number.Status.Tier.Name == "2" })
	if n, most := writes.Load()-before, int64(clock.RealClock{}.Since(began)/b.BatchPeriod)+2; n < 1 || n > most {
		t.Errorf("a burst of 500 took %d writes, want %d at most", n, most)
	}
	// A policy that changes is seen by its numbers.
	waiting := b.Create("later-" + b.Namespace)
	b.Eventually(waiting, "it waits for its policy", func() bool {
		return meta.IsStatusConditionFalse(waiting.Status.Conditions, v1alpha1.ConditionReady)
	})
	var policy v1alpha1.MessagingPolicy
	b.Must(b.Direct.Get(b.Ctx, client.ObjectKey{Name: "netcore"}, &policy))
	policy.ObjectMeta = metav1.ObjectMeta{Name: "later-" + b.Namespace}
	b.Must(b.Direct.Create(b.Ctx, &policy))
	b.Eventually(waiting, "its policy has come", func() bool {
		return meta.IsStatusConditionTrue(waiting.Status.Conditions, v1alpha1.ConditionReady)
	})
	// The fleet can be selected by what it shows.
	var flagged v1alpha1.PhoneNumberList
	b.Must(b.Direct.List(b.Ctx, &flagged, client.InNamespace(b.Namespace), client.MatchingFields{"status.tier.name": "2", "status.state": "Connected", "status.quality.rating": "Unknown"}))
	if len(flagged.Items) != 1 || flagged.Items[0].Name != number.Name {
		t.Errorf("%d numbers are on tier 2", len(flagged.Items))
	}
}

// Why a number is rated Low shows where the rating does, in Meta's words.
func TestALowRatingShowsItsReason(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("botmaker", func(n *v1alpha1.PhoneNumber) {
		n.Spec.Business.HumanEscalationPaths = []v1alpha1.HumanEscalationPath{v1alpha1.Email}
	})
	b.Evaluate(number)
	b.FakeClock.Advance(time.Minute)
	_, err := b.Ledger.Append(b.Ctx, counts.Batch{Reports: []report.Report{
		{Subject: report.ParseSubject(number.Spec.PhoneNumber), Kind: report.Quality, At: b.FakeClock.Now().Unix(), Value: "Low", Reason: "LackingHumanAttention"},
	}}, b.FakeClock.Now())
	b.Must(err)
	b.Evaluate(number)
	quality, explained := number.Status.Quality, strings.Join(number.Status.Explanation, "\n")
	if quality.Rating != v1alpha1.QualityLow || quality.Reason != "LackingHumanAttention" || !strings.Contains(explained, "Meta reported it, for LackingHumanAttention.") {
		t.Errorf("it shows %+v, and explains\n%s", quality, explained)
	}
}
