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

// Each thing that a state can be has its sentence, with its rule, and no sentence stands where it is not so.
func TestEachStateHasItsSentence(t *testing.T) {
	now := day1.AddDate(0, 0, 2)
	const restricted = "Restricted since 2026-03-02 00:00:00 UTC"
	none := rules.Cause{}
	for _, test := range []struct {
		name, policy string
		change       func(*rules.State)
		cause        rules.Cause
		want, not    []string
	}{
		{"a tier that fell", "quality-based", func(*rules.State) {}, rules.Cause{Message: "the limit falls from 10000 to 1000: so it is", Rule: v1alpha1.RuleFlag}, []string{"the limit falls from 10000 to 1000: so it is. (rule 3 of"}, []string{"(rule 5", "(rule 9"}},
		{"a tier that rose", "quality-based", func(*rules.State) {}, rules.Cause{Message: "the limit rises", Rule: v1alpha1.RuleUpgrade}, []string{"the limit rises. (rule 2 of"}, nil},
		{"a restricted account", "quality-based", func(s *rules.State) {
			s.RestrictedSince, s.RestrictedSource, s.RestrictedReason = day1, v1alpha1.FromReport, report.RestrictedMessaging
		}, none, []string{"10 of 1000 are used. (rule 1 of", restricted + ", until Meta lifts it: Meta restricts the account (RESTRICTED_BIZ_INITIATED_MESSAGING), and only replies inside a customer service window go out. (rule 9 of"},
			[]string{"By the count here"}},
		{"a restriction that Meta reports", "quality-based", func(s *rules.State) { s.RestrictedSince, s.RestrictedSource = day1, v1alpha1.FromReport }, none,
			[]string{restricted + ": Meta reported it. By the count here, 10 of 1000 are used. (rule 9 of"}, []string{"Meta restricts the account"}},
		{"no limit", "meta-2025", func(s *rules.State) { s.Tier = rules.Tier{Name: "Unlimited"} }, none, []string{"10 unique users were reached within 24 h. (rule 10 of", "There is no higher tier. (rule 10 of"}, []string{"remain"}},
		{"the last tier", "quality-based", func(s *rules.State) { s.Tier = rules.Tier{Name: "3", Limit: 100000} }, none, []string{"There is no higher tier. (rule 2 of", "10 of 100000 are used, and 99990 remain. (rule 1 of"}, nil},
		{"connected", "quality-based", func(*rules.State) {}, none, []string{"No quality rating was reported; Unknown counts as High."}, []string{"Connected since", "Blocked since"}},
		{"offline", "quality-based", func(s *rules.State) { s.Connection, s.ConnectionSource = v1alpha1.StateOffline, v1alpha1.FromReport }, none,
			[]string{"Offline since 2026-03-02 00:00:00 UTC: Meta reported it. (rule 9 of"}, []string{"(rule 5"}},
		{"blocked by the rules", "quality-based", func(s *rules.State) { s.Connection = v1alpha1.StateBlocked }, none,
			[]string{"Blocked since 2026-03-02 00:00:00 UTC: the rating stayed Low for 30 d at the lowest tier. Only Meta can lift it. (rule 5 of"}, []string{"Meta reported it"}},
		{"blocked by Meta", "quality-based", func(s *rules.State) { s.Connection, s.ConnectionSource = v1alpha1.StateBlocked, v1alpha1.FromReport }, none,
			[]string{"Blocked since 2026-03-02 00:00:00 UTC: Meta reported it. (rule 9 of"}, []string{"(rule 5"}},
		{"Low by feedback", "quality-based", func(s *rules.State) {
			s.Rating, s.RatingReason, s.LowSince, s.GraceStart = v1alpha1.QualityLow, v1alpha1.ReasonUserFeedback, day1, day1
		}, none, []string{"The quality rating is Low since 2026-03-02 00:00:00 UTC: by now 10 of 10 users reached within 24 h complained, 0 in a thousand make it Low (quality from feedback, ",
			"The number is blocked at 2026-04-01 00:00:00 UTC if the rating stays Low. (rule 5 of"}, nil},
		{"High by feedback", "quality-based", func(s *rules.State) { s.Rating = v1alpha1.QualityHigh }, none,
			[]string{"The quality rating is High since 2026-03-02 00:00:00 UTC (quality from feedback, "}, []string{"No quality rating", "blocked at"}},
		{"flagged by Meta for good", "meta-2025", func(s *rules.State) { s.FlagSince, s.FlagSource = day1, v1alpha1.FromReport }, none,
			[]string{"Flagged since 2026-03-02 00:00:00 UTC: Meta reported it, and Meta ends it. (rule 9 of"}, []string{"The flag ends"}},
		{"a flag that recovers", "quality-based", func(s *rules.State) {
			s.FlagSince, s.FlagSource, s.RecoveringSince = day1, v1alpha1.FromPolicy, day1.AddDate(0, 0, 1)
		}, none,
			[]string{"Flagged since 2026-03-02 00:00:00 UTC. The flag ends at 2026-03-10 00:00:00 UTC if the rating stays above Low. (rule 3 of"}, []string{"Meta ends it"}},
		{"a flag at the lowest tier", "quality-based", func(s *rules.State) {
			s.FlagSince, s.FlagSource, s.Rating, s.LowSince, s.GraceStart = day1, v1alpha1.FromPolicy, v1alpha1.QualityLow, day1, day1
		}, none, []string{"The flag ends at 2026-03-09 00:00:00 UTC, and the tier stays, for it is the lowest. (rule 3 of"}, nil},
		{"Low without a flag", "quality-based", func(s *rules.State) {
			s.Tier, s.Rating, s.LowSince, s.GraceStart = rules.Tier{Name: "2", Limit: 10000}, v1alpha1.QualityLow, day1, day1
		}, none, []string{"The limit falls to 1000 (tier 1) at 2026-03-09 00:00:00 UTC unless the rating rises above Low before. (rule 3 of"}, []string{"Flagged since", "that lasts"}},
		{"rated well above the lowest tier", "quality-based", func(s *rules.State) { s.Tier = rules.Tier{Name: "2", Limit: 10000} }, none,
			[]string{"A Low rating that lasts 7 d lowers the limit to 1000 (tier 1). (rule 3 of"}, []string{"The limit falls to", "is the lowest"}},
		{"an upgrade with a delay", "meta-2025", func(s *rules.State) { s.Tier, s.Verification = rules.Tier{Name: "2K", Limit: 2000}, v1alpha1.Verified }, none,
			[]string{"there are 10. Missing: 990 more unique users within 7 d. It comes 6 h after that. (rule 2 of"}, []string{"The verification of the business raises"}},
		{"an upgrade without one", "quality-based", func(*rules.State) {}, none, []string{"Missing: 490 more unique users within 7 d. (rule 2 of"}, []string{"It comes"}},
		{"verified below its start", "meta-2025", func(s *rules.State) { s.Verification = v1alpha1.Verified }, none, []string{"Tier 2K (2000) needs"}, []string{"The verification of the business raises"}},
		{"unverified at the start of a verified", "meta-2025", func(s *rules.State) { s.Tier = rules.Tier{Name: "2K", Limit: 2000} }, none, []string{"Tier 10K"}, []string{"The verification of the business raises"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			policy := shippedPolicy(t, test.policy)
			state := rules.Initial(policy, "", day1)
			test.change(&state)
			facts := &rules.Facts{HumanEscalation: true, Usage: deliveries(now.Add(-time.Hour), 10)}
			got := strings.Join(rules.Explain(policy, facts, state, test.cause, now), "\n")
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("it lacks\n%s\nin\n%s", want, got)
				}
			}
			for _, not := range test.not {
				if strings.Contains(got, not) {
					t.Errorf("it has\n%s\nin\n%s", not, got)
				}
			}
		})
	}
}

