package metrics

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

var conditionFamily = &family{"numberfleet_abnormal_condition",
	"A condition of a resource that is not as it should be; always 1, and absent while it is as it should be.",
	gauge, []string{"kind", "namespace", "name", "type", "reason"}}

// abnormal are the statuses in which a condition is not as it should be. Resources at rest have none of them, and no series. Conditions that
// are not the operator's own are not here: whoever writes one could make series. Stalled says what Ready says.
var abnormal = map[string][]metav1.ConditionStatus{
	v1alpha1.ConditionReady:         {metav1.ConditionFalse, metav1.ConditionUnknown},
	v1alpha1.ConditionSendable:      {metav1.ConditionFalse, metav1.ConditionUnknown},
	v1alpha1.ConditionFlagged:       {metav1.ConditionTrue},
	v1alpha1.ConditionRestricted:    {metav1.ConditionTrue},
	v1alpha1.ConditionRulesAgree:    {metav1.ConditionFalse}, // Unknown while Meta has reported nothing
	v1alpha1.ConditionUsageFresh:    {metav1.ConditionFalse, metav1.ConditionUnknown},
	v1alpha1.ConditionUsageComplete: {metav1.ConditionFalse}, // Unknown until a day was measured
	v1alpha1.ConditionReportsFresh:  {metav1.ConditionFalse, metav1.ConditionUnknown},
	v1alpha1.ConditionBudgetsFit:    {metav1.ConditionFalse, metav1.ConditionUnknown},
	v1alpha1.ConditionMembersFit:    {metav1.ConditionFalse, metav1.ConditionUnknown},
}

// putConditions tells which conditions of a resource are not as they should be.
func (p *page) putConditions(kind string, of client.Object, conditions []metav1.Condition) {
	for i := range conditions {
		if c := &conditions[i]; slices.Contains(abnormal[c.Type], c.Status) {
			p.put(conditionFamily, 1, kind, of.GetNamespace(), of.GetName(), c.Type, c.Reason)
		}
	}
}
