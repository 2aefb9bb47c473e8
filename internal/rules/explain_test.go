package rules_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// What is said of a number answers why it is where it is, what is missing for the next tier, and what would lower it, with
// the numbers, the rule and its source.
func TestExplanations(t *testing.T) {
	said := func(kind report.Kind, hours int, value string) report.Report {
		return report.Report{Kind: kind, At: day1.Add(time.Duration(hours) * time.Hour).Unix(), Value: value}
	}
	for _, test := range []struct {
		name    string
		policy  string
		usage   everyDelivery
		reports []report.Report
		without bool // a way to a human
		hours   int
		want    []string
	}{
		{"a number at rest", "taqnyat", deliveries(day1, 40), nil, false, 1, []string{
			`The limit is 250 conversations within 24 h (tier 0) since 2026-03-02 00:00:00 UTC: new ones start there whose business is Unverified. (rule 6 of Taqnyat, "Message quality and messaging tiers")`,
			"40 of 250 are used, and 210 remain. (rule 1",
			"No quality rating was reported; Unknown counts as High",
			"Tier 1 (1000) needs 500 conversations within 7 d and a rating of High at least; there are 40. Missing: 460 more conversations within 7 d. (rule 2",
			"The verification of the business raises the limit to 1000 (tier 1) at once. (rule 6",
			"Tier 0 is the lowest: nothing lowers it. (rule 4",
		}},
		{"a flag above the floor", "quality-based", deliveries(day1, 500), []report.Report{said(report.Quality, 1, "Low")}, false, 25, []string{
			"The limit is 10000 unique users within 24 h (tier 2) since 2026-03-02 00:08:19 UTC: the limit rises from 1000 to 10000: 500 unique users within 7 d reach 50 % of the limit of 1000. (rule 2",
			"0 of 10000 are used, and 10000 remain. (rule 1",
			"The quality rating is Low since 2026-03-02 01:00:00 UTC: Meta reported it. (rule 9",
			"Flagged since 2026-03-02 01:00:00 UTC. The flag ends at 2026-03-09 01:00:00 UTC with a fall to tier 1 (1000), unless the rating rises above Low before. (rule 3",
			"Missing: 4500 more unique users within 7 d; the quality rating is Low and must be at least Medium. (rule 2",
		}},
		{"a limit that is reached", "netcore", deliveries(day1, 1000), nil, false, 1, []string{
			"Restricted since 2026-03-02 00:16:39 UTC: 1000 of 1000 are used, and only replies inside a customer service window go out. There is room again from 2026-03-03 00:00:00 UTC. (rule 1 of Netcore",
		}},
		{"a pending upgrade", "meta-2023", deliveries(day1.Add(time.Hour), 500), []report.Report{said(report.Verification, 0, "Verified")}, false, 2, []string{
			"The limit is 1000 conversations within 24 h (tier 1K) since 2026-03-02 00:00:00 UTC: the business is verified. (rule 6",
			"The limit rises to 10000 (tier 10K) at 2026-03-03 01:08:19 UTC: all that it requires was met at 2026-03-02 01:08:19 UTC. (rule 2",
		}},
		{"no way to a human", "botmaker", nil, nil, true, 1, []string{
			"The quality rating is Low since 2026-03-02 01:00:00 UTC: the number has no direct way to a human. Declare one in spec.business.humanEscalationPaths, or appeal as soon as it is flagged. (rule 7",
		}},
		{"a rating with its reason", "taqnyat", nil, []report.Report{{Kind: report.Quality, At: day1.Unix(), Value: "Medium", Reason: "many blocks"}}, false, 1, []string{
			"The quality rating is Medium since 2026-03-02 00:00:00 UTC: Meta reported it, for many blocks. (rule 9",
			"Missing: 500 more conversations within 7 d; the quality rating is Medium and must be at least High. (rule 2",
		}},
		{"a red rating with its reason", "botmaker", nil, []report.Report{{Kind: report.Quality, At: day1.Unix(), Value: "Low", Reason: "many blocks"}}, false, 1, []string{
			"The quality rating is Low since 2026-03-02 00:00:00 UTC: Meta reported it, for many blocks. (rule 9",
			"Flagged since 2026-03-02 00:00:00 UTC. The flag ends at 2026-03-09 00:00:00 UTC, and the tier stays, for it is the lowest. (rule 3",
		}},
		{"no limit", "meta-2025", nil, []report.Report{said(report.Limit, 0, "Unlimited")}, false, 1, []string{
			"There is no limit (tier Unlimited) since 2026-03-02 00:00:00 UTC: Meta reported it. (rule 9",
			"There is no higher tier. (rule 10",
			"A Low rating lowers nothing under policy meta-2025. (rule 3",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			policy := shippedPolicy(t, test.policy)
			facts := &rules.Facts{HumanEscalation: !test.without, Usage: test.usage, Reports: test.reports}
			now := day1.Add(time.Duration(test.hours) * time.Hour)
			state, transitions, _ := rules.Advance(policy, facts, rules.Initial(policy, v1alpha1.Unverified, day1), now)
			cause := rules.Cause{}
			for _, tr := range transitions {
				if tr.Reason == v1alpha1.ReasonTierUpgraded || tr.Reason == v1alpha1.ReasonTierDowngraded {
					cause = rules.Cause{Message: tr.Message, Rule: tr.Rule}
				}
			}
			got := strings.Join(rules.Explain(policy, facts, state, cause, now), "\n")
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("it lacks\n  %s\nin\n  %s", want, strings.ReplaceAll(got, "\n", "\n  "))
				}
			}
		})
	}
}

