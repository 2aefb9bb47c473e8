package controllers

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ingest"
	"numberfleet.dev/numberfleet/internal/ingest/webhook"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/report"
)

const messaging = "RESTRICTED_BIZ_INITIATED_MESSAGING"

// webhooks gives what Meta posts to a receiver in front of the bench's ledger.
func (b *bench) webhooks() func(body []byte) {
	b.t.Helper()
	dir := b.t.TempDir()
	for name, value := range map[string]string{webhook.AppSecretFile: "a secret of the app", webhook.VerifyTokenFile: "a token"} {
		b.must(os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600))
	}
	receiver, err := webhook.NewReceiver(webhook.Options{
		Credentials: webhook.NewCredentials(dir, logr.Discard()), Clock: b.clock, Metrics: prometheus.NewRegistry(), Log: logr.Discard(),
	})
	b.must(err)
	receiver.SetBackend(&ingest.Backend{Ledger: b.Ledger, Hasher: ledger.OpenMemory().Hasher()})
	return func(body []byte) {
		b.t.Helper()
		req := httptest.NewRequest(http.MethodPost, webhook.DefaultPath, bytes.NewReader(body))
		req.Header.Set("X-Hub-Signature-256", metatest.Sign("a secret of the app", body))
		w := httptest.NewRecorder()
		if receiver.ServeHTTP(w, req); w.Code != http.StatusOK {
			b.t.Fatalf("the webhook is answered by %d %s", w.Code, w.Body)
		}
	}
}

// ownAccount is the id of an account that no other test names.
func ownAccount() string { return "9" + strings.TrimLeft(newNumber(), "+") }

func inAccount(id string) func(*v1alpha1.PhoneNumber) {
	return func(n *v1alpha1.PhoneNumber) { n.Spec.Business.WhatsAppBusinessAccountID = id }
}

func (b *bench) expectCondition(number *v1alpha1.PhoneNumber, conditionType, reason, sentence string) {
	b.t.Helper()
	if is := meta.FindStatusCondition(number.Status.Conditions, conditionType); is == nil || is.Reason != reason || !strings.Contains(is.Message, sentence) {
		b.t.Errorf("the condition is %+v, not %s: %s", is, reason, sentence)
	}
}

