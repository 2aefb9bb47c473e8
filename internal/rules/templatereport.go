package rules

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// templateWords are the states as a sentence has them. One that is not here is written as it came.
var templateWords = map[v1alpha1.TemplateState]string{
	v1alpha1.TemplateApproved:        "approved",
	v1alpha1.TemplateFlagged:         "flagged",
	v1alpha1.TemplatePaused:          "paused",
	v1alpha1.TemplateDisabled:        "disabled",
	v1alpha1.TemplateRejected:        "rejected",
	v1alpha1.TemplatePending:         "in review",
	v1alpha1.TemplateInAppeal:        "in appeal",
	v1alpha1.TemplateArchived:        "archived",
	v1alpha1.TemplateDeleted:         "deleted",
	v1alpha1.TemplatePendingDeletion: "about to be deleted",
	v1alpha1.TemplateLimitExceeded:   "beyond the number of templates that the account may have",
}

func stateWords(state v1alpha1.TemplateState) string {
	if said, known := templateWords[state]; known {
		return said
	}
	return string(state)
}

// CountsForQuality says whether the rating of a template in this state counts for its portfolio. It does not while the template cannot be
// sent any more, or not before Meta approves it. A paused one counts: it will be sent again as it is.
func CountsForQuality(state v1alpha1.TemplateState) bool {
	switch state {
	case "", v1alpha1.TemplateBlocked, v1alpha1.TemplateDisabled, v1alpha1.TemplateRejected, v1alpha1.TemplatePending, v1alpha1.TemplateInAppeal,
		v1alpha1.TemplateArchived, v1alpha1.TemplateDeleted, v1alpha1.TemplatePendingDeletion, v1alpha1.TemplateLimitExceeded:
		return false
	default:
		return true
	}
}

// TemplateContradicts says whether Meta reports another state than the one shown. A flag is the policy's: for Meta, a flagged template is
// approved.
func TemplateContradicts(shown, reported v1alpha1.TemplateState) bool {
	if reported == v1alpha1.TemplateApproved && shown == v1alpha1.TemplateFlagged {
		return false
	}
	return reported != "" && reported != shown
}

// Rule 9 for templates. A state that Meta reports wins, unless it is older than the present one.
var templateReports = rule[*templateEvaluation]{
	number:   v1alpha1.RuleReports,
	name:     "Reported states of templates",
	sentence: `Meta's page "template-pausing": an edited template is in review and cannot be sent until it is approved; one that is disabled can be edited and submitted again`,
	reports: map[report.Kind]func(*templateEvaluation, report.Report, time.Time){
		report.TemplateState: (*templateEvaluation).reportState,
	},
}

func (e *templateEvaluation) reportState(r report.Report, at time.Time) {
	s, to := &e.s, r.TemplateState()
	if to == report.Edited {
		to = v1alpha1.TemplatePending
	}
	if to == v1alpha1.TemplatePending && !at.Before(s.RatingReported) {
		// The rating of the old wording is void for the new one. That emits no transition.
		s.RatingReported = at
		e.unrated(at)
	}
	switch {
	case to == "" || at.Before(s.StateReported) || to == v1alpha1.TemplateApproved && at.Before(s.Since):
		return // the present state is newer
	case to == v1alpha1.TemplatePaused && r.Reason != report.ReasonPacing && len(e.p.Templates.Pauses) > 0 && at.Before(s.Since) && !s.untouched():
		return // the rating that led to the pause is known, and the pause may be over
	}
	at = latest(at, s.Since)
	why := fmt.Sprintf("Meta reports the template as %s", stateWords(to))
	if r.Reason != "" {
		why += ": " + r.Reason
	}
	switch to {
	case v1alpha1.TemplatePaused:
		e.reportPause(r, at, why)
	case s.State: // already
	case v1alpha1.TemplateApproved:
		if s.State == v1alpha1.TemplateFlagged {
			e.clear(at, why)
		} else {
			e.resume(at, v1alpha1.FromReport, why)
		}
	case v1alpha1.TemplateFlagged:
		e.flag(at, v1alpha1.FromReport, why)
	case v1alpha1.TemplateDisabled:
		known := s.State == v1alpha1.TemplateBlocked // by the policy, which has its own word for it
		e.change(to, at, time.Time{}, v1alpha1.FromReport)
		if !known {
			e.tell(at, v1alpha1.ReasonTemplateBlocked, why)
		}
	default:
		from := s.State
		if from == v1alpha1.TemplateFlagged && to == v1alpha1.TemplatePending {
			e.clear(at, "the template was edited; it can be sent again once Meta has approved it")
			e.change(to, at, time.Time{}, v1alpha1.FromReport)
			break // one change, one transition
		}
		e.change(to, at, time.Time{}, v1alpha1.FromReport)
		e.emit(v1alpha1.RuleReports, at, v1alpha1.ReasonTemplateStateChanged, string(from), string(to), why)
	}
	s.StateReported, s.Source, s.Reason = at, v1alpha1.FromReport, r.Reason
	if r.Reason == report.ReasonRead {
		s.Reason = ""
	}
}

// reportPause takes a pause that Meta reports: the one that Meta names, or the next one.
func (e *templateEvaluation) reportPause(r report.Report, at time.Time, why string) {
	s := &e.s
	which, step := r.Pause(), r.Reason != report.ReasonPacing && r.Reason != report.ReasonRead
	switch {
	case which > 0 && which <= len(e.p.Templates.Pauses) && (s.State != v1alpha1.TemplatePaused || s.Pauses != which || s.Until.IsZero()):
		s.Pauses = which - 1 // Meta's count wins
		e.pause(at, v1alpha1.FromReport, why)
	case s.State == v1alpha1.TemplatePaused && (r.Reason != report.ReasonPacing || s.Until.IsZero()):
	case step && s.Pauses < len(e.p.Templates.Pauses):
		e.pause(at, v1alpha1.FromReport, why)
	default:
		// A pause for another reason, or that the policy does not have: only Meta knows its end.
		e.change(v1alpha1.TemplatePaused, at, time.Time{}, v1alpha1.FromReport)
		e.tell(at, v1alpha1.ReasonTemplatePaused, why)
	}
}
