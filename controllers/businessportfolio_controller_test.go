package controllers

import (
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// fleet is a bench with a portfolio, its numbers and templates, which are reconciled step by step.
type fleet struct {
	*bench
	portfolios *BusinessPortfolioReconciler
	templater  *MessageTemplateReconciler
	portfolio  *v1alpha1.BusinessPortfolio
	numbers    []*v1alpha1.PhoneNumber
	templates  []*v1alpha1.MessageTemplate
}

// newFleet makes a portfolio, governed by the default policy unless the change says otherwise, that is named as the test's
// namespace.
func newFleet(t *testing.T, change ...func(*v1alpha1.BusinessPortfolioSpec)) *fleet {
	t.Helper()
	f := &fleet{bench: newBench(t)}
	f.portfolios = &BusinessPortfolioReconciler{Operator{Client: f.Client, Cache: f.Cache, Clock: f.clock, Ledger: f.Ledger, Samples: f.Samples, Receipts: f.Receipts, Presence: f.Presence, Recorder: f.recorder, Metrics: f.Metrics, Throttle: unthrottled()}}
	f.templater = &MessageTemplateReconciler{Operator{Client: f.Client, Cache: f.Cache, Clock: f.clock, Ledger: f.Ledger, Samples: f.Samples, Receipts: f.Receipts, Presence: f.Presence, Recorder: f.recorder, Metrics: f.Metrics, Throttle: unthrottled()}}
	f.portfolio = &v1alpha1.BusinessPortfolio{
		ObjectMeta: metav1.ObjectMeta{Name: f.namespace},
		Spec:       v1alpha1.BusinessPortfolioSpec{PortfolioID: strings.TrimLeft(newNumber(), "+"), DisplayName: "Acme"},
	}
	for _, c := range change {
		c(&f.portfolio.Spec)
	}
	f.must(f.Client.Create(f.ctx, f.portfolio))
	t.Cleanup(func() { _ = f.direct.Delete(t.Context(), f.portfolio) })
	return f
}

const account = "200100"

// number adds a number to the portfolio.
func (f *fleet) number(change ...func(*v1alpha1.PhoneNumber)) *v1alpha1.PhoneNumber {
	f.t.Helper()
	number := f.create("", append([]func(*v1alpha1.PhoneNumber){func(n *v1alpha1.PhoneNumber) {
		n.Spec.Business.Portfolio, n.Spec.Business.WhatsAppBusinessAccountID = f.portfolio.Name, account
	}}, change...)...)
	f.numbers = append(f.numbers, number)
	return number
}

func (f *fleet) template(name string, change ...func(*v1alpha1.MessageTemplateSpec)) *v1alpha1.MessageTemplate {
	f.t.Helper()
	template := &v1alpha1.MessageTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, GenerateName: "template-"},
		Spec:       v1alpha1.MessageTemplateSpec{TemplateName: name + "_" + strings.ReplaceAll(f.namespace, "-", "_"), Language: "en_US", WhatsAppBusinessAccountID: account},
	}
	for _, c := range change {
		c(&template.Spec)
	}
	f.must(f.Client.Create(f.ctx, template))
	f.templates = append(f.templates, template)
	return template
}

// settle reconciles everything until what one sees of the other has arrived.
func (f *fleet) settle() {
	f.t.Helper()
	run := func(reconcile func() (ctrl.Result, error), object client.Object) {
		f.t.Helper()
		for {
			result, err := reconcile()
			f.must(err)
			if result.RequeueAfter != 100*time.Millisecond { // a conflict
				break
			}
		}
		if err := f.direct.Get(f.ctx, client.ObjectKeyFromObject(object), object); err != nil && !apierrors.IsNotFound(err) {
			f.t.Fatal(err)
		}
	}
	for range 3 {
		for _, t := range f.templates {
			run(func() (ctrl.Result, error) { return f.templater.Reconcile(f.ctx, request(t)) }, t)
		}
		for _, n := range f.numbers {
			run(func() (ctrl.Result, error) { return f.Reconcile(f.ctx, request(n)) }, n)
		}
		run(func() (ctrl.Result, error) { return f.portfolios.Reconcile(f.ctx, request(f.portfolio)) }, f.portfolio)
	}
	for _, n := range f.numbers {
		run(func() (ctrl.Result, error) { return f.Reconcile(f.ctx, request(n)) }, n)
	}
}