// Of a portfolio nothing is said that is about a number, of its number nothing about the limit.
func TestWhatIsSaidOfAPortfolio(t *testing.T) {
	policy := shippedPolicy(t, "meta-2025")
	facts := &rules.Facts{HumanEscalation: true, Usage: everyDelivery(nil)}
	say := func(p *rules.Policy) string {
		return strings.Join(rules.Explain(p, facts, rules.Initial(p, "", day1), rules.Cause{}, day1), "\n")
	}
	portfolio, number := say(policy.Portfolio()), say(policy.Member())
	for _, about := range []string{"The limit is 250", "0 of 250 are used", "Tier 2K (2000) needs", "A Low rating lowers nothing"} {
		if !strings.Contains(portfolio, about) || strings.Contains(number, about) {
			t.Errorf("%q is said of the portfolio\n%s\nor of its number\n%s", about, portfolio, number)
		}
	}
	if rated := "No quality rating was reported"; strings.Contains(portfolio, rated) || !strings.Contains(number, rated) {
		t.Errorf("it says\n%s\n%s", portfolio, number)
	}
}

// What an upgrade says when it comes; and that the lowest rated template of a number alone stands in its way, as a rating of its own.
func TestWhatAnUpgradeSays(t *testing.T) {
	for _, test := range []struct {
		name, policy string
		verification v1alpha1.Verification
		sent         int
		template     rules.MemberQuality
		want         string
	}{
		{"with a delay", "meta-2023", v1alpha1.Verified, 500, rules.MemberQuality{}, "the limit rises from 1000 to 10000: all that 10K requires was met at 2026-03-02 01:08:19 UTC, and 24 h have passed"},
		{"by a share", "quality-based", "", 500, rules.MemberQuality{}, "the limit rises from 1000 to 10000: 500 unique users within 7 d reach 50 % of the limit of 1000"},
		{"by a number", "meta-2023", "", 1000, rules.MemberQuality{}, "the limit rises from 250 to 1000: 1000 conversations within 30 d reach 1000"},
		{"with a template as good as it must be", "meta-2023", v1alpha1.Verified, 500, rules.MemberQuality{Name: "template promo", Rating: v1alpha1.QualityMedium},
			"the limit rises from 1000 to 10000: all that 10K requires was met at 2026-03-02 01:08:19 UTC, and 24 h have passed"},
		{"with a template that is worse", "meta-2023", v1alpha1.Verified, 500, rules.MemberQuality{Name: "template promo", Rating: v1alpha1.QualityLow},
			"the upgrade to 10K is cancelled: the quality rating of template promo is Low and must be at least Medium"},
	} {
		t.Run(test.name, func(t *testing.T) {
			policy := shippedPolicy(t, test.policy)
			facts := &rules.Facts{HumanEscalation: true, Verification: test.verification, Usage: deliveries(day1.Add(time.Hour), test.sent)}
			state, transitions, _ := rules.Advance(policy, facts, rules.Initial(policy, test.verification, day1), day1.Add(2*time.Hour))
			facts.Members = []rules.QualityAt{{At: day1.Add(2 * time.Hour), MemberQuality: test.template}}
			_, more, _ := rules.Advance(policy, facts, state, day1.AddDate(0, 0, 2))
			got := ""
			for _, tr := range append(transitions, more...) {
				if got == "" && (tr.Reason == v1alpha1.ReasonTierUpgraded || tr.Reason == v1alpha1.ReasonUpgradeCancelled) {
					got = tr.Message
				}
			}
			if got != test.want {
				t.Errorf("it says %q, not %q", got, test.want)
			}
		})
	}
}

