package simulate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Of each number, a stretch at its limit is told as its beginning and its end, among all else by time.
func TestFolded(t *testing.T) {
	tr := func(minutes int, subject string, reason v1alpha1.TransitionReason) Transition {
		return Transition{Subject: subject, Transition: rules.Transition{Rule: v1alpha1.RuleRestriction, Time: day(2).Add(time.Duration(minutes) * time.Minute), Reason: reason, Message: "m"}}
	}
	const on, off = v1alpha1.ReasonRestricted, v1alpha1.ReasonRestrictionLifted
	result := Result{at: day(2).Add(200 * time.Minute), Transitions: []Transition{
		tr(0, first, on), tr(1, first, off), tr(1, second, on), tr(2, first, on), tr(3, first, off), tr(50, first, on), tr(51, second, off),
		tr(55, first, v1alpha1.ReasonTierUpgraded), tr(55, first, off), tr(116, first, on), tr(117, first, off),
	}}
	var got []string
	for _, t := range result.Folded() {
		got = append(got, fmt.Sprint(t.Time.Sub(day(2)).Minutes(), " ", t.Subject[len(t.Subject)-1:], " ", t.Reason, " ", t.Message))
	}
	want := []string{
		"0 1 Restricted m", "1 2 Restricted m", "55 1 TierUpgraded m",
		"111 2 RestrictionLifted there has been room below the limit for 1 h, since 2026-03-02 00:51:00 UTC; the limit was reached once since 2026-03-02 00:01:00 UTC",
		"115 1 RestrictionLifted there has been room below the limit for 1 h, since 2026-03-02 00:55:00 UTC; the limit was reached 3 times since 2026-03-02 00:00:00 UTC",
		"116 1 Restricted m",
		"177 1 RestrictionLifted there has been room below the limit for 1 h, since 2026-03-02 01:57:00 UTC; the limit was reached once since 2026-03-02 01:56:00 UTC",
	}
	if !slices.Equal(got, want) || len(result.Transitions) != 11 || result.Transitions[0].Message != "m" {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
