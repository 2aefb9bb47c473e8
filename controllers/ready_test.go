package controllers_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	applyv1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/internal/report"
)

func TestConditionsOfOthersStay(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("botmaker")
	b.Evaluate(number)
	theirs := applyv1alpha1.PhoneNumber(number.Name, number.Namespace).WithStatus(applyv1alpha1.PhoneNumberStatus().WithConditions(
		conditionApply("Audited", metav1.ConditionTrue, "Checked", b.FakeClock.Now())))
	b.Must(b.Direct.Status().Apply(b.Ctx, theirs, client.FieldOwner("auditor")))
	b.Report(number.Spec.PhoneNumber, report.Quality, "Low")
	b.EvaluateUntil(number, func() bool { return number.Status.State == v1alpha1.StateFlagged })
	b.Report(number.Spec.PhoneNumber, report.Connection, "Connected")
	b.EvaluateUntil(number, func() bool { return number.Status.State == v1alpha1.StateConnected })
	if !meta.IsStatusConditionTrue(number.Status.Conditions, "Audited") {
		t.Error("the condition of another owner is gone")
	}
	if !number.Status.Flag.SinceTime.IsZero() {
		t.Error("the flag, which ended, still stands in the status")
	}
	// It is theirs to take back, too.
	b.Must(b.Direct.Status().Apply(b.Ctx, applyv1alpha1.PhoneNumber(number.Name, number.Namespace).WithStatus(applyv1alpha1.PhoneNumberStatus()), client.FieldOwner("auditor")))
	b.Must(b.Direct.Get(b.Ctx, client.ObjectKeyFromObject(number), number))
	if meta.FindStatusCondition(number.Status.Conditions, "Audited") != nil {
		t.Error("the condition that its owner took back is still there")
	}
}

func TestProblemsShowInReady(t *testing.T) {
	b := controllertest.New(t)
	ready := func(number *v1alpha1.PhoneNumber) *metav1.Condition {
		b.Evaluate(number)
		return meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionReady)
	}
	t.Run("a policy that does not exist is waited for", func(t *testing.T) {
		number := b.Create("nowhere")
		if c := ready(number); c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.ReasonPolicyNotFound || !strings.Contains(c.Message, `"nowhere"`) {
			t.Errorf("Ready is %+v", c)
		}
		if meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionStalled) != nil {
			t.Error("it is stalled, though the policy may still come")
		}
	})
	t.Run("without a policy name the default is asked for", func(t *testing.T) {
		number := b.Create("")
		if c := ready(number); c.Status != metav1.ConditionTrue || number.Status.PolicyName != "meta-2025" {
			t.Errorf("with the default that ships, Ready is %+v under policy %q", c, number.Status.PolicyName)
		}
		var policy v1alpha1.MessagingPolicy
		b.Must(b.Client.Get(b.Ctx, client.ObjectKey{Name: "meta-2025"}, &policy))
		marks := policy.Annotations
		policy.Annotations = nil
		b.Must(b.Client.Update(b.Ctx, &policy))
		if c := ready(number); c.Reason != v1alpha1.ReasonPolicyNotFound || !strings.Contains(c.Message, v1alpha1.AnnotationDefaultPolicy) {
			t.Errorf("without a default, Ready is %+v", c)
		}
		policy.Annotations = marks
		b.Must(b.Client.Update(b.Ctx, &policy))
	})
	t.Run("a second resource for the same number is stalled until the first is gone", func(t *testing.T) {
		first := b.Create("netcore")
		second := b.Create("netcore", func(n *v1alpha1.PhoneNumber) { n.Spec.PhoneNumber = first.Spec.PhoneNumber })
		one, other := ready(first), ready(second)
		if (one.Status == metav1.ConditionTrue) == (other.Status == metav1.ConditionTrue) {
			t.Fatalf("Ready is %+v and %+v: exactly one counts", one, other)
		}
		if other.Status == metav1.ConditionTrue { // made in the same second, the UID decides
			first, second, other = second, first, one
		}
		if other.Reason != v1alpha1.ReasonDuplicateNumber || !meta.IsStatusConditionTrue(second.Status.Conditions, v1alpha1.ConditionStalled) {
			t.Errorf("the second is %+v", second.Status.Conditions)
		}
		b.Must(b.Client.Delete(b.Ctx, first))
		if c := ready(second); c.Status != metav1.ConditionTrue || meta.FindStatusCondition(second.Status.Conditions, v1alpha1.ConditionStalled) != nil {
			t.Errorf("alone, Ready is %+v", c)
		}
	})
	t.Run("a suspended number is frozen and catches up", func(t *testing.T) {
		number := b.Create("botmaker", func(n *v1alpha1.PhoneNumber) { n.Spec.Activity = v1alpha1.Suspended })
		b.Report(number.Spec.PhoneNumber, report.Quality, "Low")
		if c := ready(number); c.Status != metav1.ConditionTrue || c.Reason != v1alpha1.ReasonSuspended || number.Status.State != "" {
			t.Errorf("Ready is %+v, the state %q", c, number.Status.State)
		}
		number.Spec.Activity = v1alpha1.Active
		b.Must(b.Client.Update(b.Ctx, number))
		if c := ready(number); c.Reason != v1alpha1.ReasonEvaluated || number.Status.State != v1alpha1.StateFlagged {
			t.Errorf("active again, Ready is %+v, the state %q", c, number.Status.State)
		}
	})
}
