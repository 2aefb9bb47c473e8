// Package overview makes of a status what people look for first: what is wrong, and what happens next. The plugin and its dashboard show it.
package overview

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Urgency says who has to do something about a problem.
type Urgency int

// The urgencies, in the order of what is shown first.
const (
	// Act: nothing gets better until a person does something.
	Act Urgency = iota
	// Watch: it ends by itself, or with time and quality; it is worse if nobody looks.
	Watch
	// Fine: there is no problem.
	Fine
)

// Problem is what a condition says is wrong. Message is the condition's.
type Problem struct {
	Urgency Urgency `json:"-"`
	// Condition is the type, and Reason the reason of the condition.
	Condition string `json:"condition"`
	Reason    string `json:"reason"`
	Message   string `json:"message"`
}

// problematic are the conditions that tell of problems, the first the worst.
var problematic = []struct {
	condition string
	// good is the status without a problem.
	good metav1.ConditionStatus
	// watch are the reasons that need no person; with none, each needs one.
	watch []string
}{
	{v1alpha1.ConditionReady, metav1.ConditionTrue, nil},
	{v1alpha1.ConditionSendable, metav1.ConditionTrue, []string{string(v1alpha1.RoomLimitReached), string(v1alpha1.RoomTemplatePaused), string(v1alpha1.RoomNotReady)}},
	{v1alpha1.ConditionFlagged, metav1.ConditionFalse, []string{v1alpha1.ReasonRecovering}},
	{v1alpha1.ConditionReportsFresh, metav1.ConditionTrue, []string{v1alpha1.ReasonRateLimited, v1alpha1.ReasonUnreachable}},
	{v1alpha1.ConditionUsageFresh, metav1.ConditionTrue, []string{v1alpha1.ReasonNotSampledYet}},
	{v1alpha1.ConditionUsageComplete, metav1.ConditionTrue, []string{v1alpha1.ReasonNotMeasured}},
	{v1alpha1.ConditionBudgetsFit, metav1.ConditionTrue, nil},
	{v1alpha1.ConditionMembersFit, metav1.ConditionTrue, nil},
	{v1alpha1.ConditionRulesAgree, metav1.ConditionTrue, []string{v1alpha1.ReasonWithinDelay, v1alpha1.ReasonLimitDiffers, v1alpha1.ReasonQualityDiffers, v1alpha1.ReasonStateDiffers}},
}

// unremarkable are reasons of conditions that are not good and tell of no problem all the same.
var unremarkable = []string{v1alpha1.ReasonNothingReported, v1alpha1.ReasonNotMeasured, string(v1alpha1.RoomSuspended)}

// notSeen is the problem of an object without a status.
var notSeen = Problem{Act, v1alpha1.ConditionReady, string(v1alpha1.RoomNotReady), "The operator has not seen it yet."}

// Problems are those of an object, as its status says them, and whether it may send as the item does: the most urgent first. An object that
// is not ready has no other.
func Problems(o v1alpha1.Object, stands *client.Item) (all []Problem) {
	conditions := o.CommonStatus().Conditions
	if meta.FindStatusCondition(conditions, v1alpha1.ConditionReady) == nil {
		return []Problem{notSeen}
	}
	for _, p := range problematic {
		c := meta.FindStatusCondition(conditions, p.condition)
		if p.condition == v1alpha1.ConditionSendable {
			c = sendable(c, stands)
		}
		if c == nil || c.Status == p.good || slices.Contains(unremarkable, c.Reason) {
			continue
		}
		urgency := Act
		if slices.Contains(p.watch, c.Reason) {
			urgency = Watch
		}
		all = append(all, Problem{urgency, c.Type, c.Reason, c.Message})
		if p.condition == v1alpha1.ConditionReady {
			return all
		}
	}
	slices.SortStableFunc(all, func(a, b Problem) int { return int(a.Urgency - b.Urgency) })
	return all
}

// sendable is the condition Sendable of what stands now, in the words of the one in the status where that has the same reason.
func sendable(c *metav1.Condition, stands *client.Item) *metav1.Condition {
	switch {
	case stands.Sendable:
		return nil
	case c != nil && c.Reason == stands.Reason:
		return c
	default:
		return &metav1.Condition{Type: v1alpha1.ConditionSendable, Status: metav1.ConditionFalse, Reason: stands.Reason, Message: "Further users may not be messaged."}
	}
}

// UrgencyOf is that of the most urgent of some problems.
func UrgencyOf(problems []Problem) Urgency {
	if len(problems) == 0 {
		return Fine
	}
	return problems[0].Urgency
}
