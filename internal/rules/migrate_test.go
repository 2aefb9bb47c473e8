package rules_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// ladderSpec is a policy of three tiers that flags numbers and blocks none.
func ladderSpec() *v1alpha1.MessagingPolicySpec {
	return &v1alpha1.MessagingPolicySpec{
		Scope:    v1alpha1.ScopeNumber,
		Tiers:    []v1alpha1.Tier{{Name: "S", Limit: 10}, {Name: "M", Limit: 20}, {Name: "L", Limit: 40}},
		Start:    v1alpha1.StartTiers{Unverified: "S", Verified: "M"},
		Counting: v1alpha1.Counting{Measure: v1alpha1.MeasureUniqueUsers, WindowHours: 24},
		Upgrade:  v1alpha1.Upgrade{Measure: v1alpha1.MeasureUniqueUsers, ThresholdPercent: new(int32(50)), WindowHours: 168, MinimumQuality: v1alpha1.QualityMedium, DelayHours: 6},
		Quality:  v1alpha1.QualityRules{WindowHours: 24},
		Flag:     v1alpha1.FlagRules{GraceHours: 24, RecoveryHours: 24},
	}
}

func compiled(t *testing.T, change func(*v1alpha1.MessagingPolicySpec)) *rules.Policy {
	t.Helper()
	spec := ladderSpec()
	if change != nil {
		change(spec)
	}
	policy, err := rules.Compile("ladder", spec)
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// A number goes on under an edited policy, or under another: what was concluded stays, what had begun to count down begins
// anew, and what these rules do not know ends.
func TestMigratePolicy(t *testing.T) {
	const low, medium = v1alpha1.QualityLow, v1alpha1.QualityMedium
	now := day1.AddDate(0, 0, 10)
	rated := func(rating v1alpha1.QualityRating) func(*rules.State) {
		return func(s *rules.State) {
			s.Rating, s.RatingSource, s.Reported = rating, v1alpha1.FromReport, rating
			if rating == low {
				s.LowSince, s.GraceStart = day1, day1
			}
		}
	}
	flagged := func(by v1alpha1.Source, rating v1alpha1.QualityRating, recovering time.Time) func(*rules.State) {
		return func(s *rules.State) {
			rated(rating)(s)
			s.FlagSince, s.FlagSource, s.RecoveringSince = day1, by, recovering
		}
	}
	limit := func(of int64) func(*v1alpha1.MessagingPolicySpec) {
		return func(spec *v1alpha1.MessagingPolicySpec) { spec.Tiers[1].Limit = of }
	}
	noFlags := func(spec *v1alpha1.MessagingPolicySpec) { spec.Flag = v1alpha1.FlagRules{} }
	reported := func(s *rules.State) { s.TierSource = v1alpha1.FromReport }
	startsAtL := func(spec *v1alpha1.MessagingPolicySpec) {
		spec.Start = v1alpha1.StartTiers{Unverified: "L", Verified: "L"}
	}
	for _, test := range []struct {
		name   string
		change func(*v1alpha1.MessagingPolicySpec)
		state  func(*rules.State) // of a number at M, of 20
		edited bool
		tier   string
		says   string
		low    time.Time // when the spell and its grace period begin now
		clears time.Time // when the recovery of a flag began
	}{
		{name: "as it was", edited: true, tier: "M 20"},
		{name: "a limit that was mended rises", change: limit(25), edited: true, tier: "M 25", says: "TierUpgraded M M"},
		{name: "a limit that was mended falls", change: limit(15), edited: true, tier: "M 15", says: "TierDowngraded M M"},
		{name: "a limit that Meta reported is not the policy's to mend", change: limit(25), state: reported, edited: true, tier: "20 20"},
		{name: "a tier of the same name in another policy", change: func(spec *v1alpha1.MessagingPolicySpec) { spec.Tiers[1].Limit, spec.Start.Verified = 25, "S" }, tier: "20 20"},
		{name: "a tier of another name", change: func(spec *v1alpha1.MessagingPolicySpec) { spec.Tiers[1].Name, spec.Start.Verified = "N", "N" }, edited: true, tier: "N 20"},
		{name: "rules that start higher", change: startsAtL, tier: "L 40", says: "TierUpgraded M L"},
		{name: "rules that start higher than Meta reports", change: startsAtL, state: reported, tier: "M 20"},
		{name: "rated Low by Meta", state: rated(low), tier: "M 20", says: "Flagged", low: now},
		{name: "rated Low, where nothing is flagged", change: noFlags, state: rated(low), tier: "M 20", low: now},
		{name: "rated Medium", state: rated(medium), tier: "M 20"},
		{name: "flagged already", state: flagged(v1alpha1.FromPolicy, low, time.Time{}), tier: "M 20", low: now},
		{name: "flagged, where nothing is flagged", change: noFlags, state: flagged(v1alpha1.FromPolicy, low, time.Time{}), tier: "M 20", says: "FlagCleared", low: now},
		{name: "flagged by Meta, where nothing is flagged", change: noFlags, state: flagged(v1alpha1.FromReport, medium, day1), tier: "M 20", clears: day1},
		{name: "a recovery that would be over is over now", state: flagged(v1alpha1.FromPolicy, medium, day1), tier: "M 20", clears: now.Add(-24 * time.Hour)},
		{name: "a recovery goes on", state: flagged(v1alpha1.FromPolicy, medium, now.Add(-time.Hour)), tier: "M 20", clears: now.Add(-time.Hour)},
	} {
		t.Run(test.name, func(t *testing.T) {
			policy := compiled(t, test.change)
			state := rules.Initial(compiled(t, nil), v1alpha1.Verified, day1)
			state.EligibleSince = day1 // what was pending is not, until these rules find it due
			if test.state != nil {
				test.state(&state)
			}
			got, transitions := rules.MigratePolicy(policy, state, test.edited, now)
			var says []string
			for _, tr := range transitions {
				says = append(says, strings.TrimSpace(fmt.Sprintf("%s %s %s", tr.Reason, tr.From, tr.To)))
				if tr.Message == "" || !tr.Time.Equal(now) {
					t.Errorf("%s is said at %s: %q", tr.Reason, tr.Time, tr.Message)
				}
			}
			if tier := fmt.Sprintf("%s %d", got.Tier.Name, got.Tier.Limit); tier != test.tier {
				t.Errorf("it is at tier %s, not %s", tier, test.tier)
			}
			if said := strings.Join(says, ", "); said != test.says {
				t.Errorf("it says %q, not %q", said, test.says)
			}
			if !got.LowSince.Equal(test.low) || !got.GraceStart.Equal(test.low) || !got.RecoveringSince.Equal(test.clears) {
				t.Errorf("it is Low since %s, of which %s counts, and recovers since %s", got.LowSince, got.GraceStart, got.RecoveringSince)
			}
			if !got.EligibleSince.IsZero() || !got.EvaluatedAt.Equal(now) {
				t.Errorf("at %s an upgrade is pending since %s", got.EvaluatedAt, got.EligibleSince)
			}
			if moved := got.Tier.Limit != state.Tier.Limit; moved != got.TierSince.Equal(now) || moved && got.TierSource != v1alpha1.FromPolicy {
				t.Errorf("it is at its tier since %s, by %s", got.TierSince, got.TierSource)
			}
		})
	}
}

// What the policy would have beside a limit of Meta's is mended with its tier; and time does not run backwards for a number.
func TestMigratePolicyBesideAReport(t *testing.T) {
	policy := compiled(t, func(spec *v1alpha1.MessagingPolicySpec) { spec.Tiers[0].Limit = 12 })
	state := rules.Initial(compiled(t, nil), "", day1)
	state.Tier, state.TierSource = rules.Tier{Name: "L", Limit: 40}, v1alpha1.FromReport
	state.ConcludedTier, state.ConcludedSince = rules.Tier{Name: "S", Limit: 10}, day1
	got, transitions := rules.MigratePolicy(policy, state, true, day1.Add(-time.Hour))
	if got.ConcludedTier != (rules.Tier{Name: "S", Limit: 12}) || !got.ConcludedSince.Equal(day1) || len(transitions) > 0 {
		t.Errorf("it would be %+v since %s, and says %v", got.ConcludedTier, got.ConcludedSince, transitions)
	}
	if !got.EvaluatedAt.Equal(day1) {
		t.Errorf("an hour before, it is %s", got.EvaluatedAt)
	}
	if got, _ = rules.MigratePolicy(policy, state, true, day1.Add(1500*time.Millisecond)); !got.EvaluatedAt.Equal(day1.Add(time.Second)) {
		t.Errorf("within a second it is %s", got.EvaluatedAt)
	}
}

// A template goes on in the same way.
func TestMigrateTemplatePolicy(t *testing.T) {
	now := day1.AddDate(0, 0, 10)
	flags, pauses, neither := shippedPolicy(t, "chat-api"), shippedPolicy(t, "meta-2025"), shippedPolicy(t, "netcore")
	for _, test := range []struct {
		name   string
		policy *rules.Policy
		state  v1alpha1.TemplateState
		source v1alpha1.Source
		want   v1alpha1.TemplateState
		until  time.Time
		says   v1alpha1.TransitionReason
	}{
		{"a flag begins anew", flags, v1alpha1.TemplateFlagged, v1alpha1.FromPolicy, v1alpha1.TemplateFlagged, now.Add(7 * day), ""},
		{"a flag ends where none is known", pauses, v1alpha1.TemplateFlagged, v1alpha1.FromPolicy, v1alpha1.TemplateApproved, time.Time{}, v1alpha1.ReasonTemplateFlagCleared},
		{"a pause goes on", pauses, v1alpha1.TemplatePaused, v1alpha1.FromPolicy, v1alpha1.TemplatePaused, day1.AddDate(0, 0, 20), ""},
		{"a pause ends where none is known", flags, v1alpha1.TemplatePaused, v1alpha1.FromPolicy, v1alpha1.TemplateApproved, time.Time{}, v1alpha1.ReasonTemplateResumed},
		{"a pause that Meta reported stays", neither, v1alpha1.TemplatePaused, v1alpha1.FromReport, v1alpha1.TemplatePaused, day1.AddDate(0, 0, 20), ""},
		{"a flag that Meta reported stays", neither, v1alpha1.TemplateFlagged, v1alpha1.FromReport, v1alpha1.TemplateFlagged, day1.AddDate(0, 0, 20), ""},
		{"what is blocked stays so", neither, v1alpha1.TemplateBlocked, v1alpha1.FromPolicy, v1alpha1.TemplateBlocked, day1.AddDate(0, 0, 20), ""},
		{"what is approved stays so", flags, v1alpha1.TemplateApproved, v1alpha1.FromPolicy, v1alpha1.TemplateApproved, day1.AddDate(0, 0, 20), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			state := rules.InitialTemplate(day1)
			state.State, state.Source, state.Until = test.state, test.source, day1.AddDate(0, 0, 20)
			got, transitions := rules.MigrateTemplatePolicy(test.policy, state, now)
			var says v1alpha1.TransitionReason
			for _, tr := range transitions {
				says += tr.Reason
				if tr.Message == "" || !tr.Time.Equal(now) {
					t.Errorf("%s is said at %s: %q", tr.Reason, tr.Time, tr.Message)
				}
			}
			if got.State != test.want || !got.Until.Equal(test.until) || says != test.says || !got.EvaluatedAt.Equal(now) {
				t.Errorf("at %s it is %s until %s, and says %q", got.EvaluatedAt, got.State, got.Until, says)
			}
		})
	}
}

// A number that a Low rating lowered below the tier that it started at is not raised there again when its policy is edited.
func TestAFallOutlastsAnEdit(t *testing.T) {
	policy := compiled(t, nil)
	facts := &rules.Facts{HumanEscalation: true, Verification: v1alpha1.Verified, Usage: everyDelivery(nil), Reports: []report.Report{{Kind: report.Quality, At: day1.Unix(), Value: "Low"}}}
	state, _, _ := rules.Advance(policy, facts, rules.Initial(policy, v1alpha1.Verified, day1), day1.AddDate(0, 0, 2))
	if state.Tier.Name != "S" || state.Before.Name != "M" {
		t.Fatalf("it is at %s, and was at %s", state.Tier.Name, state.Before.Name)
	}
	if adopted, said := rules.MigratePolicy(policy, state, true, day1.AddDate(0, 0, 3)); adopted.Tier.Name != "S" {
		t.Errorf("it is at %s: %v", adopted.Tier.Name, said)
	}
}
