package rules

import (
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Rule 7. If the policy requires a direct way to a human, a number without one is rated Low. A rating that Meta reports wins (rule 9).
var humanEscalation = rule[*evaluation]{
	number:   v1alpha1.RuleHumanEscalation,
	name:     "Human escalation",
	sentence: `seeds/001: "WhatsApp requires businesses to have a direct human attention path and may apply limitations to accounts that do not include human attention capabilities."`,
	apply:    (*evaluation).declaredHumanEscalation,
	explain: func(e *evaluation, x *explanation) {
		if e.lacksHumanAttention() {
			x.say(ratingTopic, v1alpha1.RuleHumanEscalation, "%s: the number has no direct way to a human. Declare one in spec.business.humanEscalationPaths, or appeal as soon as it is flagged.", e.ratingSince())
		}
	},
}

// declaredHumanEscalation takes what the resource declares. It holds from now on: when it was changed is not known.
func (e *evaluation) declaredHumanEscalation() {
	if e.now.Before(e.until) {
		return
	}
	if e.p.RequireHumanEscalation && !e.f.HumanEscalation && !e.f.Appealed && e.s.Reported == "" {
		e.setRating(v1alpha1.RuleHumanEscalation, v1alpha1.QualityLow, e.now, v1alpha1.ReasonLackingHumanAttention, v1alpha1.ReasonLackingHumanAttention, v1alpha1.FromPolicy)
		return
	}
	if e.lacksHumanAttention() {
		rating, reason, why := v1alpha1.QualityUnknown, "", "a direct way to a human is declared"
		switch {
		case e.p.LowFrom > 0:
			rating, reason, why = e.feedbackRating()
		case !e.f.HumanEscalation && e.f.Appealed:
			why = "Meta decided on appeal that users reach a human"
		}
		e.setRating(v1alpha1.RuleHumanEscalation, rating, e.now, reason, why, v1alpha1.FromPolicy)
	}
}

// lacksHumanAttention says whether the rating is Low by this rule.
func (e *evaluation) lacksHumanAttention() bool {
	return e.s.RatingReason == v1alpha1.ReasonLackingHumanAttention && e.s.RatingSource == v1alpha1.FromPolicy
}
