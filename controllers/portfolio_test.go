package controllers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

func TestNumbersOfAPortfolioShareItsLimit(t *testing.T) {
	f := controllertest.NewFleet(t)
	a, b := f.Number(), f.Number()
	f.Settle()
	for _, n := range f.Numbers {
		if n.Status.Tier.Name != "250" || n.Status.Portfolio != f.Portfolio.Name || !meta.IsStatusConditionTrue(n.Status.Conditions, v1alpha1.ConditionReady) {
			t.Fatalf("a new number shows %+v", n.Status)
		}
	}
	// 150 users each, 50 of them the same ones.
	f.FakeClock.Advance(5 * time.Minute)
	f.Deliver(a.Spec.PhoneNumber, 150)
	f.Message -= 50
	f.Deliver(b.Spec.PhoneNumber, 150)
	f.At(time.Minute)
	p := &f.Portfolio.Status
	if *p.Usage.Used != 250 || *p.Usage.Remaining != 0 || *p.Numbers != 2 || p.Restriction.SinceTime.IsZero() || p.Usage.OwnUsed != nil {
		t.Errorf("the portfolio shows %+v", p)
	}
	for _, n := range f.Numbers {
		s := &n.Status
		if s.State != v1alpha1.StateRestricted || *s.Usage.Used != 250 || *s.Usage.OwnUsed != 150 || s.Tier.Limit != 250 ||
			!meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionRestricted) {
			t.Errorf("a number shows %+v", s)
		}
		if len(s.History) > 0 {
			t.Errorf("what happened to the portfolio stands in a number's history: %v", controllertest.Told(s.History))
		}
	}
	if p.NextStep != "2K: 1750 more unique users within 30 d" {
		t.Errorf("the next step is %q", p.NextStep)
	}
	if !strings.Contains(strings.Join(a.Status.Explanation, "\n"), "The limit is that of portfolio "+f.Portfolio.Name) {
		t.Errorf("the number says %q", a.Status.Explanation)
	}
	// A number that comes later has the limit, and what is left of it, at once.
	c := f.Number()
	f.Settle()
	if c.Status.State != v1alpha1.StateRestricted || *c.Status.Usage.Used != 250 || *c.Status.Usage.OwnUsed != 0 {
		t.Errorf("the third number shows %+v", c.Status)
	}
	f.At(25 * time.Hour)
	if *f.Portfolio.Status.Usage.Used != 0 || a.Status.State != v1alpha1.StateConnected {
		t.Errorf("a day later the portfolio shows %+v", f.Portfolio.Status)
	}
	f.Expect("the portfolio's history", controllertest.Told(f.Portfolio.Status.History), []string{"03-02 09:05:00 Restricted", "03-03 10:02:31 RestrictionLifted"})

	// At rest nothing is written.
	versions := []string{a.ResourceVersion, b.ResourceVersion, f.Portfolio.ResourceVersion}
	f.At(time.Hour)
	f.At(time.Hour)
	if now := []string{a.ResourceVersion, b.ResourceVersion, f.Portfolio.ResourceVersion}; !slices.Equal(versions, now) {
		t.Errorf("a fleet at rest was written: %v, then %v", versions, now)
	}
}

