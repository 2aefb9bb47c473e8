package number

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/rules"
)

// publishShare says on a number what happened to the limit that it shares: people look at their own numbers first. It stands in
// the history of the portfolio, and is counted and sent from there.
func publishShare(recorder events.EventRecorder, number *v1alpha1.PhoneNumber, have, want *v1alpha1.PhoneNumberStatus) {
	if have.Portfolio != want.Portfolio || want.Portfolio == "" || have.Tier.Name == "" {
		return
	}
	say := func(kind string, reason v1alpha1.TransitionReason, format string, args ...any) {
		recorder.Eventf(number, nil, kind, string(reason), "Share", "portfolio %s: "+format, append([]any{want.Portfolio}, args...)...)
	}
	switch before, after := have.Tier.Limit, want.Tier.Limit; {
	case rules.Above(after, before):
		say(corev1.EventTypeNormal, v1alpha1.ReasonTierUpgraded, "the shared limit rises from %s to %s", rules.FormatLimit(before), rules.FormatLimit(after))
	case rules.Above(before, after):
		say(corev1.EventTypeWarning, v1alpha1.ReasonTierDowngraded, "the shared limit falls from %s to %s", rules.FormatLimit(before), rules.FormatLimit(after))
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
			again = "from " + statuses.Stamp(until)
		}
		say(corev1.EventTypeWarning, v1alpha1.ReasonRestricted, "the shared limit is reached; there is room again %s", again)
	}
}
