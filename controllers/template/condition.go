package template

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/internal/rules"
)

// setSendable says whether the template can be sent. The reason is its state: there is one sentence for each.
func setSendable(c conditions.Setter, status *v1alpha1.MessageTemplateStatus, of *rules.TemplateRules) {
	can := metav1.ConditionTrue
	if (&rules.TemplateState{State: status.State}).Obstacle() != (rules.Obstacle{}) {
		can = metav1.ConditionFalse
	}
	reason, message := string(status.State), templateSays[status.State]
	switch status.State {
	case v1alpha1.TemplateApproved:
		message = "The template is approved" + afterLow(int(status.Pauses), of)
	case v1alpha1.TemplateFlagged:
		message = "The template is flagged."
		if !status.UntilTime.IsZero() {
			message = "The template is blocked " + conditions.By(status.UntilTime) + " unless it is edited or rated better before."
		}
	case v1alpha1.TemplatePaused:
		message = "The template is paused; the pause ends " + conditions.By(status.UntilTime) + "."
	default: // it says all that there is to say
	}
	if message == "" {
		reason, message = v1alpha1.ReasonNotUnderstood, fmt.Sprintf("Meta reports the state %q, and only what is approved can be sent: look at the template in WhatsApp Manager.", status.State)
	}
	if can == metav1.ConditionFalse && status.StateReason != "" {
		message += " Meta's reason: " + status.StateReason
	}
	c.Set(v1alpha1.ConditionSendable, can, reason, message)
}

// afterLow is what another Low would bring, as the end of a sentence.
func afterLow(pauses int, of *rules.TemplateRules) string {
	switch {
	case of.BlockAfter > 0:
		return fmt.Sprintf("; rated Low it is flagged, and blocked %d hours later unless it is edited or rated better.", int(of.BlockAfter.Hours()))
	case pauses < len(of.Pauses):
		return fmt.Sprintf("; rated Low again it is paused for %d hours (pause %d of %d).", int(of.Pauses[pauses].Hours()), pauses+1, len(of.Pauses))
	case pauses > 0:
		return fmt.Sprintf("; rated Low again after %d pauses it is blocked.", pauses)
	default:
		return "."
	}
}

// templateSays is why a template cannot be sent, and what to do, by its state; a pause has an end to tell.
var templateSays = map[v1alpha1.TemplateState]string{
	v1alpha1.TemplateBlocked:         "The template is blocked by the rules of the policy: edit it and submit it again; only Meta can approve it.",
	v1alpha1.TemplateDisabled:        "Meta disabled the template: edit it and submit it again, or use another one.",
	v1alpha1.TemplateRejected:        "Meta's review rejected the template: edit it and submit it again, or appeal.",
	v1alpha1.TemplatePending:         "Meta reviews the template; it can be sent once it is approved.",
	v1alpha1.TemplateInAppeal:        "Meta looks at an appeal; the template can be sent once it is approved.",
	v1alpha1.TemplateArchived:        "The template is archived: take it out of the archive in WhatsApp Manager to send it.",
	v1alpha1.TemplateDeleted:         "The template was deleted at Meta: create it there anew, or delete this resource.",
	v1alpha1.TemplatePendingDeletion: "The template is about to be deleted at Meta.",
	v1alpha1.TemplateLimitExceeded:   "The account has more templates than Meta allows it: delete some.",
}

// StateLabel is a template's state as a metric's label, of which there are only so many: Other stands for the words that are not
// known.
func StateLabel(state v1alpha1.TemplateState) string {
	switch _, known := templateSays[state]; {
	case known, state == v1alpha1.TemplateApproved, state == v1alpha1.TemplateFlagged, state == v1alpha1.TemplatePaused:
		return string(state)
	default:
		return "Other"
	}
}
