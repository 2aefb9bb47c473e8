package reconciler

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/log"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/rules"
)

// warnings are the transitions that someone may want to do something about.
var warnings = []v1alpha1.TransitionReason{
	v1alpha1.ReasonTierDowngraded, v1alpha1.ReasonUpgradeCancelled, v1alpha1.ReasonFlagged, v1alpha1.ReasonRestricted, v1alpha1.ReasonBlocked,
	v1alpha1.ReasonTemplateFlagged, v1alpha1.ReasonTemplatePaused, v1alpha1.ReasonTemplateBlocked, v1alpha1.ReasonTemplateStateChanged,
	v1alpha1.ReasonTemplateCategoryChanged, v1alpha1.ReasonTemplateCategoryAnnounced,
}

// publish tells of transitions, once they stand in the status: in the log and as events on the resource. The sentence holds counts,
// tiers and times, never a user.
func publish(ctx context.Context, recorder events.EventRecorder, object runtime.Object, transitions []rules.Transition) {
	logger := log.FromContext(ctx)
	for _, t := range transitions {
		logger.Info("transition", "reason", t.Reason, "from", t.From, "to", t.To, "at", t.Time)
		kind := corev1.EventTypeNormal
		if slices.Contains(warnings, t.Reason) {
			kind = corev1.EventTypeWarning
		}
		recorder.Eventf(object, nil, kind, string(t.Reason), "Evaluate", "%s", statuses.Clip(t.Message, 1000))
	}
}

// publishProblem says on a resource what keeps the operator from its job for it, once.
func publishProblem(recorder events.EventRecorder, object runtime.Object, have, want []metav1.Condition) {
	before, after := meta.FindStatusCondition(have, v1alpha1.ConditionReady), meta.FindStatusCondition(want, v1alpha1.ConditionReady)
	if after != nil && after.Status == metav1.ConditionFalse && (before == nil || before.Reason != after.Reason) {
		recorder.Eventf(object, nil, corev1.EventTypeWarning, after.Reason, "Evaluate", "%s", statuses.Clip(after.Message, 1000))
	}
}

// observeLateness measures how late a deadline was met, if the transitions came with it.
func observeLateness(metrics *Metrics, deadline metav1.Time, transitions []rules.Transition, now time.Time) {
	if len(transitions) > 0 && !deadline.IsZero() && !deadline.After(now) {
		metrics.observeDeadline(now.Sub(deadline.Time))
	}
}