func TestAPortfolioRisesByTheQualityOfAll(t *testing.T) {
	f := controllertest.NewFleet(t, func(s *v1alpha1.BusinessPortfolioSpec) { s.Verification = v1alpha1.Verified })
	a, b := f.Number(), f.Number()
	template := f.Template("offer", func(s *v1alpha1.MessageTemplateSpec) { s.PolicyName = "chat-api" })
	f.Settle()
	if f.Portfolio.Status.Tier.Name != "2K" {
		t.Fatalf("a verified portfolio starts at %q", f.Portfolio.Status.Tier.Name)
	}
	f.Deliver(a.Spec.PhoneNumber, 600)
	f.Deliver(b.Spec.PhoneNumber, 400)
	f.Settle()
	f.Expect("history", controllertest.Told(f.Portfolio.Status.History), []string{"03-02 09:00:00 UpgradePending 2K -> 10K"})
	// One number's rating is enough to cancel it, though it recovers before anyone looks.
	f.FakeClock.Advance(time.Hour)
	f.Report(b.Spec.PhoneNumber, report.Quality, "Medium")
	f.FakeClock.Advance(time.Minute)
	f.Report(b.Spec.PhoneNumber, report.Quality, "High")
	f.Settle()
	f.Expect("history", controllertest.Told(f.Portfolio.Status.History), []string{
		"03-02 09:00:00 UpgradePending 2K -> 10K", "03-02 10:00:00 UpgradeCancelled 2K -> 10K", "03-02 10:01:00 UpgradePending 2K -> 10K"})
	// And so is one template's.
	f.FakeClock.Advance(time.Hour)
	f.Report(lookup.TemplateSubject(template).String(), report.Quality, "Low")
	f.Settle()
	if q := f.Portfolio.Status.Quality; q.Rating != v1alpha1.QualityLow || q.Reason != "template "+template.Name {
		t.Errorf("the portfolio's quality is %+v", q)
	}
	if len(f.Portfolio.Status.History) != 4 || f.Portfolio.Status.History[3].Reason != v1alpha1.ReasonUpgradeCancelled {
		t.Errorf("the template's rating changes nothing: %v", controllertest.Told(f.Portfolio.Status.History))
	}
	if got := a.Status.Templates; len(got) != 1 || got[0].Name != template.Name || got[0].State != v1alpha1.TemplateFlagged || got[0].Rating != v1alpha1.QualityLow {
		t.Errorf("the number shows the templates %+v", got)
	}
	// Edited, it is in review and holds nobody back; six hours later the tier rises for all.
	f.FakeClock.Advance(time.Hour)
	f.Report(lookup.TemplateSubject(template).String(), report.TemplateState, "Edited")
	f.Settle()
	f.At(6 * time.Hour)
	if f.Portfolio.Status.Tier.Name != "10K" || a.Status.Tier.Name != "10K" || b.Status.Tier.Limit != 10000 {
		t.Errorf("the tier is %+v, and %+v on a number; %v", f.Portfolio.Status.Tier, a.Status.Tier, controllertest.Told(f.Portfolio.Status.History))
	}
}

func TestWhatMetaReportsOfAPortfolio(t *testing.T) {
	f := controllertest.NewFleet(t)
	a := f.Number()
	f.Settle()
	f.FakeClock.Advance(time.Minute)
	f.Deliver(a.Spec.PhoneNumber, 10)
	f.Report(a.Spec.PhoneNumber, report.Verification, "Verified")
	f.Settle()
	if s := f.Portfolio.Status; s.Tier.Name != "2K" || s.Tier.Source != v1alpha1.FromVerification || s.Verification.Source != v1alpha1.FromReport {
		t.Errorf("what was reported of a number's verification leaves %+v", s.Tier)
	}
	f.FakeClock.Advance(time.Hour)
	f.Report(a.Spec.PhoneNumber, report.Limit, "100000")
	f.Settle()
	if a.Status.Tier.Name != "100K" || a.Status.Tier.Source != v1alpha1.FromReport {
		t.Errorf("what was reported of a number's limit leaves %+v", a.Status.Tier)
	}
	f.FakeClock.Advance(time.Hour)
	now := f.FakeClock.Now()
	_, err := f.Ledger.Append(f.Ctx, counts.Batch{Reports: []report.Report{{Subject: lookup.PortfolioSubject(f.Portfolio), Kind: report.Increase,
		Value: "Deferred", Reason: "More time is needed.", At: now.Unix()}}}, now)
	f.Must(err)
	f.Settle()
	if i := f.Portfolio.Status.Increase; i.Decision != v1alpha1.IncreaseDeferred || i.Reason != "More time is needed." || !i.ReportedTime.Time.Equal(now) {
		t.Errorf("the deferred increase shows as %+v", i)
	}
	if m := f.Portfolio.Status.Upgrade.Missing; len(m) != 2 || m[1] != "Meta put off an increase at 2026-03-02 11:01:00 UTC: More time is needed." {
		t.Errorf("missing are %q", m)
	}
}

