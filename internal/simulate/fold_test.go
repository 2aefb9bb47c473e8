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

// Restrictions with little room between them are one for people.
func TestFolded(t *testing.T) {
	tr := func(minutes int, subject string, reason v1alpha1.TransitionReason) Transition {
		return Transition{Subject: subject, Transition: rules.Transition{Time: day(2).Add(time.Duration(minutes) * time.Minute), Reason: reason, Message: "m"}}
	}
	const on, off = v1alpha1.ReasonRestricted, v1alpha1.ReasonRestrictionLifted
	result := Result{Transitions: []Transition{
		tr(0, first, on), tr(1, first, off), tr(1, second, on), tr(2, first, on), tr(3, first, off), tr(50, first, on), tr(51, second, off),
		tr(55, first, v1alpha1.ReasonTierUpgraded), tr(55, first, off), tr(115, first, on), tr(116, first, off),
	}}
	var got []string
	for _, t := range result.Folded() {
		got = append(got, fmt.Sprint(t.Time.Sub(day(2)).Minutes(), " ", t.Subject[len(t.Subject)-1:], " ", t.Reason, " ", t.Message))
	}
	want := []string{
		"0 1 Restricted m; and so again 2 times, with less than 1 h of room between", "1 2 Restricted m", "51 2 RestrictionLifted m",
		"55 1 TierUpgraded m", "55 1 RestrictionLifted m", "115 1 Restricted m", "116 1 RestrictionLifted m",
	}
	if !slices.Equal(got, want) || len(result.Transitions) != 11 || result.Transitions[0].Message != "m" {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
