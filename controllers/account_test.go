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
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	"numberfleet.dev/numberfleet/internal/report"
)

const messaging = "RESTRICTED_BIZ_INITIATED_MESSAGING"

// A restriction of the account restricts all its numbers, whoever has their limit, until it ends; and no others.
func TestARestrictionOfAnAccountReachesItsNumbers(t *testing.T) {
	f := controllertest.NewFleet(t)
	id, post := controllertest.OwnAccount(), f.Webhooks()
	alone, member, other := f.Create("netcore", controllertest.InAccount(id)), f.Number(controllertest.InAccount(id)), f.Number()
	f.Numbers = append(f.Numbers, alone)
	f.Settle()
	f.FakeClock.Advance(time.Minute)
	until := f.FakeClock.Now().Add(72 * time.Hour)
	post(metatest.RestrictionPayload(id, f.FakeClock.Now(),
		metatest.Restriction{Type: messaging, Expiration: until.Format("2006-01-02T15:04:05-0700"), Remediation: "Wait."},
		metatest.Restriction{Type: "RESTRICTED_UTILITY_TEMPLATES", Expiration: until.Add(-24 * time.Hour).Unix()},
		metatest.Restriction{Type: "RESTRICTED_ADD_PHONE_NUMBER_ACTION"},
	))
	for _, subject := range []string{report.AccountSubject(id).String(), "account/of nobody"} {
		requests := f.KeysFor(subject)
		if want := 2 * (1 - strings.Count(subject, "nobody")); len(requests) != want {
			t.Errorf("%s is about %v", subject, requests)
		}
	}
	f.Settle()
	for _, n := range []*v1alpha1.PhoneNumber{alone, member} {
		s := n.Status
		if s.State != v1alpha1.StateRestricted || !s.Restriction.UntilTime.Time.Equal(until) || s.Restriction.Source != v1alpha1.FromReport || s.Restriction.Reason != messaging {
			t.Errorf("a number shows %s, %+v", s.State, s.Restriction)
		}
		if s.Account.ID != id || len(s.Account.Restrictions) != 3 || s.Account.Restrictions[0].Reason != "Wait." || !s.NextDeadlineTime.Time.Equal(until) {
			t.Errorf("it shows %+v, next %s", s.Account, s.NextDeadlineTime)
		}
		f.ExpectCondition(n, v1alpha1.ConditionRestricted, v1alpha1.ReasonAccountRestricted, "The restriction ends at 2026-03-05 09:01:00 UTC.")
		f.ExpectCondition(n, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonNothingReported, "")
		if result := f.Evaluate(n); result.RequeueAfter != 48*time.Hour {
			t.Errorf("it wakes in %s, when the first restriction ends", result.RequeueAfter)
		}
	}
	if other.Status.State != v1alpha1.StateConnected || f.Portfolio.Status.Restriction.Source != "" || *f.Portfolio.Status.Numbers != 2 {
		t.Errorf("another account shows %s, the portfolio %+v", other.Status.State, f.Portfolio.Status.Restriction)
	}
	f.At(48 * time.Hour)
	if s := member.Status; len(s.Account.Restrictions) != 2 || s.State != v1alpha1.StateRestricted {
		t.Errorf("after one has ended it shows %+v", s.Account)
	}
	f.At(25 * time.Hour) // an hour late
	for _, n := range []*v1alpha1.PhoneNumber{alone, member} {
		f.Expect("history", controllertest.Told(n.Status.History), []string{"03-02 09:01:00 Restricted", "03-05 09:01:00 RestrictionLifted"})
		if s := n.Status; s.State != v1alpha1.StateConnected || len(s.Account.Restrictions) != 1 {
			t.Errorf("after its end it shows %s, %+v", s.State, s.Account)
		}
	}
	version := alone.ResourceVersion
	f.At(time.Hour)
	if alone.ResourceVersion != version {
		t.Error("what is known already is written again")
	}
	// Of one second, one after the other: what came and went within it is told once.
	post(metatest.RestrictionPayload(id, f.FakeClock.Now(), metatest.Restriction{Type: messaging}))
	post(metatest.RestrictionPayload(id, f.FakeClock.Now()))
	f.Settle()
	f.At(time.Minute)
	if member.Status.State != v1alpha1.StateConnected || len(member.Status.History) != 4 {
		t.Errorf("it is %s after %v", member.Status.State, controllertest.Told(member.Status.History))
	}
	if s := member.Status; len(s.Account.Restrictions) != 0 {
		t.Errorf("after Meta reports none it shows %+v", s.Account)
	}
}