func (f *fleet) at(d time.Duration) {
	f.t.Helper()
	f.clock.advance(d)
	f.settle()
}

// told are the transitions of a history, with from and to.
func told(history []v1alpha1.Transition) []string {
	var lines []string
	for _, t := range history {
		lines = append(lines, strings.TrimSuffix(t.Time.UTC().Format("01-02 15:04:05")+" "+string(t.Reason)+" "+t.From+" -> "+t.To, "  -> "))
	}
	return lines
}

func (f *fleet) expect(what string, got, want []string) {
	f.t.Helper()
	if !slices.Equal(got, want) {
		f.t.Errorf("%s:\n  %s\nnot\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestNumbersOfAPortfolioShareItsLimit(t *testing.T) {
	f := newFleet(t)
	a, b := f.number(), f.number()
	f.settle()
	for _, n := range f.numbers {
		if n.Status.Tier.Name != "250" || n.Status.Portfolio != f.portfolio.Name || !meta.IsStatusConditionTrue(n.Status.Conditions, v1alpha1.ConditionReady) {
			t.Fatalf("a new number shows %+v", n.Status)
		}
	}
	// 150 users each, 50 of them the same ones.
	f.clock.advance(5 * time.Minute)
	f.deliver(a.Spec.PhoneNumber, 150)
	f.message -= 50
	f.deliver(b.Spec.PhoneNumber, 150)
	f.at(time.Minute)
	p := &f.portfolio.Status
	if *p.Usage.Used != 250 || *p.Usage.Remaining != 0 || *p.Numbers != 2 || p.Restriction.SinceTime.IsZero() || p.Usage.OwnUsed != nil {
		t.Errorf("the portfolio shows %+v", p)
	}
	for _, n := range f.numbers {
		s := &n.Status
		if s.State != v1alpha1.StateRestricted || *s.Usage.Used != 250 || *s.Usage.OwnUsed != 150 || s.Tier.Limit != 250 ||
			!meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionRestricted) {
			t.Errorf("a number shows %+v", s)
		}
		if len(s.History) > 0 {
			t.Errorf("what happened to the portfolio stands in a number's history: %v", told(s.History))
		}
	}
	if p.NextStep != "2K: 1750 more unique users within 30 d" {
		t.Errorf("the next step is %q", p.NextStep)
	}
	if !strings.Contains(strings.Join(a.Status.Explanation, "\n"), "The limit is that of portfolio "+f.portfolio.Name) {
		t.Errorf("the number says %q", a.Status.Explanation)
	}
	// A number that comes later has the limit, and what is left of it, at once.
	c := f.number()
	f.settle()
	if c.Status.State != v1alpha1.StateRestricted || *c.Status.Usage.Used != 250 || *c.Status.Usage.OwnUsed != 0 {
		t.Errorf("the third number shows %+v", c.Status)
	}
	f.at(25 * time.Hour)
	if *f.portfolio.Status.Usage.Used != 0 || a.Status.State != v1alpha1.StateConnected {
		t.Errorf("a day later the portfolio shows %+v", f.portfolio.Status)
	}
	f.expect("the portfolio's history", told(f.portfolio.Status.History), []string{"03-02 09:05:00 Restricted", "03-03 10:02:31 RestrictionLifted"})

	// At rest nothing is written.
	versions := []string{a.ResourceVersion, b.ResourceVersion, f.portfolio.ResourceVersion}
	f.at(time.Hour)
	f.at(time.Hour)
	if now := []string{a.ResourceVersion, b.ResourceVersion, f.portfolio.ResourceVersion}; !slices.Equal(versions, now) {
		t.Errorf("a fleet at rest was written: %v, then %v", versions, now)
	}
}

func TestAPortfolioRisesByTheQualityOfAll(t *testing.T) {
	f := newFleet(t, func(s *v1alpha1.BusinessPortfolioSpec) { s.Verification = v1alpha1.Verified })
	a, b := f.number(), f.number()
	template := f.template("offer", func(s *v1alpha1.MessageTemplateSpec) { s.PolicyName = "chat-api" })
	f.settle()
	if f.portfolio.Status.Tier.Name != "2K" {
		t.Fatalf("a verified portfolio starts at %q", f.portfolio.Status.Tier.Name)
	}
	f.deliver(a.Spec.PhoneNumber, 600)
	f.deliver(b.Spec.PhoneNumber, 400)
	f.settle()
	f.expect("history", told(f.portfolio.Status.History), []string{"03-02 09:00:00 UpgradePending 2K -> 10K"})
	// One number's rating is enough to cancel it, though it recovers before anyone looks.
	f.clock.advance(time.Hour)
	f.report(b.Spec.PhoneNumber, report.Quality, "Medium")
	f.clock.advance(time.Minute)
	f.report(b.Spec.PhoneNumber, report.Quality, "High")
	f.settle()
	f.expect("history", told(f.portfolio.Status.History), []string{
		"03-02 09:00:00 UpgradePending 2K -> 10K", "03-02 10:00:00 UpgradeCancelled 2K -> 10K", "03-02 10:01:00 UpgradePending 2K -> 10K"})
	// And so is one template's.
	f.clock.advance(time.Hour)
	f.report(templateSubject(template).String(), report.Quality, "Low")
	f.settle()
	if q := f.portfolio.Status.Quality; q.Rating != v1alpha1.QualityLow || q.Reason != "template "+template.Name {
		t.Errorf("the portfolio's quality is %+v", q)
	}
	if len(f.portfolio.Status.History) != 4 || f.portfolio.Status.History[3].Reason != v1alpha1.ReasonUpgradeCancelled {
		t.Errorf("the template's rating changes nothing: %v", told(f.portfolio.Status.History))
	}
	if got := a.Status.Templates; len(got) != 1 || got[0].Name != template.Name || got[0].State != v1alpha1.TemplateFlagged || got[0].Rating != v1alpha1.QualityLow {
		t.Errorf("the number shows the templates %+v", got)
	}
	// Edited, it is in review and holds nobody back; six hours later the tier rises for all.
	f.clock.advance(time.Hour)
	f.report(templateSubject(template).String(), report.TemplateState, "Edited")
	f.settle()
	f.at(6 * time.Hour)
	if f.portfolio.Status.Tier.Name != "10K" || a.Status.Tier.Name != "10K" || b.Status.Tier.Limit != 10000 {
		t.Errorf("the tier is %+v, and %+v on a number; %v", f.portfolio.Status.Tier, a.Status.Tier, told(f.portfolio.Status.History))
	}
}

func TestWhatMetaReportsOfAPortfolio(t *testing.T) {
	f := newFleet(t)
	a := f.number()
	f.settle()
	f.clock.advance(time.Minute)
	f.deliver(a.Spec.PhoneNumber, 10)
	f.report(a.Spec.PhoneNumber, report.Verification, "Verified")
	f.settle()
	if s := f.portfolio.Status; s.Tier.Name != "2K" || s.Tier.Source != v1alpha1.FromVerification || s.Verification.Source != v1alpha1.FromReport {
		t.Errorf("what was reported of a number's verification leaves %+v", s.Tier)
	}
	f.clock.advance(time.Hour)
	f.report(a.Spec.PhoneNumber, report.Limit, "100000")
	f.settle()
	if a.Status.Tier.Name != "100K" || a.Status.Tier.Source != v1alpha1.FromReport {
		t.Errorf("what was reported of a number's limit leaves %+v", a.Status.Tier)
	}
	f.clock.advance(time.Hour)
	now := f.clock.Now()
	_, err := f.Ledger.Append(f.ctx, counts.Batch{Reports: []report.Report{{Subject: portfolioSubject(f.portfolio), Kind: report.Increase,
		Value: "Deferred", Reason: "More time is needed.", At: now.Unix()}}}, now)
	f.must(err)
	f.settle()
	if i := f.portfolio.Status.Increase; i.Decision != v1alpha1.IncreaseDeferred || i.Reason != "More time is needed." || !i.ReportedTime.Time.Equal(now) {
		t.Errorf("the deferred increase shows as %+v", i)
	}
	if m := f.portfolio.Status.Upgrade.Missing; len(m) != 2 || m[1] != "Meta put off an increase at 2026-03-02 11:01:00 UTC: More time is needed." {
		t.Errorf("missing are %q", m)
	}
}

func TestANumberBringsItsLimitIntoAPortfolio(t *testing.T) {
	f := newFleet(t)
	old := f.create("quality-based")
	f.reconcile(old)
	f.deliver(old.Spec.PhoneNumber, 500)
	f.reconcile(old)
	if old.Status.Tier.Name != "2" {
		t.Fatalf("before it joins it has %+v", old.Status.Tier)
	}
	f.number()
	f.settle()
	f.must(f.direct.Get(f.ctx, client.ObjectKeyFromObject(old), old))
	old.Spec.PolicyName, old.Spec.Business.Portfolio = "", f.portfolio.Name
	f.must(f.Client.Update(f.ctx, old))
	f.numbers = append(f.numbers, old)
	f.at(time.Minute)
	f.settle()
	for _, n := range f.numbers {
		if n.Status.Tier.Name != "10K" || *n.Status.Usage.Used != 500 {
			t.Errorf("after it joined a number shows %+v, %+v", n.Status.Tier, n.Status.Conditions)
		}
	}
	f.expect("history", told(f.portfolio.Status.History), []string{"03-02 09:01:00 TierUpgraded 250 -> 10K"})
}

func TestANumberThatLeavesKeepsTheLimit(t *testing.T) {
	f := newFleet(t, func(s *v1alpha1.BusinessPortfolioSpec) { s.Verification = v1alpha1.Verified })
	stays, leaves := f.number(), f.number()
	f.settle()
	f.deliver(leaves.Spec.PhoneNumber, 300)
	f.message -= 300
	f.deliver(stays.Spec.PhoneNumber, 200)
	f.at(time.Minute)
	if *f.portfolio.Status.Numbers != 2 || *f.portfolio.Status.Usage.Used != 300 {
		t.Fatalf("before it leaves the portfolio shows %+v", f.portfolio.Status.Usage)
	}
	leaves.Spec.Business.Portfolio = ""
	f.must(f.Client.Update(f.ctx, leaves))
	f.at(time.Minute)
	f.at(time.Minute)
	if s := f.portfolio.Status; *s.Numbers != 1 || *s.Usage.Used != 200 || s.Tier.Name != "2K" {
		t.Errorf("after it left the portfolio shows %d numbers, %d used, tier %s", *s.Numbers, *s.Usage.Used, s.Tier.Name)
	}
	if s := leaves.Status; s.Portfolio != "" || s.Tier.Name != "2K" || *s.Usage.Used != 300 || *s.Usage.OwnUsed != 300 {
		t.Errorf("the number that left shows %+v, %+v in %q", s.Tier, s.Usage, s.Portfolio)
	}
	// The number's own verification holds again, which says nothing of the portfolio's.
	f.expect("what is told of the number", told(leaves.Status.History), []string{"03-02 09:02:00 VerificationChanged"})
	f.expect("what is told of the portfolio", told(f.portfolio.Status.History), nil)
}

func TestWhatAPortfolioCannotShare(t *testing.T) {
	f := newFleet(t)
	f.settle()
	for _, test := range []struct {
		name, policy, portfolio, reason string
	}{
		{"a portfolio that does not exist", "", "nobody-" + f.namespace, v1alpha1.ReasonPortfolioNotFound},
		{"a policy other than the portfolio's", "own-" + f.namespace, f.portfolio.Name, v1alpha1.ReasonPolicyConflict},
		{"a policy of scope Number", "netcore", f.portfolio.Name, v1alpha1.ReasonEvaluated},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.reason == v1alpha1.ReasonPolicyConflict {
				var policy v1alpha1.MessagingPolicy
				f.must(f.direct.Get(f.ctx, client.ObjectKey{Name: "meta-2025"}, &policy))
				policy.ObjectMeta = metav1.ObjectMeta{Name: test.policy}
				f.must(f.Client.Create(f.ctx, &policy))
			}
			number := f.create(test.policy, func(n *v1alpha1.PhoneNumber) { n.Spec.Business.Portfolio = test.portfolio })
			f.reconcile(number)
			if ready := meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionReady); ready == nil || ready.Reason != test.reason {
				t.Errorf("it is %+v", ready)
			}
		})
	}
	f.portfolio.Spec.PolicyName = "netcore"
	f.must(f.Client.Update(f.ctx, f.portfolio))
	f.settle()
	if stalled := meta.FindStatusCondition(f.portfolio.Status.Conditions, v1alpha1.ConditionStalled); stalled == nil || stalled.Reason != v1alpha1.ReasonPolicyConflict {
		t.Errorf("a portfolio under a policy of scope Number is %+v", f.portfolio.Status.Conditions)
	}
}

