package controllers

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// warnings are the transitions that someone may want to do something about.
var warnings = []v1alpha1.TransitionReason{
	v1alpha1.ReasonTierDowngraded, v1alpha1.ReasonUpgradeCancelled, v1alpha1.ReasonFlagged, v1alpha1.ReasonRestricted, v1alpha1.ReasonBlocked,
	v1alpha1.ReasonTemplateFlagged, v1alpha1.ReasonTemplatePaused, v1alpha1.ReasonTemplateBlocked,
}

// announce records a transition as an event on the resource. Its sentence holds counts, tiers and times, never a user.
func announce(recorder events.EventRecorder, object runtime.Object, t rules.Transition) {
	kind := corev1.EventTypeNormal
	if slices.Contains(warnings, t.Reason) {
		kind = corev1.EventTypeWarning
	}
	recorder.Eventf(object, nil, kind, string(t.Reason), "Evaluate", "%s", clip(t.Message, 1000))
}
