package number

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/controllers/internal/throttle"
)

// change gives a number another status.
func change(number *v1alpha1.PhoneNumber, now time.Time, transitions *statuses.Transitions, set func(conditions.Setter, *v1alpha1.PhoneNumberStatus)) *reconciler.Change {
	want := number.Status.DeepCopy()
	want.ObservedGeneration = number.Generation
	set(conditions.Of(number, &want.Conditions, now), want)
	have := *number
	number.Status = *want
	ours := *want
	ours.Conditions, ours.Notifications, ours.Completeness = conditions.Owned(want.Conditions), nil, v1alpha1.CompletenessStatus{}
	return &reconciler.Change{
		Key: lookup.NumberKey(number), Object: &have, Status: &ours, Conditions: want.Conditions, Deadline: have.Status.NextDeadlineTime,
		Difference: throttle.Differ(parts(&have.Status), parts(want)), Transitions: *transitions,
		Publish: func(recorder events.EventRecorder) { publishShare(recorder, number, &have.Status, want) },
	}
}

// parts are what was decided of a number, and its counts.
func parts(status *v1alpha1.PhoneNumberStatus) throttle.Parts {
	d := *status
	p := throttle.Parts{Decisions: &d, Used: d.Usage.OwnUsed, Limit: d.Tier.Limit, Counts: throttle.Counts{Usage: d.Usage, Feedback: d.Quality.Feedback, Upgrade: d.Upgrade,
		Until: d.Restriction.UntilTime, Next: d.NextDeadlineTime, Why: d.Explanation, Report: d.ObservedReport, Failure: d.LastFailure}}
	if d.Portfolio != "" {
		// Whatever the other numbers send moves the rest: one that sends nothing is not written for it.
		p.Counts = throttle.Counts{Usage: v1alpha1.UsageStatus{OwnUsed: d.Usage.OwnUsed, UniqueUsers7d: d.Usage.UniqueUsers7d, Messages7d: d.Usage.Messages7d,
			LastDeliveryTime: d.Usage.LastDeliveryTime, LastReceivedTime: d.Usage.LastReceivedTime}, Feedback: d.Quality.Feedback, Report: d.ObservedReport, Failure: d.LastFailure}
	}
	d.Usage, d.Quality.Feedback = v1alpha1.UsageStatus{Source: d.Usage.Source}, v1alpha1.FeedbackStatus{}
	d.NextDeadlineTime, d.ObservedReport = metav1.Time{}, 0
	d.Explanation = nil
	d.LastFailure = v1alpha1.FailureStatus{}
	d.Notifications = nil // written by the controller that sends them
	throttle.WithoutCounts(&d.Upgrade, &d.Restriction)
	return p
}
