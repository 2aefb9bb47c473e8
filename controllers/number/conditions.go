package number

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/internal/rules"
)

// setFlagged says whether the number is flagged, and when that ends.
func setFlagged(set conditions.Setter, number *v1alpha1.PhoneNumber, status *v1alpha1.PhoneNumberStatus, s *rules.State) {
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
}

// appealOf is where the appeal against the number's present flag stands; empty if there is none.
func appealOf(number *v1alpha1.PhoneNumber, status *v1alpha1.PhoneNumberStatus) v1alpha1.AppealState {
	appeal := &number.Spec.Appeal
	if status.Flag.SinceTime.IsZero() || appeal.State == "" || appeal.OpenedTime.Before(&status.Flag.SinceTime) {
		return ""
	}
	return appeal.State
}