// A restriction of the account restricts all its numbers, whoever has their limit, until it ends; and no others.
func TestARestrictionOfAnAccountReachesItsNumbers(t *testing.T) {
	f := newFleet(t)
	id, post := ownAccount(), f.webhooks()
	alone, member, other := f.create("netcore", inAccount(id)), f.number(inAccount(id)), f.number()
	f.numbers = append(f.numbers, alone)
	f.settle()
	f.clock.advance(time.Minute)
	until := f.clock.Now().Add(72 * time.Hour)
	post(metatest.RestrictionPayload(id, f.clock.Now(),
		metatest.Restriction{Type: messaging, Expiration: until.Format("2006-01-02T15:04:05-0700"), Remediation: "Wait."},
		metatest.Restriction{Type: "RESTRICTED_UTILITY_TEMPLATES", Expiration: until.Add(-24 * time.Hour).Unix()},
		metatest.Restriction{Type: "RESTRICTED_ADD_PHONE_NUMBER_ACTION"},
	))
	for _, subject := range []string{report.AccountSubject(id).String(), "account/of nobody"} {
		requests, err := f.concerned(f.ctx, subject)
		f.must(err)
		if want := 2 * (1 - strings.Count(subject, "nobody")); len(requests) != want {
			t.Errorf("%s is about %v", subject, requests)
		}
	}
	f.settle()
	for _, n := range []*v1alpha1.PhoneNumber{alone, member} {
		s := n.Status
		if s.State != v1alpha1.StateRestricted || !s.Restriction.UntilTime.Time.Equal(until) || s.Restriction.Source != v1alpha1.FromReport || s.Restriction.Reason != messaging {
			t.Errorf("a number shows %s, %+v", s.State, s.Restriction)
		}
		if s.Account.ID != id || len(s.Account.Restrictions) != 3 || s.Account.Restrictions[0].Reason != "Wait." || !s.NextDeadlineTime.Time.Equal(until) {
			t.Errorf("it shows %+v, next %s", s.Account, s.NextDeadlineTime)
		}
		f.expectCondition(n, v1alpha1.ConditionRestricted, v1alpha1.ReasonAccountRestricted, "The restriction ends at 2026-03-05 09:01:00 UTC.")
		f.expectCondition(n, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonNothingReported, "")
		if result := f.reconcile(n); result.RequeueAfter != 48*time.Hour {
			t.Errorf("it wakes in %s, when the first restriction ends", result.RequeueAfter)
		}
	}
	if other.Status.State != v1alpha1.StateConnected || f.portfolio.Status.Restriction.Source != "" || *f.portfolio.Status.Numbers != 2 {
		t.Errorf("another account shows %s, the portfolio %+v", other.Status.State, f.portfolio.Status.Restriction)
	}
	f.at(48 * time.Hour)
	if s := member.Status; len(s.Account.Restrictions) != 2 || s.State != v1alpha1.StateRestricted {
		t.Errorf("after one has ended it shows %+v", s.Account)
	}
	f.at(25 * time.Hour) // an hour late
	for _, n := range []*v1alpha1.PhoneNumber{alone, member} {
		f.expect("history", told(n.Status.History), []string{"03-02 09:01:00 Restricted", "03-05 09:01:00 RestrictionLifted"})
		if s := n.Status; s.State != v1alpha1.StateConnected || len(s.Account.Restrictions) != 1 {
			t.Errorf("after its end it shows %s, %+v", s.State, s.Account)
		}
	}
	version := alone.ResourceVersion
	f.at(time.Hour)
	if alone.ResourceVersion != version {
		t.Error("what is known already is written again")
	}
	// Of one second, one after the other: what came and went within it is told once.
	post(metatest.RestrictionPayload(id, f.clock.Now(), metatest.Restriction{Type: messaging}))
	post(metatest.RestrictionPayload(id, f.clock.Now()))
	f.settle()
	f.at(time.Minute)
	if member.Status.State != v1alpha1.StateConnected || len(member.Status.History) != 4 {
		t.Errorf("it is %s after %v", member.Status.State, told(member.Status.History))
	}
	if s := member.Status; len(s.Account.Restrictions) != 0 {
		t.Errorf("after Meta reports none it shows %+v", s.Account)
	}
}