func TestWhatMetaSaysOfAnAccountShowsOnItsNumbers(t *testing.T) {
	b := controllertest.New(t)
	id, post := controllertest.OwnAccount(), b.Webhooks()
	phoneID := controllertest.OwnAccount()
	number := b.Create("netcore", controllertest.InAccount(id), func(n *v1alpha1.PhoneNumber) { n.Spec.PhoneNumberID = phoneID })
	b.Evaluate(number)
	later := func() time.Time { b.FakeClock.Advance(time.Minute); return b.FakeClock.Now() }
	post(metatest.ReviewPayload(id, "PENDING", later()))
	post(metatest.ReviewPayload(id, "APPROVED", later()))
	post(metatest.ReviewPayload(id, "REJECTED", b.FakeClock.Now().Add(-time.Hour))) // too late to matter
	post(metatest.ViolationPayload(id, "SCAM", later()))
	post(metatest.BanPayload(id, "SCHEDULE_FOR_DISABLE", "April 17, 2025", later()))
	post(metatest.NameUpdatePayload(number.Spec.PhoneNumber, "REJECTED", "acme", "NAME_FORMAT_UNACCEPTABLE", later()))
	post(metatest.AlertPayload("PHONE_NUMBER", phoneID, "OBA_APPROVED", "It has a badge now.", later()))
	if requests := b.KeysFor(report.NumberIDSubject(phoneID).String()); len(requests) != 1 {
		t.Errorf("an alert is about %v", requests)
	}
	b.Evaluate(number)
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
		t.Errorf("a ban to come makes it %s: %v", s.State, controllertest.Told(s.History))
	}

	post(metatest.BanPayload(id, "DISABLE", "April 17, 2025", later()))
	b.Evaluate(number)
	if number.Status.State != v1alpha1.StateBlocked || number.Status.Account.Ban.Value != "DISABLE" {
		t.Errorf("disabled it is %s, %+v", number.Status.State, number.Status.Account.Ban)
	}
	post(metatest.BanPayload(id, "REINSTATE", "", later()))
	b.Evaluate(number)
	post(metatest.AccountEventPayload(id, "ACCOUNT_OFFBOARDED", later()))
	b.Evaluate(number)
	post(metatest.AccountEventPayload(id, "ACCOUNT_RECONNECTED", later()))
	b.Evaluate(number)
	want := []string{"Blocked", "Unblocked", "ConnectionChanged", "ConnectionChanged"}
	var got []string
	for _, tr := range number.Status.History {
		got = append(got, string(tr.Reason))
	}
	if !slices.Equal(got, want) || number.Status.State != v1alpha1.StateConnected || number.Status.History[2].Message != "Meta reports the number as Offline, it was Connected: ACCOUNT_OFFBOARDED" {
		t.Errorf("it is %s after %+v", number.Status.State, number.Status.History)
	}

	// A number that names the account only now has the last word of it, and no part in what came and went.
	newcomer := b.Create("netcore")
	b.Evaluate(newcomer)
	b.FakeClock.Advance(time.Minute)
	newcomer.Spec.Business.WhatsAppBusinessAccountID = id
	b.Must(b.Client.Update(b.Ctx, newcomer))
	b.EvaluateUntil(newcomer, func() bool { return newcomer.Status.Account.ID == id })
	if s := newcomer.Status; s.State != v1alpha1.StateConnected || len(s.History) != 0 || s.Account.Violation.Value != "SCAM" {
		t.Errorf("a number that comes shows %s, %+v, %v", s.State, s.Account, controllertest.Told(s.History))
	}
	// One that goes leaves the account's restriction behind, and takes none of its words along.
	post(metatest.RestrictionPayload(id, later(), metatest.Restriction{Type: messaging}))
	b.Evaluate(newcomer)
	if newcomer.Status.State != v1alpha1.StateRestricted {
		t.Errorf("without an end it is %s", newcomer.Status.State)
	}
	b.ExpectCondition(newcomer, v1alpha1.ConditionRestricted, v1alpha1.ReasonAccountRestricted, "The restriction ends by Meta's word.")
	newcomer.Spec.Business.WhatsAppBusinessAccountID = controllertest.OwnAccount()
	b.Must(b.Client.Update(b.Ctx, newcomer))
	b.FakeClock.Advance(time.Minute)
	b.EvaluateUntil(newcomer, func() bool { return newcomer.Status.State == v1alpha1.StateConnected })
	if s := newcomer.Status; s.Account.Violation.Value != "" || len(s.Account.Restrictions) != 0 || s.Account.ID == id {
		t.Errorf("in another account it shows %+v", s.Account)
	}
}

