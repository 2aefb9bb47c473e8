// Package conditions sets the conditions that several kinds have.
package conditions

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/rules"
)

// ownConditions are those that the operator writes; others are not its own.
var ownConditions = []string{
	v1alpha1.ConditionReady, v1alpha1.ConditionFlagged, v1alpha1.ConditionRestricted, v1alpha1.ConditionUsageFresh, v1alpha1.ConditionSendable,
	v1alpha1.ConditionStalled, v1alpha1.ConditionRulesAgree, v1alpha1.ConditionBudgetsFit, v1alpha1.ConditionMembersFit,
}

// Setter sets the conditions of one resource.
type Setter struct {
	of client.Object
	// In is the list that they are in.
	In  *[]metav1.Condition
	now time.Time
}

// Of sets the conditions of an object, in a list that its status is to have.
func Of(object client.Object, in *[]metav1.Condition, now time.Time) Setter {
	return Setter{object, in, now}
}

// Set sets a condition.
func (c Setter) Set(conditionType string, is metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(c.In, metav1.Condition{
		Type: conditionType, Status: is, Reason: reason, Message: message,
		ObservedGeneration: c.of.GetGeneration(), LastTransitionTime: statuses.Time(c.now),
	})
}

// SetEvaluated says that the operator does its job: not that the business is well, for a rollout must not wait for WhatsApp's opinion.
func (c Setter) SetEvaluated(policy string) {
	c.SetReady(v1alpha1.ReasonEvaluated, "The rules of policy "+policy+" ran on all that was received.")
}

// Freeze says why the rules do not run for the resource: a problem keeps the operator from its job, or where there is none
// spec.activity is Suspended. What waits for another resource is in progress for kstatus; what needs a human is stalled. limit is the
// part of the status that is about a limit, of which nothing may be used and nothing is due; nil for a kind without one.
func (c Setter) Freeze(problem *Problem, limit *v1alpha1.LimitStatus) {
	reason := v1alpha1.RoomNotReady
	switch {
	case problem == nil && limit == nil:
		c.SetReady(v1alpha1.ReasonSuspended, "spec.activity is Suspended: the status is frozen.")
	case problem == nil:
		reason = v1alpha1.RoomSuspended
		c.SetReady(v1alpha1.ReasonSuspended, "spec.activity is Suspended: the status is frozen; usage is counted on.")
	case problem.Stalled:
		c.Set(v1alpha1.ConditionReady, metav1.ConditionFalse, problem.Reason, problem.Message)
		c.Set(v1alpha1.ConditionStalled, metav1.ConditionTrue, problem.Reason, problem.Message)
	default:
		c.Set(v1alpha1.ConditionReady, metav1.ConditionFalse, problem.Reason, problem.Message)
		meta.RemoveStatusCondition(c.In, v1alpha1.ConditionStalled)
	}
	if limit != nil {
		c.SetSendable(&limit.Usage, rules.RoomOf(rules.Limit{}, rules.Obstacle{Reason: reason}))
		for i := range limit.Budgets {
			limit.Budgets[i].Remaining = new(int64)
		}
		limit.NextDeadlineTime = metav1.Time{} // nobody keeps it
	}
}

// SetReady says that the operator does its job for the resource.
func (c Setter) SetReady(reason, message string) {
	meta.RemoveStatusCondition(c.In, v1alpha1.ConditionStalled)
	c.Set(v1alpha1.ConditionReady, metav1.ConditionTrue, reason, message)
}

// Owned are the conditions that the operator writes; others are not its own.
func Owned(conditions []metav1.Condition) []metav1.Condition {
	return slices.DeleteFunc(slices.Clone(conditions), func(c metav1.Condition) bool { return !slices.Contains(ownConditions, c.Type) })
}

// Problem keeps the operator from its job for a resource, and shows in the condition Ready.
type Problem struct {
	Reason, Message string
	Stalled         bool // only a human can mend it
}

func (p *Problem) Error() string { return p.Message }

// Verdict is what the condition says. Its message has no times and no words of Meta's, which differ from one answer to
// the next: a thousand numbers would be written again.
type Verdict struct {
	Status          metav1.ConditionStatus
	Reason, Message string
}

// True says that a condition holds.
func True(reason, message string) Verdict {
	return Verdict{metav1.ConditionTrue, reason, message}
}

// False says that a condition does not hold.
func False(reason, message string) Verdict {
	return Verdict{metav1.ConditionFalse, reason, message}
}

// Unknown says that nobody knows whether a condition holds.
func Unknown(reason, message string) Verdict {
	return Verdict{metav1.ConditionUnknown, reason, message}
}

// VerdictOf is what a condition says.
func VerdictOf(c *metav1.Condition) Verdict { return Verdict{c.Status, c.Reason, c.Message} }