func TestWhatMetaSaysOfAnAccountShowsOnItsNumbers(t *testing.T) {
	b := newBench(t)
	id, post := ownAccount(), b.webhooks()
	phoneID := ownAccount()
	number := b.create("netcore", inAccount(id), func(n *v1alpha1.PhoneNumber) { n.Spec.PhoneNumberID = phoneID })
	b.reconcile(number)
	later := func() time.Time { b.clock.advance(time.Minute); return b.clock.Now() }
	post(metatest.ReviewPayload(id, "PENDING", later()))
	post(metatest.ReviewPayload(id, "APPROVED", later()))
	post(metatest.ReviewPayload(id, "REJECTED", b.clock.Now().Add(-time.Hour))) // too late to matter
	post(metatest.ViolationPayload(id, "SCAM", later()))
	post(metatest.BanPayload(id, "SCHEDULE_FOR_DISABLE", "April 17, 2025", later()))
	post(metatest.NameUpdatePayload(number.Spec.PhoneNumber, "REJECTED", "acme", "NAME_FORMAT_UNACCEPTABLE", later()))
	post(metatest.AlertPayload("PHONE_NUMBER", phoneID, "OBA_APPROVED", "It has a badge now.", later()))
	if requests, err := b.concerned(b.ctx, report.NumberIDSubject(phoneID).String()); err != nil || len(requests) != 1 {
		t.Errorf("an alert is about %v, %v", requests, err)
	}
	b.reconcile(number)
	s := number.Status
	for name, is := range map[string]v1alpha1.Statement{
		"Approved": s.Account.Review, "SCAM": s.Account.Violation, "SCHEDULE_FOR_DISABLE April 17, 2025": s.Account.Ban,
		"Rejected NAME_FORMAT_UNACCEPTABLE": s.DisplayName, "OBA_APPROVED It has a badge now.": s.Alert,
	} {
		if got := strings.TrimSpace(is.Value + " " + is.Reason); got != name || is.ReportedTime.IsZero() {
			t.Errorf("it shows %q at %s, not %q", got, is.ReportedTime, name)
		}
	}
	if s.State != v1alpha1.StateConnected || len(s.History) != 0 {
		t.Errorf("a ban to come makes it %s: %v", s.State, told(s.History))
	}

	post(metatest.BanPayload(id, "DISABLE", "April 17, 2025", later()))
	b.reconcile(number)
	if number.Status.State != v1alpha1.StateBlocked || number.Status.Account.Ban.Value != "DISABLE" {
		t.Errorf("disabled it is %s, %+v", number.Status.State, number.Status.Account.Ban)
	}
	post(metatest.BanPayload(id, "REINSTATE", "", later()))
	b.reconcile(number)
	post(metatest.AccountEventPayload(id, "ACCOUNT_OFFBOARDED", later()))
	b.reconcile(number)
	post(metatest.AccountEventPayload(id, "ACCOUNT_RECONNECTED", later()))
	b.reconcile(number)
	want := []string{"Blocked", "Unblocked", "ConnectionChanged", "ConnectionChanged"}
	var got []string
	for _, tr := range number.Status.History {
		got = append(got, string(tr.Reason))
	}
	if !slices.Equal(got, want) || number.Status.State != v1alpha1.StateConnected || number.Status.History[2].Message != "Meta reports the number as Offline, it was Connected: ACCOUNT_OFFBOARDED" {
		t.Errorf("it is %s after %+v", number.Status.State, number.Status.History)
	}

	// A number that names the account only now has the last word of it, and no part in what came and went.
	newcomer := b.create("netcore")
	b.reconcile(newcomer)
	b.clock.advance(time.Minute)
	newcomer.Spec.Business.WhatsAppBusinessAccountID = id
	b.must(b.Client.Update(b.ctx, newcomer))
	b.reconcileUntil(newcomer, func() bool { return newcomer.Status.Account.ID == id })
	if s := newcomer.Status; s.State != v1alpha1.StateConnected || len(s.History) != 0 || s.Account.Violation.Value != "SCAM" {
		t.Errorf("a number that comes shows %s, %+v, %v", s.State, s.Account, told(s.History))
	}
	// One that goes leaves the account's restriction behind, and takes none of its words along.
	post(metatest.RestrictionPayload(id, later(), metatest.Restriction{Type: messaging}))
	b.reconcile(newcomer)
	if newcomer.Status.State != v1alpha1.StateRestricted {
		t.Errorf("without an end it is %s", newcomer.Status.State)
	}
	b.expectCondition(newcomer, v1alpha1.ConditionRestricted, v1alpha1.ReasonAccountRestricted, "The restriction ends by Meta's word.")
	newcomer.Spec.Business.WhatsAppBusinessAccountID = ownAccount()
	b.must(b.Client.Update(b.ctx, newcomer))
	b.clock.advance(time.Minute)
	b.reconcileUntil(newcomer, func() bool { return newcomer.Status.State == v1alpha1.StateConnected })
	if s := newcomer.Status; s.Account.Violation.Value != "" || len(s.Account.Restrictions) != 0 || s.Account.ID == id {
		t.Errorf("in another account it shows %+v", s.Account)
	}
}