// What Meta says of an account's limit and verification is its portfolio's.
func TestTheLimitOfAnAccountIsItsPortfolios(t *testing.T) {
	f := controllertest.NewFleet(t)
	id, post := controllertest.OwnAccount(), f.Webhooks()
	member, own := f.Number(controllertest.InAccount(id)), f.Create("netcore", controllertest.InAccount(id))
	alone := f.Create("", controllertest.InAccount(id)) // a portfolio of its own
	f.Numbers = append(f.Numbers, own, alone)
	f.Settle()
	if keys := f.KeysFor(report.AccountSubject(id).String()); len(keys) != 3 || !slices.Contains(keys, lookup.PortfolioKey(f.Portfolio.Name)) {
		t.Errorf("it is about %v", keys)
	}
	f.FakeClock.Advance(time.Minute)
	f.Deliver(member.Spec.PhoneNumber, 10)
	post(metatest.AccountAlertPayload(f.Portfolio.Spec.PortfolioID, "INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED", "Not yet.", f.FakeClock.Now()))
	post(metatest.AlertPayload("BUSINESS", f.Portfolio.Spec.PortfolioID, "PROFILE_PICTURE_LOST", "", f.FakeClock.Now()))
	f.Settle()
	if s := f.Portfolio.Status; s.Increase.Decision != v1alpha1.IncreaseDeferred || s.Alert.Value != "PROFILE_PICTURE_LOST" {
		t.Fatalf("the portfolio shows %+v, %+v", s.Increase, s.Alert)
	}
	f.FakeClock.Advance(time.Minute)
	post(metatest.CapabilityPayload(id, "TIER_10K", f.FakeClock.Now()))
	f.Settle()
	if s := f.Portfolio.Status; s.Tier.Name != "10K" || s.Tier.Source != v1alpha1.FromReport || s.Increase.Decision != "" {
		t.Errorf("the portfolio shows %+v, %+v", s.Tier, s.Increase)
	}
	if member.Status.Tier.Name != "10K" || alone.Status.Tier.Name != "10K" || own.Status.Tier.Name != "1" {
		t.Errorf("a member shows %s, a number alone %s, one with a limit of its own %s", member.Status.Tier.Name, alone.Status.Tier.Name, own.Status.Tier.Name)
	}
	f.FakeClock.Advance(time.Minute)
	post(metatest.CapabilityPayload(id, -1, f.FakeClock.Now()))
	post(metatest.CertificationPayload(id, f.Portfolio.Spec.PortfolioID, "APPROVED", f.FakeClock.Now()))
	f.Settle()
	if s := f.Portfolio.Status; s.Tier.Name != "Unlimited" || s.Verification.State != v1alpha1.Verified || alone.Status.Tier.Name != "Unlimited" ||
		alone.Status.Verification.State != v1alpha1.Verified || own.Status.Verification.Source != v1alpha1.FromReport {
		t.Errorf("the portfolio shows %+v, %+v, a number alone %+v, %+v", s.Tier, s.Verification, alone.Status.Tier, alone.Status.Verification)
	}
	version := f.Portfolio.ResourceVersion
	f.At(time.Minute)
	if f.Portfolio.ResourceVersion != version {
		t.Error("what is known already is written again")
	}
}