func TestATemplateGoesThroughItsLadder(t *testing.T) {
	f := newFleet(t)
	f.number()
	template := f.template("offer")
	f.settle()
	if s := template.Status; s.State != v1alpha1.TemplateApproved || s.PolicyName != "meta-2025" || !meta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionSendable) {
		t.Fatalf("a new template shows %+v", s)
	}
	for range 3 {
		f.report(templateSubject(template).String(), report.Quality, "Low")
		f.settle()
		f.at(10 * time.Hour)
	}
	f.expect("history", told(template.Status.History), []string{
		"03-02 09:00:00 QualityChanged Unknown -> Low", "03-02 09:00:00 TemplatePaused", "03-02 12:00:00 TemplateResumed",
		"03-02 19:00:00 QualityChanged Unknown -> Low", "03-02 19:00:00 TemplatePaused", "03-03 01:00:00 TemplateResumed",
		"03-03 05:00:00 QualityChanged Unknown -> Low", "03-03 05:00:00 TemplateBlocked"})
	if s := template.Status; s.State != v1alpha1.TemplateBlocked || s.Pauses != 2 || s.Transitions != 8 || !meta.IsStatusConditionFalse(s.Conditions, v1alpha1.ConditionSendable) {
		t.Errorf("the template shows %+v", s)
	}
	if !slices.Contains(f.reasons(), "TemplateBlocked") {
		t.Error("there is no event about the block")
	}
	version := template.ResourceVersion
	f.at(24 * time.Hour)
	if template.ResourceVersion != version {
		t.Error("a template at rest was written")
	}
}