// What Meta says of an account's limit and verification is its portfolio's.
func TestTheLimitOfAnAccountIsItsPortfolios(t *testing.T) {
	f := newFleet(t)
	id, post := ownAccount(), f.webhooks()
	member, own := f.number(inAccount(id)), f.create("netcore", inAccount(id))
	alone := f.create("", inAccount(id)) // a portfolio of its own
	f.numbers = append(f.numbers, own, alone)
	f.settle()
	if requests, err := f.portfolios.concerned(f.ctx, report.AccountSubject(id).String()); err != nil || len(requests) != 1 {
		t.Errorf("it is about %v, %v", requests, err)
	}
	f.clock.advance(time.Minute)
	f.deliver(member.Spec.PhoneNumber, 10)
	post(metatest.AccountAlertPayload(f.portfolio.Spec.PortfolioID, "INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED", "Not yet.", f.clock.Now()))
	post(metatest.AlertPayload("BUSINESS", f.portfolio.Spec.PortfolioID, "PROFILE_PICTURE_LOST", "", f.clock.Now()))
	f.settle()
	if s := f.portfolio.Status; s.Increase.Decision != v1alpha1.IncreaseDeferred || s.Alert.Value != "PROFILE_PICTURE_LOST" {
		t.Fatalf("the portfolio shows %+v, %+v", s.Increase, s.Alert)
	}
	f.clock.advance(time.Minute)
	post(metatest.CapabilityPayload(id, "TIER_10K", f.clock.Now()))
	f.settle()
	if s := f.portfolio.Status; s.Tier.Name != "10K" || s.Tier.Source != v1alpha1.FromReport || s.Increase.Decision != "" {
		t.Errorf("the portfolio shows %+v, %+v", s.Tier, s.Increase)
	}
	if member.Status.Tier.Name != "10K" || alone.Status.Tier.Name != "10K" || own.Status.Tier.Name != "1" {
		t.Errorf("a member shows %s, a number alone %s, one with a limit of its own %s", member.Status.Tier.Name, alone.Status.Tier.Name, own.Status.Tier.Name)
	}
	f.clock.advance(time.Minute)
	post(metatest.CapabilityPayload(id, -1, f.clock.Now()))
	post(metatest.CertificationPayload(id, f.portfolio.Spec.PortfolioID, "APPROVED", f.clock.Now()))
	f.settle()
	if s := f.portfolio.Status; s.Tier.Name != "Unlimited" || s.Verification.State != v1alpha1.Verified || alone.Status.Tier.Name != "Unlimited" ||
		alone.Status.Verification.State != v1alpha1.Verified || own.Status.Verification.Source != v1alpha1.FromReport {
		t.Errorf("the portfolio shows %+v, %+v, a number alone %+v, %+v", s.Tier, s.Verification, alone.Status.Tier, alone.Status.Verification)
	}
	version := f.portfolio.ResourceVersion
	f.at(time.Minute)
	if f.portfolio.ResourceVersion != version {
		t.Error("what is known already is written again")
	}
}