// Where a report and the policy disagree, both are kept and a condition says so, at the instant at which it is certain.
func TestWhetherTheRulesAgree(t *testing.T) {
	f := controllertest.NewFleet(t)
	number, post := f.Number(), f.Webhooks()
	f.Settle()
	f.ExpectCondition(number, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonNothingReported, "")
	f.FakeClock.Advance(time.Minute)
	f.Report(lookup.PortfolioSubject(f.Portfolio).String(), report.Limit, "250")
	f.Settle()
	f.ExpectCondition(number, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonAgreed, "")

	f.FakeClock.Advance(time.Minute)
	f.Report(number.Spec.PhoneNumber, report.Limit, "2000")
	f.Settle()
	const differ = "Meta reports a limit of 2000, and by the policy it was 250 at 2026-03-02 09:02:00 UTC."
	f.ExpectCondition(number, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonWithinDelay, differ)
	if c := f.Portfolio.Status.Tier.Concluded; c.Name != "250" || c.Limit != 250 || c != number.Status.Tier.Concluded {
		t.Errorf("the policy concluded %+v, by the number %+v", c, number.Status.Tier.Concluded)
	}
	for _, result := range []time.Duration{f.Evaluate(number).RequeueAfter, f.ReconcilePortfolio(f.Portfolio).RequeueAfter} {
		if result != 6*time.Hour {
			t.Errorf("it is certain in %s", result)
		}
	}
	f.At(6*time.Hour - time.Second)
	f.ExpectCondition(number, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonWithinDelay, differ)
	f.At(time.Second)
	f.ExpectCondition(number, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonLimitDiffers, differ)
	if is := meta.FindStatusCondition(f.Portfolio.Status.Conditions, v1alpha1.ConditionRulesAgree); is == nil || is.Reason != v1alpha1.ReasonLimitDiffers || is.Message != differ {
		t.Errorf("the portfolio shows %+v", is)
	}
	if !slices.ContainsFunc(number.Status.Explanation, func(s string) bool {
		return strings.Contains(s, "Meta reported it. By the policy it was 250")
	}) {
		t.Errorf("it says %q", number.Status.Explanation)
	}

	f.FakeClock.Advance(time.Minute)
	f.Report(number.Spec.PhoneNumber, report.Limit, "250")
	f.Report(number.Spec.PhoneNumber, report.Connection, "LINKED")
	f.Settle()
	f.ExpectCondition(number, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonNotUnderstood, `Meta reported the state "LINKED" at 2026-03-02 15:03:00 UTC, which says nothing to the rules.`)
	if number.Status.State != v1alpha1.StateConnected || number.Status.Tier.Concluded.Name != "" {
		t.Errorf("it is %s, and the policy concluded %+v", number.Status.State, number.Status.Tier.Concluded)
	}
	f.FakeClock.Advance(time.Minute)
	f.Report(number.Spec.PhoneNumber, report.Connection, "Restricted")
	f.Settle()
	f.ExpectCondition(number, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonStateDiffers, "by the policy it is not")
	f.FakeClock.Advance(time.Minute)
	post(metatest.QualityUpdatePayload(number.Spec.PhoneNumber, "UNFLAGGED", "", f.FakeClock.Now()))
	f.Settle()
	f.ExpectCondition(number, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonAgreed, "")

	silent := f.Create("botmaker", func(n *v1alpha1.PhoneNumber) { n.Spec.Business = v1alpha1.Business{Name: "Acme"} })
	f.Evaluate(silent)
	f.FakeClock.Advance(time.Minute)
	f.Report(silent.Spec.PhoneNumber, report.Quality, "High")
	f.Evaluate(silent)
	f.ExpectCondition(silent, v1alpha1.ConditionRulesAgree, v1alpha1.ReasonQualityDiffers, "it has no direct way to a human")
}

// A report from ahead of the clock, which may be off, is heard when the clock is there, once.
func TestAReportOfAnAccountFromAheadWaits(t *testing.T) {
	b := controllertest.New(t)
	id := controllertest.OwnAccount()
	number := b.Create("netcore", controllertest.InAccount(id))
	b.Evaluate(number)
	at := b.FakeClock.Now().Add(10 * time.Minute)
	b.Webhooks()(metatest.BanPayload(id, "DISABLE", "", at))
	result := b.Evaluate(number)
	if number.Status.State != v1alpha1.StateConnected || number.Status.Account.Ban.Value != "" || result.RequeueAfter != 10*time.Minute {
		t.Errorf("ahead of its time it is %s, and wakes in %s", number.Status.State, result.RequeueAfter)
	}
	b.FakeClock.Advance(10 * time.Minute)
	b.Evaluate(number)
	if number.Status.State != v1alpha1.StateBlocked || number.Status.Account.Ban.Value != "DISABLE" {
		t.Errorf("at its time it is %s", number.Status.State)
	}
	if got := controllertest.History(number); !slices.Equal(got, []string{"2026-03-02 09:10:00 Blocked"}) {
		t.Errorf("its history is %q", got)
	}
}
