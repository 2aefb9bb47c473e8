package rules_test

import (
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// The time that deliveries must span counts to the second, and until then no delivery is worth a look at the rules.
func TestTheSpanOfDeliveries(t *testing.T) {
	policy := spanningPolicy(t) // 12 messages over 30 h at the first tier of 6
	usage := append(deliveries(day1.Add(time.Hour), 5), deliveries(day1.Add(26*time.Hour), 7)...)
	facts := &rules.Facts{HumanEscalation: true, Usage: usage}
	due := day1.Add(31 * time.Hour)
	state, _, next := rules.Advance(policy, facts, rules.Initial(policy, "", day1), day1.Add(28*time.Hour))
	if state.Tier.Name != "S" {
		t.Fatalf("after less than the span it is at %s", state.Tier.Name)
	}
	if skippable := rules.DeliveriesUntilDecision(policy, facts, state, next); skippable < 0 {
		t.Errorf("with only time missing, %d deliveries decide nothing", skippable)
	}
	progress, _ := rules.UpgradeProgress(policy, facts, state, day1.Add(28*time.Hour))
	if got := strings.Join(progress.Missing, "; "); got != "the deliveries must span 1 d 6 h; they will at 2026-03-03 07:00:00 UTC" {
		t.Errorf("it lacks %q", got)
	}
	state, transitions, _ := rules.Advance(policy, facts, state, due.Add(-time.Second))
	if state.Tier.Name != "S" || strings.Contains(reasonsAt(transitions), "TierUpgraded") {
		t.Errorf("a second before the span it is at %s", state.Tier.Name)
	}
	if state, transitions, _ = rules.Advance(policy, facts, state, due); state.Tier.Name != "M" || !strings.Contains(reasonsAt(transitions), "31h0m0s TierUpgraded") {
		t.Errorf("at the end of the span it is at %s: %s", state.Tier.Name, reasonsAt(transitions))
	}
}

// What a percentage requires is rounded up: no upgrade comes early for an odd limit.
func TestARequiredShareIsRoundedUp(t *testing.T) {
	policy := compiled(t, func(spec *v1alpha1.MessagingPolicySpec) { spec.Tiers[0].Limit = 7 })
	for sent, tier := range map[int]string{3: "S", 4: "M"} {
		facts := &rules.Facts{HumanEscalation: true, Usage: deliveries(day1.Add(time.Hour), sent)}
		if state, _, _ := rules.Advance(policy, facts, rules.Initial(policy, "", day1), day1.Add(day)); state.Tier.Name != tier {
			t.Errorf("with %d of half of 7 it is at %s, not at %s", sent, state.Tier.Name, tier)
		}
	}
}

// What is missing for the next tier, where the count was restarted by a flag, and where all is sent but the rating is Low.
func TestWhatIsMissingForTheNextTier(t *testing.T) {
	policy := compiled(t, func(spec *v1alpha1.MessagingPolicySpec) { spec.Upgrade.AfterFlag = v1alpha1.AfterFlagRestart })
	state := rules.Initial(policy, "", day1)
	now := day1.Add(30 * time.Hour)
	facts := &rules.Facts{HumanEscalation: true, Usage: deliveries(day1.Add(time.Hour), 5)}
	progress, _ := rules.UpgradeProgress(policy, facts, state, now)
	if !progress.CountedFrom.IsZero() || progress.Achieved != 5 {
		t.Errorf("before any flag %d count from %s", progress.Achieved, progress.CountedFrom)
	}
	state.Rating = v1alpha1.QualityLow
	progress, _ = rules.UpgradeProgress(policy, facts, state, now)
	if got := strings.Join(progress.Missing, "; "); got != "the quality rating is Low and must be at least Medium" {
		t.Errorf("rated Low it lacks %q", got)
	}
	state.Rating, state.FlagEnded = v1alpha1.QualityHigh, day1.Add(2*time.Hour)
	progress, _ = rules.UpgradeProgress(policy, facts, state, now)
	if !progress.CountedFrom.Equal(state.FlagEnded) || progress.Achieved != 0 {
		t.Errorf("after a flag %d count from %s", progress.Achieved, progress.CountedFrom)
	}
	state.Connection = v1alpha1.StateOffline
	progress, _ = rules.UpgradeProgress(policy, facts, state, now)
	if got := strings.Join(progress.Missing, "; "); got != "5 more unique users within 7 d; the number is Offline and must be connected" {
		t.Errorf("offline it lacks %q", got)
	}
	state.Members.Sendable = false
	progress, _ = rules.UpgradeProgress(policy.Portfolio(), facts, state, now)
	if got := strings.Join(progress.Missing, "; "); got != "5 more unique users within 7 d; one number at least must be connected and not flagged" {
		t.Errorf("a portfolio lacks %q", got)
	}
}

// A limit that Meta reports ends a pending upgrade if it is below what the upgrade leads to, and that is said.
func TestALimitEndsAPendingUpgrade(t *testing.T) {
	policy := shippedPolicy(t, "meta-2023") // verified, 500 conversations bring 10,000 after 24 h
	for limit, want := range map[string]string{
		"250":    "1h8m19s UpgradePending, 2h0m0s UpgradeCancelled, 2h0m0s LimitReported",
		"500":    "1h8m19s UpgradePending, 2h0m0s UpgradeCancelled, 2h0m0s LimitReported",
		"1000":   "1h8m19s UpgradePending",
		"10000":  "1h8m19s UpgradePending, 2h0m0s LimitReported",
		"100000": "1h8m19s UpgradePending, 2h0m0s LimitReported",
	} {
		facts := &rules.Facts{HumanEscalation: true, Verification: v1alpha1.Verified, Usage: deliveries(day1.Add(time.Hour), 500)}
		state, _, _ := rules.Advance(policy, facts, rules.Initial(policy, v1alpha1.Verified, day1), day1.Add(time.Minute))
		facts.Reports = []report.Report{{Kind: report.Limit, At: day1.Add(2 * time.Hour).Unix(), Value: limit}}
		state, transitions, _ := rules.Advance(policy, facts, state, day1.Add(2*time.Hour))
		var said []rules.Transition
		for _, tr := range transitions {
			if tr.Reason != v1alpha1.ReasonRestricted {
				said = append(said, tr)
			}
		}
		if got := reasonsAt(said); got != want || state.EligibleSince.IsZero() != (limit != "1000") {
			t.Errorf("with a limit of %s it says %s, and an upgrade is pending since %s", limit, got, state.EligibleSince)
		}
	}
}

// A flag that Meta reports cancels a pending upgrade at once, as one for a Low rating does.
func TestAReportedFlagCancelsAnUpgrade(t *testing.T) {
	policy := shippedPolicy(t, "meta-2023")
	facts := &rules.Facts{HumanEscalation: true, Verification: v1alpha1.Verified, Usage: deliveries(day1.Add(time.Hour), 500),
		Reports: []report.Report{{Kind: report.Connection, At: day1.Add(2 * time.Hour).Unix(), Value: "Flagged"}}}
	_, transitions, _ := rules.Advance(policy, facts, rules.Initial(policy, v1alpha1.Verified, day1), day1.AddDate(0, 0, 3))
	if got, want := reasonsAt(transitions), "1h8m19s UpgradePending, 2h0m0s Flagged, 2h0m0s UpgradeCancelled"; got != want {
		t.Errorf("it says %s, not %s", got, want)
	}
}
