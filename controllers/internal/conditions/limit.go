package conditions

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/rules"
)

// SetRestricted says whether the limit is reached, or Meta restricts the number or its account.
func (c Setter) SetRestricted(restriction *v1alpha1.RestrictionStatus, limit int64) {
	switch {
	case restriction.Reason != "":
		c.Set(v1alpha1.ConditionRestricted, metav1.ConditionTrue, v1alpha1.ReasonAccountRestricted, "Meta restricts the account ("+restriction.Reason+
			"); "+rules.RestrictedTo(restriction.Reason)+". The restriction ends "+By(restriction.UntilTime)+".")
	case restriction.Source == v1alpha1.FromReport:
		c.Set(v1alpha1.ConditionRestricted, metav1.ConditionTrue, v1alpha1.ReasonReportedRestricted, "Meta reports the number as restricted.")
	case restriction.Source != "":
		c.Set(v1alpha1.ConditionRestricted, metav1.ConditionTrue, v1alpha1.ReasonLimitReached, fmt.Sprintf("The limit of %d is reached; only replies inside a customer service window go out.", limit))
	case limit == rules.Unlimited:
		c.Set(v1alpha1.ConditionRestricted, metav1.ConditionFalse, v1alpha1.ReasonUnlimited, "The tier has no limit.")
	default:
		c.Set(v1alpha1.ConditionRestricted, metav1.ConditionFalse, v1alpha1.ReasonBelowLimit, "There is room below the limit.")
	}
}

// SetRulesAgree says how what Meta reports stands to what the policy concludes. The word is one that the rules do not understand.
func (c Setter) SetRulesAgree(a rules.Agreement, word string) {
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
		c.Set(v1alpha1.ConditionRulesAgree, metav1.ConditionFalse, differ, said)
	case word != "":
		c.Set(v1alpha1.ConditionRulesAgree, metav1.ConditionUnknown, v1alpha1.ReasonNotUnderstood, said)
	case a.Settling != "":
		c.Set(v1alpha1.ConditionRulesAgree, metav1.ConditionUnknown, v1alpha1.ReasonWithinDelay, said+" Either may only be later than the other.")
	case !a.Reported:
		c.Set(v1alpha1.ConditionRulesAgree, metav1.ConditionUnknown, v1alpha1.ReasonNothingReported, "Meta reported nothing yet that the policy concludes too.")
	default:
		c.Set(v1alpha1.ConditionRulesAgree, metav1.ConditionTrue, v1alpha1.ReasonAgreed, "What Meta reports is what the policy concludes, as far as it concludes anything.")
	}
}

// By says when something ends.
func By(t metav1.Time) string {
	if t.IsZero() {
		return "by Meta's word"
	}
	return "at " + statuses.Stamp(t)
}

// SetSendable writes what may be sent to further users into a status. The message has no counts: it is written once.
func (c Setter) SetSendable(usage *v1alpha1.UsageStatus, room rules.Room) {
	if usage.Source != "" {
		usage.SendableTime = statuses.Time(room.Until)
		usage.Remaining = &room.Remaining
		if room.Remaining == rules.NoLimit {
			usage.Remaining = nil
		}
	}
	switch {
	case !room.Sendable:
		c.Set(v1alpha1.ConditionSendable, metav1.ConditionFalse, string(room.Reason), unsendable[room.Reason])
	case room.Remaining == rules.NoLimit:
		c.Set(v1alpha1.ConditionSendable, metav1.ConditionTrue, v1alpha1.ReasonUnlimited, "Further users may be messaged, without a limit.")
	default:
		c.Set(v1alpha1.ConditionSendable, metav1.ConditionTrue, v1alpha1.ReasonBelowLimit, "Further users may be messaged, as many as usage.remaining says.")
	}
}

// unsendable says why nothing may be sent to further users.
var unsendable = map[v1alpha1.RoomReason]string{
	v1alpha1.RoomBlocked:           "Nothing can be sent: Blocked, and only Meta can lift it.",
	v1alpha1.RoomPending:           "Nothing can be sent: it is not registered yet.",
	v1alpha1.RoomOffline:           "Nothing can be sent: WhatsApp's servers cannot reach it.",
	v1alpha1.RoomSuspended:         "What may be sent is not said while spec.activity is Suspended, here or of the portfolio.",
	v1alpha1.RoomAccountRestricted: "Further users may not be messaged: Meta restricts the account, as the condition Restricted says.",
	v1alpha1.RoomLimitReached:      "Further users may not be messaged: all of the limit is used, or held for messages that are under way. Replies inside a customer service window go out.",
	v1alpha1.RoomNotReady:          "What may be sent is not known; see the conditions Ready and UsageFresh.",
}
