package number

import (
	"time"

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
	p := throttle.Parts{Decisions: &d, Used: status.Usage.OwnUsed, Limit: status.Tier.Limit, Counts: throttle.WithoutCounts(&d.CommonStatus, &d.LimitStatus)}
	if d.Portfolio != "" {
		// Whatever the other numbers send moves the rest: one that sends nothing is not written for it.
		p.Counts = throttle.Counts{Sendable: p.Counts.Sendable, Usage: ownUsage(&p.Counts.Usage)}
	}
	p.Counts.Feedback, p.Counts.Report, p.Counts.Failure = d.Quality.Feedback, d.ObservedReport, d.LastFailure
	d.Quality.Feedback, d.ObservedReport, d.LastFailure = v1alpha1.FeedbackStatus{}, 0, v1alpha1.FailureStatus{}
	d.Notifications = nil // written by the controller that sends them
	return p
}

// ownUsage is what of the usage is the number's own where the limit is shared.
func ownUsage(u *v1alpha1.UsageStatus) v1alpha1.UsageStatus {
	return v1alpha1.UsageStatus{OwnUsed: u.OwnUsed, OwnReserved: u.OwnReserved, UniqueUsers7d: u.UniqueUsers7d, Messages7d: u.Messages7d,
		LastDeliveryTime: u.LastDeliveryTime, LastReceivedTime: u.LastReceivedTime}
}