func TestFeedbackShowsWithItsReasons(t *testing.T) {
	b := newBench(t)
	var policy v1alpha1.MessagingPolicy
	b.must(b.direct.Get(b.ctx, client.ObjectKey{Name: "taqnyat"}, &policy))
	policy.ObjectMeta = metav1.ObjectMeta{Name: "feedback-" + b.namespace}
	policy.Spec.Quality.MediumPerThousand, policy.Spec.Quality.LowPerThousand = 20, 50
	b.must(b.Client.Create(b.ctx, &policy))
	number := b.create(policy.Name)
	b.reconcile(number)
	b.deliver(number.Spec.PhoneNumber, 100)
	complain := func(user int, kind v1alpha1.FeedbackKind, reason v1alpha1.FeedbackReason) {
		b.message++
		_, err := b.Ledger.Append(b.ctx, counts.Batch{Entries: []counts.Entry{{Number: number.Spec.PhoneNumber, Kind: counts.Complained, User: counts.UserKey(user),
			Message: counts.MessageKey(b.message), Did: counts.NewComplaint(kind, reason), At: b.clock.Now().Unix()}}}, b.clock.Now())
		b.must(err)
	}
	b.clock.advance(time.Minute)
	for user := 1; user <= 3; user++ {
		complain(user, v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam)
	}
	complain(1, v1alpha1.FeedbackReport, v1alpha1.FeedbackOther)
	b.reconcile(number)
	q := &number.Status.Quality
	if q.Rating != v1alpha1.QualityMedium || q.Reason != v1alpha1.ReasonUserFeedback || *q.Feedback.ComplainingUsers != 3 || *q.Feedback.ReachedUsers != 100 {
		t.Errorf("3 of 100 users complained, and the quality is %+v", q)
	}
	if i := q.Feedback.Insights; len(i) != 2 || i[0] != (v1alpha1.FeedbackInsight{Kind: "Block", Reason: "Spam", Users: 3}) || i[1] != (v1alpha1.FeedbackInsight{Kind: "Report", Reason: "Other", Users: 1}) {
		t.Errorf("the insights are %+v", i)
	}
	b.clock.advance(time.Minute)
	complain(4, v1alpha1.FeedbackMute, v1alpha1.FeedbackNoReason)
	complain(5, v1alpha1.FeedbackArchive, v1alpha1.FeedbackNoReason)
	b.reconcile(number)
	if number.Status.State != v1alpha1.StateFlagged || q.Rating != v1alpha1.QualityLow {
		t.Errorf("5 of 100 users complained, and the number is %s with %+v", number.Status.State, q)
	}
	// A reported rating wins for good.
	b.clock.advance(time.Minute)
	b.report(number.Spec.PhoneNumber, report.Quality, "High")
	b.reconcile(number)
	b.clock.advance(time.Hour)
	complain(6, v1alpha1.FeedbackBlock, v1alpha1.FeedbackSpam)
	b.reconcile(number)
	if q.Rating != v1alpha1.QualityHigh || q.Source != v1alpha1.FromReport || *q.Feedback.ComplainingUsers != 6 {
		t.Errorf("Meta reports High, and the quality is %+v", q)
	}
}