func TestANumberBringsItsLimitIntoAPortfolio(t *testing.T) {
	f := controllertest.NewFleet(t)
	old := f.Create("quality-based")
	f.Evaluate(old)
	f.Deliver(old.Spec.PhoneNumber, 500)
	f.Evaluate(old)
	if old.Status.Tier.Name != "2" {
		t.Fatalf("before it joins it has %+v", old.Status.Tier)
	}
	f.Number()
	f.Settle()
	f.Must(f.Direct.Get(f.Ctx, client.ObjectKeyFromObject(old), old))
	old.Spec.PolicyName, old.Spec.Business.Portfolio = "", f.Portfolio.Name
	f.Must(f.Client.Update(f.Ctx, old))
	f.Numbers = append(f.Numbers, old)
	f.At(time.Minute)
	f.Settle()
	for _, n := range f.Numbers {
		if n.Status.Tier.Name != "10K" || *n.Status.Usage.Used != 500 {
			t.Errorf("after it joined a number shows %+v, %+v", n.Status.Tier, n.Status.Conditions)
		}
	}
	f.Expect("history", controllertest.Told(f.Portfolio.Status.History), []string{"03-02 09:01:00 TierUpgraded 250 -> 10K"})
}

func TestANumberThatLeavesKeepsTheLimit(t *testing.T) {
	f := controllertest.NewFleet(t, func(s *v1alpha1.BusinessPortfolioSpec) { s.Verification = v1alpha1.Verified })
	stays, leaves := f.Number(), f.Number()
	f.Settle()
	f.Deliver(leaves.Spec.PhoneNumber, 300)
	f.Message -= 300
	f.Deliver(stays.Spec.PhoneNumber, 200)
	f.At(time.Minute)
	if *f.Portfolio.Status.Numbers != 2 || *f.Portfolio.Status.Usage.Used != 300 {
		t.Fatalf("before it leaves the portfolio shows %+v", f.Portfolio.Status.Usage)
	}
	leaves.Spec.Business.Portfolio = ""
	f.Must(f.Client.Update(f.Ctx, leaves))
	f.At(time.Minute)
	f.At(time.Minute)
	if s := f.Portfolio.Status; *s.Numbers != 1 || *s.Usage.Used != 200 || s.Tier.Name != "2K" {
		t.Errorf("after it left the portfolio shows %d numbers, %d used, tier %s", *s.Numbers, *s.Usage.Used, s.Tier.Name)
	}
	if s := leaves.Status; s.Portfolio != "" || s.Tier.Name != "2K" || *s.Usage.Used != 300 || *s.Usage.OwnUsed != 300 {
		t.Errorf("the number that left shows %+v, %+v in %q", s.Tier, s.Usage, s.Portfolio)
	}
	// The number's own verification holds again, which says nothing of the portfolio's.
	f.Expect("what is told of the number", controllertest.Told(leaves.Status.History), []string{"03-02 09:02:00 VerificationChanged"})
	f.Expect("what is told of the portfolio", controllertest.Told(f.Portfolio.Status.History), nil)
}

