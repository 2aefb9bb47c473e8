package rules_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Of a stretch in which the limit is reached again and again, the beginning and the end are told.
func TestFold(t *testing.T) {
	const on, off, up = v1alpha1.ReasonRestricted, v1alpha1.ReasonRestrictionLifted, v1alpha1.ReasonTierUpgraded
	at := func(minutes int) time.Time { return day1.Add(time.Duration(minutes) * time.Minute) }
	of := func(rule v1alpha1.Rule, minutes int, reason v1alpha1.TransitionReason) rules.Transition {
		return rules.Transition{Time: at(minutes), Rule: rule, Reason: reason, Message: "m"}
	}
	limit := func(minutes int, reason v1alpha1.TransitionReason) rules.Transition {
		return of(v1alpha1.RuleRestriction, minutes, reason)
	}
	meta := func(minutes int, reason v1alpha1.TransitionReason) rules.Transition {
		return of(v1alpha1.RuleReports, minutes, reason)
	}
	for _, test := range []struct {
		name     string
		happened []rules.Transition
		until    int // minutes
		want     []string
		over     int // minutes; zero for none
	}{
		{name: "nothing", until: 100},
		{name: "the beginning", happened: []rules.Transition{limit(0, on)}, until: 100, want: []string{"0 Restricted m"}},
		{name: "room that does not last yet", happened: []rules.Transition{limit(0, on), limit(10, off)}, until: 69, want: []string{"0 Restricted m"}, over: 70},
		{name: "room for an hour", happened: []rules.Transition{limit(0, on), limit(10, off)}, until: 70, want: []string{"0 Restricted m",
			"70 RestrictionLifted there has been room below the limit for 1 h, since 2026-03-02 00:10:00 UTC; the limit was reached once since 2026-03-02 00:00:00 UTC"}},
		{name: "again and again", happened: []rules.Transition{limit(0, on), limit(10, off), limit(60, on), limit(61, off), limit(121, on), limit(122, off)},
			until: 200, want: []string{"0 Restricted m",
				"182 RestrictionLifted there has been room below the limit for 1 h, since 2026-03-02 02:02:00 UTC; the limit was reached 3 times since 2026-03-02 00:00:00 UTC"}},
		{name: "another stretch", happened: []rules.Transition{limit(0, on), limit(10, off), limit(71, on)}, until: 80, want: []string{"0 Restricted m",
			"70 RestrictionLifted there has been room below the limit for 1 h, since 2026-03-02 00:10:00 UTC; the limit was reached once since 2026-03-02 00:00:00 UTC",
			"71 Restricted m"}},
		{name: "all else is told at once, in its place", happened: []rules.Transition{limit(0, on), limit(10, off), of(v1alpha1.RuleUpgrade, 70, up), of(v1alpha1.RuleUpgrade, 71, up)},
			until: 80, want: []string{"0 Restricted m", "70 TierUpgraded m",
				"70 RestrictionLifted there has been room below the limit for 1 h, since 2026-03-02 00:10:00 UTC; the limit was reached once since 2026-03-02 00:00:00 UTC",
				"71 TierUpgraded m"}},
		{name: "what Meta reports is told as such", happened: []rules.Transition{meta(0, on), meta(10, off), meta(11, on)}, until: 20,
			want: []string{"0 Restricted m", "10 RestrictionLifted m", "11 Restricted m"}},
		{name: "Meta's word ends a stretch", happened: []rules.Transition{limit(0, on), limit(10, off), meta(20, on), meta(30, off), limit(31, on)}, until: 90,
			want: []string{"0 Restricted m", "20 Restricted m", "30 RestrictionLifted m", "31 Restricted m"}},
		{name: "a restriction that was told before stretches were", happened: []rules.Transition{limit(10, off)}, until: 20, want: []string{"10 RestrictionLifted m"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, told, over := rules.Fold(rules.LimitStretch{}, test.happened, at(test.until))
			var got []string
			for _, tr := range told {
				got = append(got, fmt.Sprintf("%g %s %s", tr.Time.Sub(day1).Minutes(), tr.Reason, tr.Message))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("it is told\n  %s\nnot\n  %s", strings.Join(got, "\n  "), strings.Join(test.want, "\n  "))
			}
			if test.over == 0 != over.IsZero() || test.over > 0 && !over.Equal(at(test.over)) {
				t.Errorf("it is over at %s, want %d minutes", over, test.over)
			}
		})
	}
}

// A number that sends steadily at its limit for four days is told as two lines, while all that happened stays exact.
func TestASteadySenderAtItsLimitIsToldAsTwoLines(t *testing.T) {
	policy := shippedPolicy(t, "meta-2025")
	var sent everyDelivery
	for at := day1; at.Before(day1.Add(4 * 24 * time.Hour)); at = at.Add(307 * time.Second) { // 281 a day, and 250 may be sent
		if sent.Count("", at.Add(-policy.Window), at).Most < 250 {
			sent = append(sent, at)
		}
	}
	now := day1.Add(6 * 24 * time.Hour)
	_, happened, _ := rules.Advance(policy, &rules.Facts{HumanEscalation: true, Usage: sent}, rules.Initial(policy, "", day1), now)
	_, told, over := rules.Fold(rules.LimitStretch{}, happened, now)
	var crossings int
	for _, tr := range happened {
		if tr.Reason == v1alpha1.ReasonRestricted {
			crossings++
		}
	}
	var got []string
	for _, tr := range told {
		got = append(got, fmt.Sprint(tr.Time.Sub(day1), " ", tr.Reason))
	}
	if crossings < 100 || len(told) != 2 || told[0].Reason != v1alpha1.ReasonRestricted || told[1].Reason != v1alpha1.ReasonRestrictionLifted ||
		!strings.Contains(told[1].Message, fmt.Sprintf("was reached %d times", crossings)) || !over.IsZero() {
		t.Errorf("of %d crossings it is told %v", crossings, got)
	}
}

// It is told the same, whether what happened is looked at as it happens or together later.
func TestFoldingByAndByIsFoldingAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := day1
		var stretch rules.LimitStretch
		var all, told []rules.Transition
		restricted := false
		for range rapid.IntRange(1, 40).Draw(t, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "minutes")) * time.Minute)
			var some []rules.Transition
			if rapid.Bool().Draw(t, "crosses") {
				restricted = !restricted
				reason := v1alpha1.ReasonRestrictionLifted
				if restricted {
					reason = v1alpha1.ReasonRestricted
				}
				rule := v1alpha1.RuleRestriction
				if rapid.IntRange(1, 8).Draw(t, "reported") == 1 {
					rule = v1alpha1.RuleReports
				}
				some = append(some, rules.Transition{Time: now, Rule: rule, Reason: reason})
			}
			var news []rules.Transition
			stretch, news, _ = rules.Fold(stretch, some, now)
			all, told = append(all, some...), append(told, news...)
		}
		atOnce, once, _ := rules.Fold(rules.LimitStretch{}, all, now)
		if !slices.Equal(told, once) || atOnce != stretch {
			t.Fatalf("by and by %v\nand then %+v\nat once %v\nand then %+v", told, stretch, once, atOnce)
		}
	})
}