func TestAnAppealShowsBesideTheFlag(t *testing.T) {
	b := newBench(t)
	number := b.create("botmaker", func(n *v1alpha1.PhoneNumber) { n.Spec.Business.HumanEscalationPaths = nil })
	b.reconcile(number)
	if number.Status.State != v1alpha1.StateFlagged || number.Status.Quality.Reason != v1alpha1.ReasonLackingHumanAttention || number.Status.Flag.Appeal != "" {
		t.Fatalf("a number without a way to a human shows %+v", number.Status)
	}
	b.clock.advance(time.Hour)
	number.Spec.Appeal = v1alpha1.Appeal{State: v1alpha1.AppealOpen, OpenedTime: metav1.NewTime(b.clock.Now())}
	b.must(b.Client.Update(b.ctx, number))
	b.reconcile(number)
	flagged := meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionFlagged)
	if number.Status.Flag.Appeal != v1alpha1.AppealOpen || !strings.Contains(flagged.Message, "An appeal is open since 2026-03-02 10:00:00 UTC.") {
		t.Errorf("the open appeal shows as %q, %q", number.Status.Flag.Appeal, flagged.Message)
	}
	b.clock.advance(24 * time.Hour)
	number.Spec.Appeal.State, number.Spec.Appeal.DecidedTime = v1alpha1.AppealReversed, metav1.NewTime(b.clock.Now())
	b.must(b.Client.Update(b.ctx, number))
	b.reconcile(number)
	if q := number.Status.Quality; q.Rating == v1alpha1.QualityLow || number.Status.Flag.Appeal != v1alpha1.AppealReversed || number.Status.Flag.ClearTime.IsZero() {
		t.Errorf("after Meta agreed the number shows %+v, %+v", q, number.Status.Flag)
	}
}

