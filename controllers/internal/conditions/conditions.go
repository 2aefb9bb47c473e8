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
)

// ownConditions are those that the operator writes; others are not its own.
var ownConditions = []string{
	v1alpha1.ConditionReady, v1alpha1.ConditionFlagged, v1alpha1.ConditionRestricted, v1alpha1.ConditionUsageFresh, v1alpha1.ConditionSendable,
	v1alpha1.ConditionStalled, v1alpha1.ConditionRulesAgree,
}

// Setter sets the conditions of one resource.
type Setter struct {
	of  client.Object
	In  *[]metav1.Condition
	now time.Time
}

func Of(object client.Object, in *[]metav1.Condition, now time.Time) Setter {
	return Setter{object, in, now}
}

func (c Setter) Set(conditionType string, is metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(c.In, metav1.Condition{
		Type: conditionType, Status: is, Reason: reason, Message: message,
		ObservedGeneration: c.of.GetGeneration(), LastTransitionTime: statuses.Time(c.now),
	})
}

func (c Setter) SetReady(reason, message string) {
	meta.RemoveStatusCondition(c.In, v1alpha1.ConditionStalled)
	c.Set(v1alpha1.ConditionReady, metav1.ConditionTrue, reason, message)
}

// SetNotReady says what keeps the operator from its job for this resource. What waits for another resource is in progress for
// kstatus; what needs a human is stalled.
func (c Setter) SetNotReady(problem *Problem) {
	c.Set(v1alpha1.ConditionReady, metav1.ConditionFalse, problem.Reason, problem.Message)
	if problem.Stalled {
		c.Set(v1alpha1.ConditionStalled, metav1.ConditionTrue, problem.Reason, problem.Message)
	} else {
		meta.RemoveStatusCondition(c.In, v1alpha1.ConditionStalled)
	}
}

// Owned are the conditions that the operator writes; others are not its own.
func Owned(conditions []metav1.Condition) []metav1.Condition {
	return slices.DeleteFunc(slices.Clone(conditions), func(c metav1.Condition) bool { return !slices.Contains(ownConditions, c.Type) })
}