func TestWhatAPortfolioCannotShare(t *testing.T) {
	f := controllertest.NewFleet(t)
	f.Settle()
	for _, test := range []struct {
		name, policy, portfolio, reason string
	}{
		{"a portfolio that does not exist", "", "nobody-" + f.Namespace, v1alpha1.ReasonPortfolioNotFound},
		{"a policy other than the portfolio's", "own-" + f.Namespace, f.Portfolio.Name, v1alpha1.ReasonPolicyConflict},
		{"a policy of scope Number", "netcore", f.Portfolio.Name, v1alpha1.ReasonEvaluated},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.reason == v1alpha1.ReasonPolicyConflict {
				var policy v1alpha1.MessagingPolicy
				f.Must(f.Direct.Get(f.Ctx, client.ObjectKey{Name: "meta-2025"}, &policy))
				policy.ObjectMeta = metav1.ObjectMeta{Name: test.policy}
				f.Must(f.Client.Create(f.Ctx, &policy))
			}
			number := f.Create(test.policy, func(n *v1alpha1.PhoneNumber) { n.Spec.Business.Portfolio = test.portfolio })
			f.Evaluate(number)
			if ready := meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionReady); ready == nil || ready.Reason != test.reason {
				t.Errorf("it is %+v", ready)
			}
		})
	}
	f.Portfolio.Spec.PolicyName = "netcore"
	f.Must(f.Client.Update(f.Ctx, f.Portfolio))
	f.Settle()
	if stalled := meta.FindStatusCondition(f.Portfolio.Status.Conditions, v1alpha1.ConditionStalled); stalled == nil || stalled.Reason != v1alpha1.ReasonPolicyConflict {
		t.Errorf("a portfolio under a policy of scope Number is %+v", f.Portfolio.Status.Conditions)
	}
}

func TestATemplateGoesThroughItsLadder(t *testing.T) {
	f := controllertest.NewFleet(t)
	f.Number()
	template := f.Template("offer")
	f.Settle()
	if s := template.Status; s.State != v1alpha1.TemplateApproved || s.PolicyName != "meta-2025" || !meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionSendable) {
		t.Fatalf("a new template shows %+v", s)
	}
	for range 3 {
		f.Report(lookup.TemplateSubject(template).String(), report.Quality, "Low")
		f.Settle()
		f.At(10 * time.Hour)
	}
	f.Expect("history", controllertest.Told(template.Status.History), []string{
		"03-02 09:00:00 QualityChanged Unknown -> Low", "03-02 09:00:00 TemplatePaused", "03-02 12:00:00 TemplateResumed",
		"03-02 19:00:00 QualityChanged Unknown -> Low", "03-02 19:00:00 TemplatePaused", "03-03 01:00:00 TemplateResumed",
		"03-03 05:00:00 QualityChanged Unknown -> Low", "03-03 05:00:00 TemplateBlocked"})
	if s := template.Status; s.State != v1alpha1.TemplateBlocked || s.Pauses != 2 || s.Transitions != 8 || !meta.IsStatusConditionFalse(s.Conditions, v1alpha1.ConditionSendable) {
		t.Errorf("the template shows %+v", s)
	}
	if !slices.Contains(f.Reasons(), "TemplateBlocked") {
		t.Error("there is no event about the block")
	}
	version := template.ResourceVersion
	f.At(24 * time.Hour)
	if template.ResourceVersion != version {
		t.Error("a template at rest was written")
	}
}

