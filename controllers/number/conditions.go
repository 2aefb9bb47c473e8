package number

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/internal/rules"
)

// setConditions writes what the rules decided into the conditions. Ready says that the operator does its job, not that the
// business is well: a rollout must not wait for WhatsApp's opinion.
func setConditions(number *v1alpha1.PhoneNumber, status *v1alpha1.PhoneNumberStatus, s rules.State) {
	set := conditions.Of(number, &status.Conditions, s.EvaluatedAt)
	set.SetReady(v1alpha1.ReasonEvaluated, "The rules of policy "+status.PolicyName+" ran on all that was received.")

	appeal := ""
	if status.Flag.Appeal != "" {
		appeal = " " + appealSentence(&number.Spec.Appeal)
	}

	switch {
	case !s.Flagged():
		set.Set(v1alpha1.ConditionFlagged, metav1.ConditionFalse, v1alpha1.ReasonNotFlagged, "No warning stands.")
	case s.FlagSource == v1alpha1.FromReport && s.Rating != v1alpha1.QualityLow:
		set.Set(v1alpha1.ConditionFlagged, metav1.ConditionTrue, v1alpha1.ReasonReportedFlagged, "Meta reports the number as flagged; the flag ends "+conditions.By(status.Flag.ClearTime)+" if the rating stays above Low."+appeal)
	case !s.RecoveringSince.IsZero():
		set.Set(v1alpha1.ConditionFlagged, metav1.ConditionTrue, v1alpha1.ReasonRecovering, "The rating has risen; the flag ends "+conditions.By(status.Flag.ClearTime)+" if it stays above Low."+appeal)
	default:
		set.Set(v1alpha1.ConditionFlagged, metav1.ConditionTrue, v1alpha1.ReasonQualityLow, "The rating is Low; the grace period ends "+conditions.By(status.Flag.DeadlineTime)+"."+appeal)
	}

	set.SetRestricted(&status.Restriction, status.Tier.Limit)
}
