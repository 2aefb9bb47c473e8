package number

import (
	"fmt"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/rules"
)

// maxExplanation is how many sentences a status has.
const maxExplanation = 16

// explain says in sentences why a number is where it is: what the rules say of it, its appeal and its templates, and what
// they say of its portfolio. The rest of the status is decided already.
func (e *Evaluation) explain(status *v1alpha1.PhoneNumberStatus, shared *Shared) []string {
	state := e.Unit.State
	sentences := rules.Explain(e.Unit.Policy, &e.Unit.Facts, state, rules.TierCause(status.History, state.TierSince), e.now)
	if status.Flag.Appeal != "" {
		sentences = append(sentences, appealSentence(&e.Number.Spec.Appeal))
	}
	for _, r := range status.Account.Restrictions {
		if sentence := rules.ExplainRestriction(r.Value, r.ReportedTime.Time, statuses.UTC(r.UntilTime)); sentence != "" {
			sentences = append(sentences, sentence)
		}
	}
	for _, t := range status.Templates {
		if t.State != v1alpha1.TemplateApproved {
			sentences = append(sentences, fmt.Sprintf("The template %s is %s, rated %s. (rule 8 of %s)", t.Name, t.State, t.Rating, e.policy.Source))
		}
	}
	if e.sampled {
		sentences = append(sentences, "The counts are those of a Prometheus: used is rounded up, and what counts for an upgrade down.")
	}
	if shared != nil {
		sentence := fmt.Sprintf("The limit is that of portfolio %s, whose numbers share it", e.portfolio)
		if own := status.Usage.OwnUsed; own != nil {
			sentence += fmt.Sprintf("; this one has used %d of it", *own)
		}
		sentences = append(sentences, sentence+".")
		sentences = append(sentences, shared.Portfolio.Status.Explanation...)
	}
	return sentences[:min(len(sentences), maxExplanation)]
}

func appealSentence(appeal *v1alpha1.Appeal) string {
	if appeal.State == v1alpha1.AppealOpen {
		return "An appeal is open since " + statuses.Stamp(appeal.OpenedTime) + "."
	}
	return fmt.Sprintf("The appeal of %s was decided at %s: %s.", statuses.Stamp(appeal.OpenedTime), statuses.Stamp(appeal.DecidedTime), appeal.State)
}