func TestFeedbackShowsWithItsReasons(t *testing.T) {
	b := controllertest.New(t)
	var policy v1alpha1.MessagingPolicy
	b.Must(b.Direct.Get(b.Ctx, client.ObjectKey{Name: "taqnyat"}, &policy))
	policy.ObjectMeta = metav1.ObjectMeta{Name: "feedback-" + b.Namespace}
	policy.Spec.Quality.MediumPerThousand, policy.Spec.Quality.LowPerThousand = 20, 50
	b.Must(b.Client.Create(b.Ctx, &policy))
	number := b.Create(policy.Name)
	b.Evaluate(number)
	b.Deliver(number.Spec.PhoneNumber, 100)
	complain := func(user int, kind v1alpha1.FeedbackKind, reason v1alpha1.FeedbackReason) {
		b.Message++
		_, err := b.Ledger.Append(b.Ctx, counts.Batch{Entries: []counts.Entry{{Number: number.Spec.PhoneNumber, Kind: counts.Complained, User: counts.UserKey(user),
			Message: counts.MessageKey(b.Message), Complaint: counts.NewComplaint(kind, reason), At: b.FakeClock.Now().Unix()}}}, b.FakeClock.Now())
		b.Must(err)
	}
	b.FakeClock.Advance(time.Minute)
	for user := 1; user <= 3; user++ {
		complain(user, v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam)
	}
	complain(1, v1alpha1.FeedbackReport, v1alpha1.FeedbackOther)
	b.Evaluate(number)
	q := &number.Status.Quality
	if q.Rating != v1alpha1.QualityMedium || q.Reason != v1alpha1.ReasonUserFeedback || *q.Feedback.ComplainingUsers != 3 || *q.Feedback.ReachedUsers != 100 {
		t.Errorf("3 of 100 users complained, and the quality is %+v", q)
	}
	if i := q.Feedback.Insights; len(i) != 2 || i[0] != (v1alpha1.FeedbackInsight{Kind: "Block", Reason: "Spam", Users: 3}) || i[1] != (v1alpha1.FeedbackInsight{Kind: "Report", Reason: "Other", Users: 1}) {
		t.Errorf("the insights are %+v", i)
	}
	b.FakeClock.Advance(time.Minute)
	complain(4, v1alpha1.FeedbackMute, v1alpha1.FeedbackNoReason)
	complain(5, v1alpha1.FeedbackArchive, v1alpha1.FeedbackNoReason)
	b.Evaluate(number)
	if number.Status.State != v1alpha1.StateFlagged || q.Rating != v1alpha1.QualityLow {
		t.Errorf("5 of 100 users complained, and the number is %s with %+v", number.Status.State, q)
	}
	// A reported rating wins for good.
	b.FakeClock.Advance(time.Minute)
	b.Report(number.Spec.PhoneNumber, report.Quality, "High")
	b.Evaluate(number)
	b.FakeClock.Advance(time.Hour)
	complain(6, v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam)
	b.Evaluate(number)
	if q.Rating != v1alpha1.QualityHigh || q.Source != v1alpha1.FromReport || *q.Feedback.ComplainingUsers != 6 {
		t.Errorf("Meta reports High, and the quality is %+v", q)
	}
	// The status stays as of the latest instant where the clock goes back.
	b.FakeClock.Advance(-30 * time.Minute)
	complain(7, v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam)
	b.Evaluate(number)
	if *q.Feedback.ComplainingUsers != 7 {
		t.Errorf("as of %s %d users complained", number.Status.Usage.ObservedTime, *q.Feedback.ComplainingUsers)
	}
}

func TestAnAppealShowsBesideTheFlag(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("botmaker", func(n *v1alpha1.PhoneNumber) { n.Spec.Business.HumanEscalationPaths = nil })
	b.Evaluate(number)
	if number.Status.State != v1alpha1.StateFlagged || number.Status.Quality.Reason != v1alpha1.ReasonLackingHumanAttention || number.Status.Flag.Appeal != "" {
		t.Fatalf("a number without a way to a human shows %+v", number.Status)
	}
	b.FakeClock.Advance(time.Hour)
	number.Spec.Appeal = v1alpha1.Appeal{State: v1alpha1.AppealOpen, OpenedTime: metav1.NewTime(b.FakeClock.Now())}
	b.Must(b.Client.Update(b.Ctx, number))
	b.Evaluate(number)
	flagged := meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionFlagged)
	if number.Status.Flag.Appeal != v1alpha1.AppealOpen || !strings.Contains(flagged.Message, "An appeal is open since 2026-03-02 10:00:00 UTC.") {
		t.Errorf("the open appeal shows as %q, %q", number.Status.Flag.Appeal, flagged.Message)
	}
	b.FakeClock.Advance(24 * time.Hour)
	number.Spec.Appeal.State, number.Spec.Appeal.DecidedTime = v1alpha1.AppealReversed, metav1.NewTime(b.FakeClock.Now())
	b.Must(b.Client.Update(b.Ctx, number))
	b.Evaluate(number)
	if q := number.Status.Quality; q.Rating == v1alpha1.QualityLow || number.Status.Flag.Appeal != v1alpha1.AppealReversed || number.Status.Flag.ClearTime.IsZero() {
		t.Errorf("after Meta agreed the number shows %+v, %+v", q, number.Status.Flag)
	}
}

