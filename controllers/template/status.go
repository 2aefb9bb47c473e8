package template

import (
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/rules"
)

// State reads the engine's state back from the status; false if the template was never evaluated.
func State(status *v1alpha1.MessageTemplateStatus) (rules.TemplateState, bool) {
	if status.State == "" {
		return rules.TemplateState{}, false
	}
	return rules.TemplateState{
		EvaluatedAt:    statuses.UTC(status.EvaluatedTime),
		State:          status.State,
		Since:          statuses.UTC(status.SinceTime),
		Until:          statuses.UTC(status.UntilTime),
		Source:         status.Source,
		Reason:         status.StateReason,
		StateReported:  statuses.UTC(status.StateReportedTime),
		Rating:         status.Quality.Rating,
		RatingSince:    statuses.UTC(status.Quality.SinceTime),
		RatingReported: statuses.UTC(status.Quality.ReportedTime),
		Pauses:         int(status.Pauses),
		Category: rules.TemplateCategory{
			Name: status.Category, Reported: statuses.UTC(status.CategoryReportedTime), Next: status.CategoryChange.To, NextAt: statuses.UTC(status.CategoryChange.Time),
		},
	}, true
}

// SetStatus writes into the status what the rules remember of a template.
func SetStatus(status *v1alpha1.MessageTemplateStatus, s rules.TemplateState) {
	status.EvaluatedTime = statuses.Time(s.EvaluatedAt)
	status.State, status.SinceTime, status.UntilTime, status.Source = s.State, statuses.Time(s.Since), statuses.Time(s.Until), s.Source
	status.StateReportedTime, status.StateReason = statuses.Time(s.StateReported), s.Reason
	status.Quality = v1alpha1.TemplateQuality{Rating: s.Rating, SinceTime: statuses.Time(s.RatingSince), ReportedTime: statuses.Time(s.RatingReported)}
	status.Pauses = int32(s.Pauses)
	status.Category, status.CategoryReportedTime = s.Category.Name, statuses.Time(s.Category.Reported)
	status.CategoryChange = v1alpha1.CategoryChange{To: s.Category.Next, Time: statuses.Time(s.Category.NextAt)}
}