// Where a report and the policy disagree, both are kept and a condition says so, at the instant at which it is certain.
func TestWhetherTheRulesAgree(t *testing.T) {
	f := newFleet(t)
	number, post := f.number(), f.webhooks()
	f.settle()
	f.expectCondition(number, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonNothingReported, "")
	f.clock.advance(time.Minute)
	f.report(portfolioSubject(f.portfolio).String(), report.Limit, "250")
	f.settle()
	f.expectCondition(number, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonAgreed, "")

	f.clock.advance(time.Minute)
	f.report(number.Spec.PhoneNumber, report.Limit, "2000")
	f.settle()
	const differ = "Meta reports a limit of 2000, and by the policy it was 250 at 2026-03-02 09:02:00 UTC."
	f.expectCondition(number, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonWithinDelay, differ)
	if c := f.portfolio.Status.Tier.Concluded; c.Name != "250" || c.Limit != 250 || c != number.Status.Tier.Concluded {
		t.Errorf("the policy concluded %+v, by the number %+v", c, number.Status.Tier.Concluded)
	}
	for _, result := range []time.Duration{f.reconcile(number).RequeueAfter, f.reconcilePortfolio(f.portfolio).RequeueAfter} {
		if result != 6*time.Hour {
			t.Errorf("it is certain in %s", result)
		}
	}
	f.at(6*time.Hour - time.Second)
	f.expectCondition(number, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonWithinDelay, differ)
	f.at(time.Second)
	f.expectCondition(number, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonLimitDiffers, differ)
	if is := meta.FindStatusCondition(f.portfolio.Status.Conditions, v1alpha1.ConditionRulesAgree); is == nil || is.Reason != v1alpha1.ReasonLimitDiffers || is.Message != differ {
		t.Errorf("the portfolio shows %+v", is)
	}
	if !slices.ContainsFunc(number.Status.Explanation, func(s string) bool {
		return strings.Contains(s, "Meta reported it. By the policy it was 250")
	}) {
		t.Errorf("it says %q", number.Status.Explanation)
	}

	f.clock.advance(time.Minute)
	f.report(number.Spec.PhoneNumber, report.Limit, "250")
	f.report(number.Spec.PhoneNumber, report.Connection, "LINKED")
	f.settle()
	f.expectCondition(number, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonNotUnderstood, `Meta reported the state "LINKED" at 2026-03-02 15:03:00 UTC, which says nothing to the rules.`)
	if number.Status.State != v1alpha1.StateConnected || number.Status.Tier.Concluded.Name != "" {
		t.Errorf("it is %s, and the policy concluded %+v", number.Status.State, number.Status.Tier.Concluded)
	}
	f.clock.advance(time.Minute)
	f.report(number.Spec.PhoneNumber, report.Connection, "Restricted")
	f.settle()
	f.expectCondition(number, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonStateDiffers, "by the policy it is not")
	f.clock.advance(time.Minute)
	post(metatest.QualityUpdatePayload(number.Spec.PhoneNumber, "UNFLAGGED", "", f.clock.Now()))
	f.settle()
	f.expectCondition(number, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonAgreed, "")

	silent := f.create("botmaker", func(n *v1alpha1.PhoneNumber) { n.Spec.Business = v1alpha1.Business{Name: "Acme"} })
	f.reconcile(silent)
	f.clock.advance(time.Minute)
	f.report(silent.Spec.PhoneNumber, report.Quality, "High")
	f.reconcile(silent)
	f.expectCondition(silent, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonQualityDiffers, "it has no direct way to a human")
}

// A report from ahead of the clock, which may be off, is heard when the clock is there, once.
func TestAReportOfAnAccountFromAheadWaits(t *testing.T) {
	b := newBench(t)
	id := ownAccount()
	number := b.create("netcore", inAccount(id))
	b.reconcile(number)
	at := b.clock.Now().Add(10 * time.Minute)
	b.webhooks()(metatest.BanPayload(id, "DISABLE", "", at))
	result := b.reconcile(number)
	if number.Status.State != v1alpha1.StateConnected || number.Status.Account.Ban.Value != "" || result.RequeueAfter != 10*time.Minute {
		t.Errorf("ahead of its time it is %s, and wakes in %s", number.Status.State, result.RequeueAfter)
	}
	b.clock.advance(10 * time.Minute)
	b.reconcile(number)
	if number.Status.State != v1alpha1.StateBlocked || number.Status.Account.Ban.Value != "DISABLE" {
		t.Errorf("at its time it is %s", number.Status.State)
	}
	if got := history(number); !slices.Equal(got, []string{"2026-03-02 09:10:00 Blocked"}) {
		t.Errorf("its history is %q", got)
	}
}
