package rules_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Each field of a policy is taken up to its bounds and refused beyond them, with its name, the problem and what is allowed.
func TestPolicyBounds(t *testing.T) {
	type spec = v1alpha1.MessagingPolicySpec
	own := func(change func(*v1alpha1.Upgrade)) func(*spec) {
		return func(s *spec) {
			s.Tiers[0].Upgrade = s.Upgrade
			change(&s.Tiers[0].Upgrade)
		}
	}
	feedback := func(medium, low int32) func(*spec) {
		return func(s *spec) { s.Quality.MediumPerThousand, s.Quality.LowPerThousand = medium, low }
	}
	pauses := func(hours ...int32) func(*spec) { return func(s *spec) { s.Templates.PauseHours = hours } }
	blocked := func(hours int32) func(*spec) { return func(s *spec) { s.Templates.BlockAfterHours = &hours } }
	threshold := func(n int64) func(*spec) {
		return func(s *spec) { s.Upgrade.ThresholdPercent, s.Upgrade.Threshold = nil, &n }
	}
	const tooLong = "it must be between 1 and 720, since counts are kept for 30 days"
	for _, test := range []struct {
		name   string
		change func(*spec)
		want   string // empty where it is taken
	}{
		{"no scope", func(s *spec) { s.Scope = "" }, `scope is "": it must be Number or Portfolio`},
		{"the highest limit", func(s *spec) { s.Tiers[2].Limit = 1_000_000_000 }, ""},
		{"a higher limit", func(s *spec) { s.Tiers[2].Limit = 1_000_000_001 }, "tiers[2].limit is 1000000001: it must be between 1 and 1000000000, or left out for an unlimited tier"},
		{"a negative limit", func(s *spec) { s.Tiers[0].Limit = -1 }, "tiers[0].limit is -1: it must be between 1 and 1000000000, or left out for an unlimited tier"},
		{"the lowest limit", func(s *spec) { s.Tiers[0].Limit = 1 }, ""},
		{"two tiers of one limit", func(s *spec) { s.Tiers[1].Limit = 10 }, "tiers[1].limit is 10, after 10: tiers must be ascending"},
		{"a limit above by one", func(s *spec) { s.Tiers[1].Limit = 11 }, ""},
		{"an unlimited last tier", func(s *spec) { s.Tiers[2].Limit = 0 }, ""},
		{"one tier", func(s *spec) { s.Tiers, s.Start = s.Tiers[:1], v1alpha1.StartTiers{Unverified: "S", Verified: "S"} }, ""},
		{"a tier without a name", func(s *spec) { s.Tiers[0].Name = "" }, "tiers[0].name is empty"},
		{"an unknown start", func(s *spec) { s.Start.Unverified = "gold" }, `start.unverified is "gold": it must be the name of one of the tiers`},
		{"no window", func(s *spec) { s.Counting.WindowHours = 0 }, "counting.windowHours is 0: " + tooLong},
		{"the shortest window", func(s *spec) { s.Counting.WindowHours = 1 }, ""},
		{"the longest window", func(s *spec) { s.Counting.WindowHours = 720 }, ""},
		{"a longer window", func(s *spec) { s.Counting.WindowHours = 721 }, "counting.windowHours is 721: " + tooLong},
		{"the longest service window", func(s *spec) { s.Counting.ServiceWindowHours = 168 }, ""},
		{"a longer service window", func(s *spec) { s.Counting.ServiceWindowHours = 169 }, "counting.serviceWindowHours is 169: it must be between 1 and 168, or left out"},
		{"the longest periods", func(s *spec) { s.Flag.GraceHours, s.Flag.RecoveryHours, s.Block.AfterHours = 8760, 8760, 8760 }, ""},
		{"a longer grace period", func(s *spec) { s.Flag.GraceHours = 8761 }, "flag.graceHours is 8761: it must be between 1 and 8760, or left out"},
		{"a longer recovery", func(s *spec) { s.Flag.RecoveryHours = 8761 }, "flag.recoveryHours is 8761: it must be between 1 and 8760, or left out"},
		{"a longer time to a block", func(s *spec) { s.Block.AfterHours = 8761 }, "block.afterHours is 8761: it must be between 1 and 8760, or left out"},
		{"a grace period alone", func(s *spec) { s.Flag.RecoveryHours = 0 }, "flag: graceHours and recoveryHours must be set together"},
		{"a recovery alone", func(s *spec) { s.Flag.GraceHours = 0 }, "flag: graceHours and recoveryHours must be set together"},
		{"a flag of a portfolio", func(s *spec) { s.Scope = v1alpha1.ScopePortfolio }, "scope is Portfolio: leave out flag and block, since the rating of one number lowers nothing that all share"},
		{"a block of a portfolio", func(s *spec) {
			s.Scope, s.Flag, s.Block.AfterHours = v1alpha1.ScopePortfolio, v1alpha1.FlagRules{}, 1
		}, "scope is Portfolio: leave out flag and block, since the rating of one number lowers nothing that all share"},
		{"a portfolio", func(s *spec) { s.Scope, s.Flag = v1alpha1.ScopePortfolio, v1alpha1.FlagRules{} }, ""},

		{"the least share", func(s *spec) { *s.Upgrade.ThresholdPercent = 1 }, ""},
		{"the least threshold", threshold(1), ""},
		{"no threshold", threshold(0), "upgrade.threshold is 0: it must be at least 1"},
		{"neither", func(s *spec) { s.Upgrade.ThresholdPercent = nil }, "upgrade: set exactly one of thresholdPercent and threshold"},
		{"an unknown measure", func(s *spec) { s.Upgrade.Measure = "Luck" }, `upgrade.measure is "Luck": it must be UniqueUsers, Conversations or Messages`},
		{"an unknown measure of a tier's own way", own(func(u *v1alpha1.Upgrade) { u.Measure = "Luck" }), `tiers[0].upgrade.measure is "Luck": it must be UniqueUsers, Conversations or Messages`},
		{"rated Low at least", func(s *spec) { s.Upgrade.MinimumQuality = v1alpha1.QualityLow }, ""},
		{"rated in words of one's own", func(s *spec) { s.Upgrade.MinimumQuality = "GREEN" }, `upgrade.minimumQuality is "GREEN": it must be High, Medium or Low`},
		{"the longest span", func(s *spec) { s.Upgrade.MinimumSpanHours = 167 }, ""},
		{"a negative span", func(s *spec) { s.Upgrade.MinimumSpanHours = -1 }, "upgrade.minimumSpanHours is -1: it must be less than windowHours, or it could never be met"},
		{"the longest delay", func(s *spec) { s.Upgrade.DelayHours = 720 }, ""},
		{"a longer delay", func(s *spec) { s.Upgrade.DelayHours = 721 }, "upgrade.delayHours is 721: it must be between 1 and 720, or left out"},

		{"no window for quality", func(s *spec) { s.Quality.WindowHours = 0 }, "quality.windowHours is 0: " + tooLong},
		{"the lowest thresholds", feedback(1, 2), ""},
		{"the highest thresholds", feedback(999, 1000), ""},
		{"higher than all users", feedback(999, 1001), "quality.lowPerThousand is 1001: it must be between 1 and 1000, or left out"},
		{"a negative threshold", feedback(-1, 5), "quality.mediumPerThousand is -1: it must be between 1 and 1000, or left out"},
		{"two thresholds alike", feedback(5, 5), "quality.mediumPerThousand is 5: it must be less than lowPerThousand, which is 5"},
		{"one threshold", feedback(5, 0), "quality: mediumPerThousand and lowPerThousand must be set together"},
		{"the other threshold", feedback(0, 5), "quality: mediumPerThousand and lowPerThousand must be set together"},

		{"templates that are blocked and paused", func(s *spec) { blocked(1)(s); pauses(1)(s) }, "templates: set one of blockAfterHours and pauseHours, not both"},
		{"templates that are blocked soon", blocked(1), ""},
		{"templates that are blocked late", blocked(8760), ""},
		{"templates that are blocked at once", blocked(0), "templates.blockAfterHours is 0: it must be between 1 and 8760"},
		{"templates that are blocked later", blocked(8761), "templates.blockAfterHours is 8761: it must be between 1 and 8760"},
		{"templates that are paused", pauses(1, 8760), ""},
		{"templates that are paused for no time", pauses(1, 0), "templates.pauseHours[1] is 0: it must be between 1 and 8760"},
		{"templates that are paused for longer", pauses(8761), "templates.pauseHours[0] is 8761: it must be between 1 and 8760"},
	} {
		t.Run(test.name, func(t *testing.T) {
			spec := ladderSpec()
			test.change(spec)
			got := ""
			if _, err := rules.Compile("edge", spec); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("the error is %q, not %q", got, test.want)
			}
		})
	}
}

// The windows of a policy are each of its counts' once, and the service window is a day where the policy says nothing.
func TestWindows(t *testing.T) {
	policy := shippedPolicy(t, "meta-2025")
	if got, want := policy.Windows(), []time.Duration{day, 30 * day, 7 * day}; !slices.Equal(got, want) {
		t.Errorf("they are %v, not %v", got, want)
	}
	if got, want := fmt.Sprint(compiled(t, nil).Tiers()), "[{S 10} {M 20} {L 40}]"; got != want {
		t.Errorf("the tiers are %s", got)
	}
	if policy := compiled(t, nil); policy.ServiceWindow != day || policy.Source != "policy ladder" {
		t.Errorf("the service window is %s, the source %q", policy.ServiceWindow, policy.Source)
	}
	policy = compiled(t, func(s *v1alpha1.MessagingPolicySpec) { s.Counting.ServiceWindowHours, s.Source = 48, "a l" })
	if policy.ServiceWindow != 2*day || policy.Source != "a l" {
		t.Errorf("the service window is %s, the source %q", policy.ServiceWindow, policy.Source)
	}
}