// A number whose limit is shared has events about that limit, for people look at their own numbers first.
func TestWhatHappensToTheShareIsAnEventOnTheNumber(t *testing.T) {
	f := newFleet(t)
	a := f.number()
	f.number()
	f.settle()
	f.reasons()
	f.clock.advance(time.Minute)
	f.deliver(a.Spec.PhoneNumber, 250)
	f.settle()
	if got := f.reasons(); !slices.Equal(got, []string{"Restricted", "Restricted", "Restricted"}) { // the portfolio, and each number
		t.Errorf("the events are %v", got)
	}
	f.clock.advance(time.Minute)
	f.report(a.Spec.PhoneNumber, report.Limit, "2000")
	f.settle()
	got := f.reasons()
	slices.Sort(got)
	if !slices.Equal(got, []string{"LimitReported", "TierUpgraded", "TierUpgraded"}) {
		t.Errorf("the events are %v", got)
	}
	f.at(time.Hour) // of room
	if got := f.reasons(); !slices.Equal(got, []string{"RestrictionLifted", "RestrictionLifted", "RestrictionLifted"}) {
		t.Errorf("the events are %v", got)
	}
}

func TestTwoResourcesForOneThing(t *testing.T) {
	f := newFleet(t)
	first := f.template("offer")
	second := f.template("offer")
	other := &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: f.namespace + "-too"}, Spec: f.portfolio.Spec}
	f.must(f.Client.Create(f.ctx, other))
	t.Cleanup(func() { _ = f.direct.Delete(t.Context(), other) })
	f.settle()
	_, err := f.portfolios.Reconcile(f.ctx, request(other))
	f.must(err)
	f.must(f.direct.Get(f.ctx, client.ObjectKeyFromObject(other), other))
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
	if n := stalled(f.portfolio.Status.Conditions, v1alpha1.ReasonDuplicatePortfolio) + stalled(other.Status.Conditions, v1alpha1.ReasonDuplicatePortfolio); n != 1 {
		t.Errorf("%d of two portfolios are stalled", n)
	}
	if !slices.Contains(f.reasons(), "DuplicateTemplate") {
		t.Error("there is no event about it")
	}
}

// A limit that was mistyped in a policy, and mended, is mended on the numbers as well.
func TestAMendedPolicyMendsItsTiers(t *testing.T) {
	b := newBench(t)
	var policy v1alpha1.MessagingPolicy
	b.must(b.direct.Get(b.ctx, client.ObjectKey{Name: "taqnyat"}, &policy))
	policy.ObjectMeta = metav1.ObjectMeta{Name: "mended-" + b.namespace}
	b.must(b.Client.Create(b.ctx, &policy))
	number := b.create(policy.Name)
	b.reconcile(number)
	for _, limit := range []int64{999, 250} {
		policy.Spec.Tiers[0].Limit = limit
		b.must(b.Client.Update(b.ctx, &policy))
		b.clock.advance(time.Minute)
		b.reconcile(number)
		if number.Status.Tier.Name != "0" || number.Status.Tier.Limit != limit {
			t.Errorf("with a limit of %d in the policy the number shows %+v", limit, number.Status.Tier)
		}
	}
	if got := told(number.Status.History); !slices.Equal(got, []string{"03-02 09:01:00 TierUpgraded 0 -> 0", "03-02 09:02:00 TierDowngraded 0 -> 0"}) {
		t.Errorf("the history is %v", got)
	}
}
