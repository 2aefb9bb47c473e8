package reconciler

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
)

// warnings are the transitions that someone may want to do something about.
var warnings = []v1alpha1.TransitionReason{
	v1alpha1.ReasonTierDowngraded, v1alpha1.ReasonUpgradeCancelled, v1alpha1.ReasonFlagged, v1alpha1.ReasonRestricted, v1alpha1.ReasonBlocked,
	v1alpha1.ReasonTemplateFlagged, v1alpha1.ReasonTemplatePaused, v1alpha1.ReasonTemplateBlocked, v1alpha1.ReasonTemplateStateChanged,
	v1alpha1.ReasonTemplateCategoryChanged, v1alpha1.ReasonTemplateCategoryAnnounced,
}

// publish tells of a change once it stands in the status: in the log, in metrics and as events on the resource. The sentences hold
// counts, tiers and times, never a user.
func (o *Operator) publish(ctx context.Context, c *Change, now time.Time) {
	for _, t := range c.Transitions.Happened {
		o.Metrics.countTransition(t)
	}
	logger := log.FromContext(ctx).WithValues("kind", c.Key.Kind, "namespace", c.Key.Namespace, "name", c.Key.Name)
	span := trace.SpanFromContext(ctx)
	if span.SpanContext().IsSampled() {
		logger = logger.WithValues("traceID", span.SpanContext().TraceID().String())
	}
	logger.V(1).Info("status written")
	for _, t := range c.Transitions.Told {
		why := statuses.Clip(t.Message, 1000)
		logger.Info("decision", "reason", t.Reason, "rule", t.Rule, "from", t.From, "to", t.To, "at", t.Time, "why", why) // see docs/operating.md
		if span.IsRecording() {
			span.AddEvent(string(t.Reason))
		}
		kind := corev1.EventTypeNormal
		if slices.Contains(warnings, t.Reason) {
			kind = corev1.EventTypeWarning
		}
		o.Recorder.Eventf(c.Object, nil, kind, string(t.Reason), "Evaluate", "%s", why)
	}
	o.publishProblem(c)
	if c.Publish != nil {
		c.Publish(o.Recorder)
	}
	if len(c.Transitions.Happened) > 0 && !c.Deadline.IsZero() && !c.Deadline.After(now) {
		o.Metrics.observeLateness(now.Sub(c.Deadline.Time))
	}
}

// publishProblem says on a resource what keeps the operator from its job for it, once.
func (o *Operator) publishProblem(c *Change) {
	before, after := meta.FindStatusCondition(c.Object.CommonStatus().Conditions, v1alpha1.ConditionReady), meta.FindStatusCondition(c.Conditions, v1alpha1.ConditionReady)
	if after != nil && after.Status == metav1.ConditionFalse && (before == nil || before.Reason != after.Reason) {
		o.Recorder.Eventf(c.Object, nil, corev1.EventTypeWarning, after.Reason, "Evaluate", "%s", statuses.Clip(after.Message, 1000))
	}
}