// A number whose limit is shared has events about that limit, for people look at their own numbers first.
func TestWhatHappensToTheShareIsAnEventOnTheNumber(t *testing.T) {
	f := controllertest.NewFleet(t)
	a := f.Number()
	f.Number()
	f.Settle()
	f.Reasons()
	f.FakeClock.Advance(time.Minute)
	f.Deliver(a.Spec.PhoneNumber, 250)
	f.Settle()
	if got := f.Reasons(); !slices.Equal(got, []string{"Restricted", "Restricted", "Restricted"}) { // the portfolio, and each number
		t.Errorf("the events are %v", got)
	}
	f.FakeClock.Advance(time.Minute)
	f.Report(a.Spec.PhoneNumber, report.Limit, "2000")
	f.Settle()
	got := f.Reasons()
	slices.Sort(got)
	if !slices.Equal(got, []string{"LimitReported", "TierUpgraded", "TierUpgraded"}) {
		t.Errorf("the events are %v", got)
	}
	f.At(time.Hour) // of room
	if got := f.Reasons(); !slices.Equal(got, []string{"RestrictionLifted", "RestrictionLifted", "RestrictionLifted"}) {
		t.Errorf("the events are %v", got)
	}
}

func TestTwoResourcesForOneThing(t *testing.T) {
	f := controllertest.NewFleet(t)
	first := f.Template("offer")
	second := f.Template("offer")
	other := &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: f.Namespace + "-too"}, Spec: f.Portfolio.Spec}
	f.Must(f.Client.Create(f.Ctx, other))
	t.Cleanup(func() { _ = f.Direct.Delete(t.Context(), other) })
	f.Settle()
	f.Reconcile(lookup.PortfolioKey(other.Name))
	f.Must(f.Direct.Get(f.Ctx, client.ObjectKeyFromObject(other), other))
	stalled := func(conditions []metav1.Condition, reason string) int {
		if c := meta.FindStatusCondition(conditions, v1alpha1.ConditionStalled); c != nil && c.Reason == reason {
			return 1
		}
		return 0
	}
	// Made in the same second, the UID decides which of the two counts.
	if n := stalled(first.Status.Conditions, v1alpha1.ReasonDuplicateTemplate) + stalled(second.Status.Conditions, v1alpha1.ReasonDuplicateTemplate); n != 1 {
		t.Errorf("%d of two templates are stalled", n)
	}
	if n := stalled(f.Portfolio.Status.Conditions, v1alpha1.ReasonDuplicatePortfolio) + stalled(other.Status.Conditions, v1alpha1.ReasonDuplicatePortfolio); n != 1 {
		t.Errorf("%d of two portfolios are stalled", n)
	}
	if !slices.Contains(f.Reasons(), "DuplicateTemplate") {
		t.Error("there is no event about it")
	}
}

// A limit that was mistyped in a policy, and mended, is mended on the numbers as well.
func TestAMendedPolicyMendsItsTiers(t *testing.T) {
	b := controllertest.New(t)
	var policy v1alpha1.MessagingPolicy
	b.Must(b.Direct.Get(b.Ctx, client.ObjectKey{Name: "taqnyat"}, &policy))
	policy.ObjectMeta = metav1.ObjectMeta{Name: "mended-" + b.Namespace}
	b.Must(b.Client.Create(b.Ctx, &policy))
	number := b.Create(policy.Name)
	b.Evaluate(number)
	for _, limit := range []int64{999, 250} {
		policy.Spec.Tiers[0].Limit = limit
		b.Must(b.Client.Update(b.Ctx, &policy))
		b.FakeClock.Advance(time.Minute)
		b.Evaluate(number)
		if number.Status.Tier.Name != "0" || number.Status.Tier.Limit != limit {
			t.Errorf("with a limit of %d in the policy the number shows %+v", limit, number.Status.Tier)
		}
	}
	if got := controllertest.Told(number.Status.History); !slices.Equal(got, []string{"03-02 09:01:00 TierUpgraded 0 -> 0", "03-02 09:02:00 TierDowngraded 0 -> 0"}) {
		t.Errorf("the history is %v", got)
	}
}
