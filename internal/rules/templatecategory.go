package rules

import (
	"fmt"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// TemplateCategory is the category that Meta prices a template by, such as Marketing. No rule depends on it.
type TemplateCategory struct {
	Name string // empty until Meta reports one
	// Reported is when Meta last reported the category.
	Reported time.Time
	// Next is what Meta will change it to at NextAt; empty if no change is announced.
	Next   string
	NextAt time.Time
}

var templateCategory = rule[*templateEvaluation]{
	number:   v1alpha1.RuleReports,
	name:     "Reported categories of templates",
	sentence: `Meta's webhook template_category_update: "new_category", "correct_category"`,
	reports: map[report.Kind]func(*templateEvaluation, report.Report, time.Time){
		report.Category:        (*templateEvaluation).categorize,
		report.PlannedCategory: (*templateEvaluation).categorize,
	},
}

// categorize takes a category that Meta reports, or announces 24 hours before. An announced change may be called off, so that the category
// changes only when Meta reports it. The reason of a change is what the category was before, which may be the first that is known of it.
func (e *templateEvaluation) categorize(r report.Report, at time.Time) {
	c := &e.s.Category
	if r.Value == "" || at.Before(c.Reported) {
		return
	}
	before := c.Name
	if before == "" && r.Reason != report.ReasonRead {
		before = r.Reason
	}
	tell := func(reason v1alpha1.TransitionReason, message string) {
		e.emit(v1alpha1.RuleReports, at, reason, before, r.Value, message)
	}
	switch {
	case r.Kind == report.PlannedCategory && r.Value == c.Name:
		c.Next, c.NextAt = "", time.Time{}
		return
	case r.Kind == report.PlannedCategory:
		if r.Value != c.Next || !r.End().Equal(c.NextAt) {
			when := "soon"
			if r.Until != 0 {
				when = "at " + formatTime(r.End())
			}
			tell(v1alpha1.ReasonTemplateCategoryAnnounced, fmt.Sprintf("Meta will change the category to %s %s", r.Value, when))
			c.Next, c.NextAt = r.Value, r.End()
		}
		return
	}
	if r.Value != before && before != "" {
		tell(v1alpha1.ReasonTemplateCategoryChanged, fmt.Sprintf("Meta changed the category from %s to %s", before, r.Value))
	}
	c.Name, c.Reported = r.Value, at
	if r.Value == c.Next || !at.Before(c.NextAt) {
		c.Next, c.NextAt = "", time.Time{}
	}
}
