package rules_test

import (
	"slices"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// A denied increase is over once the limit has risen for another reason.
func TestAnIncreaseThatCameAfterAll(t *testing.T) {
	policy := shippedPolicy(t, "meta-2025").Portfolio()
	at := func(hours int) time.Time { return day1.Add(time.Duration(hours) * time.Hour) }
	denied := report.Report{Kind: report.Increase, At: at(1).Unix(), Value: "NeedMoreInfo"}
	facts := &rules.Facts{Usage: everyDelivery(nil), Reports: []report.Report{denied}}
	before, _, _ := rules.Advance(policy, facts, rules.Initial(policy, v1alpha1.Unverified, day1), at(2))
	if before.Increase != v1alpha1.IncreaseNeedMoreInfo {
		t.Fatalf("what Meta needs is %q", before.Increase)
	}
	verified := report.Report{Kind: report.Verification, At: at(3).Unix(), Value: "Verified"}
	facts.Reports = []report.Report{verified}
	state, _, _ := rules.Advance(policy, facts, before, at(4))
	if state.Tier.Name != "2K" || state.Increase != "" {
		t.Errorf("verified, it is at %s with an increase that is %q", state.Tier.Name, state.Increase)
	}
	facts.Reports = []report.Report{{Kind: report.Increase, At: at(2).Unix(), Value: "Failed"}}
	if state, _, _ = rules.Advance(policy, facts, state, at(5)); state.Tier.Name != "2K" || state.Increase != "" {
		t.Errorf("a denial from before makes it %s with an increase that is %q", state.Tier.Name, state.Increase)
	}
	if joined, _ := rules.RaiseTo(policy, before, 10000, at(4)); joined.Tier.Name != "10K" || joined.Increase != "" {
		t.Errorf("with a number of a higher limit it is at %s with an increase that is %q", joined.Tier.Name, joined.Increase)
	}
}

// A rating from feedback ends with the rules that made it: under others nothing could ever change it.
func TestARatingEndsWithItsRules(t *testing.T) {
	rated, flags := sharedPolicy(t, v1alpha1.ScopeNumber), shippedPolicy(t, "quality-based")
	state := rules.Initial(rated, v1alpha1.Unverified, day1)
	state.Rating, state.RatingReason, state.RatingSource = v1alpha1.QualityLow, v1alpha1.ReasonUserFeedback, v1alpha1.FromPolicy
	state.LowSince, state.GraceStart, state.FlagSince, state.FlagSource = day1, day1, day1, v1alpha1.FromPolicy
	now := day1.Add(time.Hour)
	adopted, transitions := rules.MigratePolicy(flags, state, false, now)
	if adopted.Rating != v1alpha1.QualityUnknown || adopted.RatingReason != "" || !adopted.LowSince.IsZero() || !adopted.RecoveringSince.Equal(now) {
		t.Errorf("the state is %+v", adopted)
	}
	if !slices.ContainsFunc(transitions, func(tr rules.Transition) bool { return tr.Reason == v1alpha1.ReasonQualityChanged }) {
		t.Error("nothing is said about it")
	}
	state.Reported, state.RatingSource, state.RatingReason = v1alpha1.QualityLow, v1alpha1.FromReport, ""
	if adopted, _ = rules.MigratePolicy(flags, state, false, now); adopted.Rating != v1alpha1.QualityLow {
		t.Errorf("the rating that Meta reported became %s", adopted.Rating)
	}
}
