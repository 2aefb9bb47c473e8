package controllers

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// conditions writes what the rules decided into the conditions. Ready says that the operator does its job, not that the
// business is well: a rollout must not wait for WhatsApp's opinion.
func conditions(number *v1alpha1.PhoneNumber, status *v1alpha1.PhoneNumberStatus, s rules.State, received bool) {
	set := setter(number, status, s.EvaluatedAt)
	ready(set, status, v1alpha1.ReasonEvaluated, "The rules of policy "+status.PolicyName+" ran on all that was received.")

	switch {
	case !s.Flagged():
		set(v1alpha1.ConditionFlagged, metav1.ConditionFalse, v1alpha1.ReasonNotFlagged, "No warning stands.")
	case s.FlagSource == v1alpha1.FromReport && s.Rating != v1alpha1.QualityLow:
		set(v1alpha1.ConditionFlagged, metav1.ConditionTrue, v1alpha1.ReasonReportedFlagged, "Meta reports the number as flagged; the flag ends "+by(status.Flag.ClearTime)+" if the rating stays above Low.")
	case !s.RecoveringSince.IsZero():
		set(v1alpha1.ConditionFlagged, metav1.ConditionTrue, v1alpha1.ReasonRecovering, "The rating has risen; the flag ends "+by(status.Flag.ClearTime)+" if it stays above Low.")
	default:
		set(v1alpha1.ConditionFlagged, metav1.ConditionTrue, v1alpha1.ReasonQualityLow, "The rating is Low; the grace period ends "+by(status.Flag.DeadlineTime)+".")
	}

	switch {
	case s.RestrictedSource == v1alpha1.FromReport:
		set(v1alpha1.ConditionRestricted, metav1.ConditionTrue, v1alpha1.ReasonReportedRestricted, "Meta reports the number as restricted.")
	case s.Restricted():
		set(v1alpha1.ConditionRestricted, metav1.ConditionTrue, v1alpha1.ReasonLimitReached, fmt.Sprintf("The limit of %d is reached; only replies inside a customer service window go out.", s.Tier.Limit))
	case s.Tier.Limit == rules.Unlimited:
		set(v1alpha1.ConditionRestricted, metav1.ConditionFalse, v1alpha1.ReasonUnlimited, "The tier has no limit.")
	default:
		set(v1alpha1.ConditionRestricted, metav1.ConditionFalse, v1alpha1.ReasonBelowLimit, "There is room below the limit.")
	}

	// Once something was received it stays so: a number that rests has fresh counts.
	if received || meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionUsageFresh) {
		set(v1alpha1.ConditionUsageFresh, metav1.ConditionTrue, v1alpha1.ReasonCounting, "All that was received is counted.")
	} else {
		set(v1alpha1.ConditionUsageFresh, metav1.ConditionUnknown, v1alpha1.ReasonNothingReceived, "Nothing was received for this number yet; see that Meta's webhook points to the operator.")
	}
}

// ownConditions are those that the operator writes; others are not its own.
var ownConditions = []string{
	v1alpha1.ConditionReady, v1alpha1.ConditionFlagged, v1alpha1.ConditionRestricted, v1alpha1.ConditionUsageFresh, v1alpha1.ConditionStalled,
}

type setCondition func(conditionType string, is metav1.ConditionStatus, reason, message string)

func setter(number *v1alpha1.PhoneNumber, status *v1alpha1.PhoneNumberStatus, now time.Time) setCondition {
	return func(conditionType string, is metav1.ConditionStatus, reason, message string) {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: conditionType, Status: is, Reason: reason, Message: message,
			ObservedGeneration: number.Generation, LastTransitionTime: at(now),
		})
	}
}

func ready(set setCondition, status *v1alpha1.PhoneNumberStatus, reason, message string) {
	meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionStalled)
	set(v1alpha1.ConditionReady, metav1.ConditionTrue, reason, message)
}

// notReady says what keeps the operator from its job for this number. What waits for another resource is in progress for
// kstatus; what needs a human is stalled.
func notReady(set setCondition, status *v1alpha1.PhoneNumberStatus, problem *problem) {
	set(v1alpha1.ConditionReady, metav1.ConditionFalse, problem.reason, problem.message)
	if problem.stalled {
		set(v1alpha1.ConditionStalled, metav1.ConditionTrue, problem.reason, problem.message)
	} else {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionStalled)
	}
}

func by(t metav1.Time) string {
	if t.IsZero() {
		return "by Meta's word"
	}
	return "at " + t.UTC().Format("2006-01-02 15:04:05 MST")
}
