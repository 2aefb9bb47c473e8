package controllers

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
	"numberfleet.dev/numberfleet/internal/rules"
)

// warnings are the transitions that someone may want to do something about.
var warnings = []v1alpha1.TransitionReason{
	v1alpha1.ReasonTierDowngraded, v1alpha1.ReasonUpgradeCancelled, v1alpha1.ReasonFlagged, v1alpha1.ReasonRestricted, v1alpha1.ReasonBlocked,
	v1alpha1.ReasonTemplateFlagged, v1alpha1.ReasonTemplatePaused, v1alpha1.ReasonTemplateBlocked, v1alpha1.ReasonTemplateStateChanged,
	v1alpha1.ReasonTemplateCategoryChanged, v1alpha1.ReasonTemplateCategoryAnnounced,
}

// said tells of transitions, once they stand in the status: in the log and as events on the resource. The sentence holds counts,
// tiers and times, never a user.
func said(ctx context.Context, recorder events.EventRecorder, object runtime.Object, transitions []rules.Transition) {
	logger := log.FromContext(ctx)
	for _, t := range transitions {
		logger.Info("transition", "reason", t.Reason, "from", t.From, "to", t.To, "at", t.Time)
		kind := corev1.EventTypeNormal
		if slices.Contains(warnings, t.Reason) {
			kind = corev1.EventTypeWarning
		}
		recorder.Eventf(object, nil, kind, string(t.Reason), "Evaluate", "%s", clip(t.Message, 1000))
	}
}

// shareSaid says on a number what happened to the limit that it shares: people look at their own numbers first. It stands in
// the history of the portfolio, and is counted and sent from there.
func shareSaid(recorder events.EventRecorder, number *v1alpha1.PhoneNumber, have, want *v1alpha1.PhoneNumberStatus) {
	if have.Portfolio != want.Portfolio || want.Portfolio == "" || have.Tier.Name == "" {
		return
	}
	say := func(kind string, reason v1alpha1.TransitionReason, format string, args ...any) {
		recorder.Eventf(number, nil, kind, string(reason), "Share", "portfolio %s: "+format, append([]any{want.Portfolio}, args...)...)
	}
	switch before, after := have.Tier.Limit, want.Tier.Limit; {
	case rules.Above(after, before):
		say(corev1.EventTypeNormal, v1alpha1.ReasonTierUpgraded, "the shared limit rises from %s to %s", rules.LimitWords(before), rules.LimitWords(after))
	case rules.Above(before, after):
		say(corev1.EventTypeWarning, v1alpha1.ReasonTierDowngraded, "the shared limit falls from %s to %s", rules.LimitWords(before), rules.LimitWords(after))
	}
	before, after := &have.LimitReached, &want.LimitReached
	if before.SinceTime.Equal(&after.SinceTime) {
		return
	}
	if !before.SinceTime.IsZero() {
		say(corev1.EventTypeNormal, v1alpha1.ReasonRestrictionLifted, "there has been room below the shared limit for an hour")
	}
	if !after.SinceTime.IsZero() {
		again := "once a count shows it"
		if until := want.Restriction.UntilTime; !until.IsZero() {
			again = "from " + stamp(until)
		}
		say(corev1.EventTypeWarning, v1alpha1.ReasonRestricted, "the shared limit is reached; there is room again %s", again)
	}
}

// problemSaid says on a resource what keeps the operator from its job for it, once.
func problemSaid(recorder events.EventRecorder, object runtime.Object, have, want []metav1.Condition) {
	before, after := meta.FindStatusCondition(have, v1alpha1.ConditionReady), meta.FindStatusCondition(want, v1alpha1.ConditionReady)
	if after != nil && after.Status == metav1.ConditionFalse && (before == nil || before.Reason != after.Reason) {
		recorder.Eventf(object, nil, corev1.EventTypeWarning, after.Reason, "Evaluate", "%s", clip(after.Message, 1000))
	}
}

// met measures how late a deadline was met, if the transitions came with it.
func met(metrics *Metrics, deadline metav1.Time, transitions []rules.Transition, now time.Time) {
	if len(transitions) > 0 && !deadline.IsZero() && !deadline.After(now) {
		metrics.deadlineMet(now.Sub(deadline.Time))
	}
}
