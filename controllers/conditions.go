package controllers

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// conditions writes what the rules decided into the conditions. Ready says that the operator does its job, not that the
// business is well: a rollout must not wait for WhatsApp's opinion.
func conditions(number *v1alpha1.PhoneNumber, status *v1alpha1.PhoneNumberStatus, s rules.State) {
	set := conditionsOf(number, &status.Conditions, s.EvaluatedAt)
	set.ready(v1alpha1.ReasonEvaluated, "The rules of policy "+status.PolicyName+" ran on all that was received.")

	appeal := ""
	if status.Flag.Appeal != "" {
		appeal = " " + appealSentence(&number.Spec.Appeal)
	}

	switch {
	case !s.Flagged():
		set.condition(v1alpha1.ConditionFlagged, metav1.ConditionFalse, v1alpha1.ReasonNotFlagged, "No warning stands.")
	case s.FlagSource == v1alpha1.FromReport && s.Rating != v1alpha1.QualityLow:
		set.condition(v1alpha1.ConditionFlagged, metav1.ConditionTrue, v1alpha1.ReasonReportedFlagged, "Meta reports the number as flagged; the flag ends "+by(status.Flag.ClearTime)+" if the rating stays above Low."+appeal)
	case !s.RecoveringSince.IsZero():
		set.condition(v1alpha1.ConditionFlagged, metav1.ConditionTrue, v1alpha1.ReasonRecovering, "The rating has risen; the flag ends "+by(status.Flag.ClearTime)+" if it stays above Low."+appeal)
	default:
		set.condition(v1alpha1.ConditionFlagged, metav1.ConditionTrue, v1alpha1.ReasonQualityLow, "The rating is Low; the grace period ends "+by(status.Flag.DeadlineTime)+"."+appeal)
	}

	set.restricted(&status.Restriction, status.Tier.Limit)
}

// ownConditions are those that the operator writes; others are not its own.
var ownConditions = []string{
	v1alpha1.ConditionReady, v1alpha1.ConditionFlagged, v1alpha1.ConditionRestricted, v1alpha1.ConditionUsageFresh, v1alpha1.ConditionSendable,
	v1alpha1.ConditionStalled, v1alpha1.ConditionRulesAgree,
}

// conditionSetter sets the conditions of one resource.
type conditionSetter struct {
	of  client.Object
	in  *[]metav1.Condition
	now time.Time
}

func conditionsOf(object client.Object, in *[]metav1.Condition, now time.Time) conditionSetter {
	return conditionSetter{object, in, now}
}

func (c conditionSetter) condition(conditionType string, is metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(c.in, metav1.Condition{
		Type: conditionType, Status: is, Reason: reason, Message: message,
		ObservedGeneration: c.of.GetGeneration(), LastTransitionTime: at(c.now),
	})
}

func (c conditionSetter) ready(reason, message string) {
	meta.RemoveStatusCondition(c.in, v1alpha1.ConditionStalled)
	c.condition(v1alpha1.ConditionReady, metav1.ConditionTrue, reason, message)
}

// notReady says what keeps the operator from its job for this resource. What waits for another resource is in progress for
// kstatus; what needs a human is stalled.
func (c conditionSetter) notReady(problem *problem) {
	c.condition(v1alpha1.ConditionReady, metav1.ConditionFalse, problem.reason, problem.message)
	if problem.stalled {
		c.condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, problem.reason, problem.message)
	} else {
		meta.RemoveStatusCondition(c.in, v1alpha1.ConditionStalled)
	}
}

func (c conditionSetter) restricted(restriction *v1alpha1.RestrictionStatus, limit int64) {
	switch {
	case restriction.Reason != "":
		c.condition(v1alpha1.ConditionRestricted, metav1.ConditionTrue, v1alpha1.ReasonAccountRestricted, "Meta restricts the account ("+restriction.Reason+
			"); "+rules.RestrictedTo(restriction.Reason)+". The restriction ends "+by(restriction.UntilTime)+".")
	case restriction.Source == v1alpha1.FromReport:
		c.condition(v1alpha1.ConditionRestricted, metav1.ConditionTrue, v1alpha1.ReasonReportedRestricted, "Meta reports the number as restricted.")
	case restriction.Source != "":
		c.condition(v1alpha1.ConditionRestricted, metav1.ConditionTrue, v1alpha1.ReasonLimitReached, fmt.Sprintf("The limit of %d is reached; only replies inside a customer service window go out.", limit))
	case limit == rules.Unlimited:
		c.condition(v1alpha1.ConditionRestricted, metav1.ConditionFalse, v1alpha1.ReasonUnlimited, "The tier has no limit.")
	default:
		c.condition(v1alpha1.ConditionRestricted, metav1.ConditionFalse, v1alpha1.ReasonBelowLimit, "There is room below the limit.")
	}
}

// agree says how what Meta reports stands to what the policy concludes. The word is one that the rules do not understand.
func (c conditionSetter) agree(a rules.Agreement, word string) {
	differ := v1alpha1.ReasonStateDiffers
	switch {
	case a.Limit != "":
		differ = v1alpha1.ReasonLimitDiffers
	case a.Quality != "":
		differ = v1alpha1.ReasonQualityDiffers
	}
	said := strings.Join(slices.DeleteFunc([]string{a.Limit, a.Quality, a.State, a.Settling, word}, func(s string) bool { return s == "" }), " ")
	switch {
	case a.Limit+a.Quality+a.State != "":
		c.condition(v1alpha1.ConditionRulesAgree, metav1.ConditionFalse, differ, said)
	case word != "":
		c.condition(v1alpha1.ConditionRulesAgree, metav1.ConditionUnknown, v1alpha1.ReasonNotUnderstood, said)
	case a.Settling != "":
		c.condition(v1alpha1.ConditionRulesAgree, metav1.ConditionUnknown, v1alpha1.ReasonWithinDelay, said+" Either may only be later than the other.")
	case !a.Reported:
		c.condition(v1alpha1.ConditionRulesAgree, metav1.ConditionUnknown, v1alpha1.ReasonNothingReported, "Meta reported nothing yet that the policy concludes too.")
	default:
		c.condition(v1alpha1.ConditionRulesAgree, metav1.ConditionTrue, v1alpha1.ReasonAgreed, "What Meta reports is what the policy concludes, as far as it concludes anything.")
	}
}

func by(t metav1.Time) string {
	if t.IsZero() {
		return "by Meta's word"
	}
	return "at " + stamp(t)
}

func stamp(t metav1.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }
