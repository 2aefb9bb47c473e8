package controllers

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/log"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// warnings are the transitions that someone may want to do something about.
var warnings = []v1alpha1.TransitionReason{
	v1alpha1.ReasonTierDowngraded, v1alpha1.ReasonUpgradeCancelled, v1alpha1.ReasonFlagged, v1alpha1.ReasonRestricted, v1alpha1.ReasonBlocked,
	v1alpha1.ReasonTemplateFlagged, v1alpha1.ReasonTemplatePaused, v1alpha1.ReasonTemplateBlocked,
}

// said says what happened, once it stands in the status: in the log, in the metrics, and as an event on the resource. The
// sentence holds counts, tiers and times, never a user.
func said(ctx context.Context, recorder events.EventRecorder, metrics *Metrics, object runtime.Object, transitions []rules.Transition) {
	logger := log.FromContext(ctx)
	for _, t := range transitions {
		logger.Info("transition", "reason", t.Reason, "from", t.From, "to", t.To, "at", t.Time)
		kind := corev1.EventTypeNormal
		if slices.Contains(warnings, t.Reason) {
			kind = corev1.EventTypeWarning
		}
		recorder.Eventf(object, nil, kind, string(t.Reason), "Evaluate", "%s", clip(t.Message, 1000))
		metrics.happened(t)
	}
}

// met measures how late a deadline was met, if the transitions came with it.
func met(metrics *Metrics, deadline metav1.Time, transitions []rules.Transition, now time.Time) {
	if len(transitions) > 0 && !deadline.IsZero() && !deadline.After(now) {
		metrics.deadlineMet(now.Sub(deadline.Time))
	}
}