// The history keeps the last transitions only. What it does not hold is not made up.
func TestAnExplanationOutlastsTheHistory(t *testing.T) {
	policy := shippedPolicy(t, "quality-based")
	facts := &rules.Facts{HumanEscalation: true, Usage: deliveries(day1, 500)}
	now := day1.Add(time.Hour)
	state, _, _ := rules.Advance(policy, facts, rules.Initial(policy, v1alpha1.Unverified, day1), now)
	// A tier that it came to in another way, as from the portfolio that it was in.
	history := []v1alpha1.Transition{{Time: metav1.NewTime(day1), Reason: v1alpha1.ReasonTierUpgraded, Message: "the limit rises from 250 to 1000"}}
	cause := rules.TierCause(history, state.TierSince)
	if got, want := rules.Explain(policy, facts, state, cause, now)[0], "tier 2) since 2026-03-02 00:08:19 UTC: what led to it is older than the history"; !strings.Contains(got, want) {
		t.Errorf("it says %q", got)
	}
}

// An explanation names the rule that made the tier, whatever was said of it: a fall because a policy was edited is not the fall of a
// Low rating, and a number that joins a portfolio raises its limit by no rule.
func TestAnExplanationNamesTheRuleThatMadeTheTier(t *testing.T) {
	policy := shippedPolicy(t, "quality-based")
	low := []report.Report{{Kind: report.Quality, At: day1.Add(time.Hour).Unix(), Value: "Low"}}
	week := day1.Add(8 * 24 * time.Hour)
	climbed, rise, _ := rules.Advance(policy, &rules.Facts{HumanEscalation: true, Usage: deliveries(day1, 500)}, rules.Initial(policy, "", day1), day1.Add(time.Hour))
	fallen, fall, _ := rules.Advance(policy, &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil), Reports: low}, climbed, week)
	edited := *shippedPolicy(t, "quality-based")
	tiers := climbed
	tiers.Tier.Limit = 20000 // what the policy had for the tier before it was edited
	mended, edit := rules.MigratePolicy(&edited, tiers, true, week)
	together := shippedPolicy(t, "meta-2025").Portfolio()
	joined, join := rules.RaiseTo(together, rules.Initial(together, "", day1), 10000, day1)
	for _, test := range []struct {
		name   string
		policy *rules.Policy
		state  rules.State
		told   []rules.Transition
		want   string
	}{
		{"a rise", policy, climbed, rise, "(rule 2 of "},
		{"a fall", policy, fallen, fall, "(rule 3 of "},
		{"an edited policy", policy, mended, edit, "was edited. (" + policy.Source + ")"},
		{"a number that joins", together, joined, join, "joins the portfolio. (" + together.Source + ")"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var history []v1alpha1.Transition
			for _, tr := range test.told {
				history = append(history, v1alpha1.Transition{Time: metav1.NewTime(tr.Time), Reason: tr.Reason, Rule: tr.Rule, Message: tr.Message})
			}
			facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil)}
			got := rules.Explain(test.policy, facts, test.state, rules.TierCause(history, test.state.TierSince), test.state.EvaluatedAt)[0]
			if !strings.Contains(got, test.want) {
				t.Errorf("it says %q, want %q", got, test.want)
			}
		})
	}
}