// What the policy would have beside a limit of Meta's rises with the verification to where verified businesses start, and no further down.
func TestAVerificationBesideAReport(t *testing.T) {
	policy := shippedPolicy(t, "meta-2025")
	for overruled, want := range map[string]string{"250": "2K", "100K": "100K"} {
		state := rules.Initial(policy, "", day1)
		state.Tier, state.TierSource = rules.Tier{Name: "10K", Limit: 10000}, v1alpha1.FromReport
		for _, tier := range policy.Tiers() {
			if tier.Name == overruled {
				state.ConcludedTier, state.ConcludedSince = tier, day1
			}
		}
		facts := &rules.Facts{HumanEscalation: true, Verification: v1alpha1.Verified, Usage: everyDelivery(nil)}
		if got, _, _ := rules.Advance(policy, facts, state, day1.Add(time.Hour)); got.ConcludedTier.Name != want || !got.ConcludedSince.Equal(day1) || got.Tier.Name != "10K" {
			t.Errorf("where it would be at %s it would then be at %+v since %s", overruled, got.ConcludedTier, got.ConcludedSince)
		}
	}
}

// The cause of a tier is what was said when it last moved, at the instant since when it is so.
func TestTheCauseOfATier(t *testing.T) {
	at := func(hours int) metav1.Time { return metav1.NewTime(day1.Add(time.Duration(hours) * time.Hour)) }
	said := func(hours int, reason v1alpha1.TransitionReason) v1alpha1.Transition {
		return v1alpha1.Transition{Time: at(hours), Reason: reason, Rule: v1alpha1.Rule(hours), Message: string(reason)}
	}
	history := []v1alpha1.Transition{said(1, v1alpha1.ReasonTierUpgraded), said(2, v1alpha1.ReasonTierDowngraded), said(3, v1alpha1.ReasonLimitReported),
		said(3, v1alpha1.ReasonFlagged), said(4, v1alpha1.ReasonFlagCleared)}
	for hours, want := range map[int]string{0: "", 1: "TierUpgraded", 2: "TierDowngraded", 3: "LimitReported", 4: ""} {
		of := rules.Cause{}
		if want != "" {
			of = rules.Cause{Message: want, Rule: v1alpha1.Rule(hours)}
		}
		if got := rules.TierCause(history, at(hours).Time); got != of {
			t.Errorf("of a tier since %d h the cause is %+v, not %+v", hours, got, of)
		}
	}
	policy := shippedPolicy(t, "quality-based")
	facts := &rules.Facts{HumanEscalation: true, Usage: deliveries(day1, 500)}
	if got := strings.Join(rules.Explain(policy, facts, rules.Initial(policy, "", day1), rules.Cause{}, day1.Add(time.Hour)), "\n"); !strings.Contains(got, "there are 500. (rule 2") {
		t.Errorf("with nothing missing it says %s", got)
	}
}
