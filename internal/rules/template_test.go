package rules_test

import (
	"slices"
	"testing"
	"time"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// advanceTemplate runs the rules of a template up to now: its state then, what happened, and the next instant at which something can.
func advanceTemplate(p *rules.Policy, reports []report.Report, s rules.TemplateState, now time.Time) (rules.TemplateState, []rules.Transition, time.Time) {
	unit := rules.TemplateUnit{Policy: p, Reports: reports, State: s}
	unit.Advance(now)
	return unit.State, unit.Transitions, unit.Next
}

// What Meta reports of a template may come late, twice, or otherwise than the rules had it: each step is given the reports
// that arrive at an hour.
func TestReportsOfATemplate(t *testing.T) {
	at := func(hour int) time.Time { return day1.Add(time.Duration(hour) * time.Hour) }
	rating := func(hour int, value string) report.Report {
		return report.Report{Kind: report.Quality, At: at(hour).Unix(), Value: value}
	}
	state := func(hour int, value, reason string) report.Report {
		return report.Report{Kind: report.TemplateState, At: at(hour).Unix(), Value: value, Reason: reason}
	}
	type step struct {
		hour    int
		reports []report.Report
	}
	for _, test := range []struct {
		name   string
		policy string
		steps  []step
		state  v1alpha1.TemplateState
		until  int // hour; zero for none
		pauses int
		want   []v1alpha1.TransitionReason
	}{
		{"the report of a pause that is over", "meta-2025", []step{
			{9, []report.Report{rating(9, "Low")}}, {12, nil}, {13, []report.Report{state(9, "Paused", "FIRST_PAUSE")}},
		}, v1alpha1.TemplateApproved, 0, 1, []v1alpha1.TransitionReason{v1alpha1.ReasonQualityChanged, v1alpha1.ReasonTemplatePaused, v1alpha1.ReasonTemplateResumed}},
		{"a rating from before the first sight", "meta-2025", []step{
			{5, []report.Report{rating(-1, "Low")}},
		}, v1alpha1.TemplateApproved, 0, 1, []v1alpha1.TransitionReason{v1alpha1.ReasonQualityChanged, v1alpha1.ReasonTemplatePaused, v1alpha1.ReasonTemplateResumed}},
		{"a second pause without the first", "meta-2025", []step{
			{9, []report.Report{state(9, "Paused", "SECOND_PAUSE")}},
		}, v1alpha1.TemplatePaused, 15, 2, []v1alpha1.TransitionReason{v1alpha1.ReasonTemplatePaused}},
		{"a second pause taken for the first", "meta-2025", []step{
			{9, []report.Report{rating(9, "Low")}}, {10, []report.Report{state(9, "Paused", "SECOND_PAUSE")}},
		}, v1alpha1.TemplatePaused, 15, 2, []v1alpha1.TransitionReason{v1alpha1.ReasonQualityChanged, v1alpha1.ReasonTemplatePaused, v1alpha1.ReasonTemplatePaused}},
		{"the same pause twice", "meta-2025", []step{
			{9, []report.Report{rating(9, "Low")}}, {10, []report.Report{state(9, "Paused", "FIRST_PAUSE")}},
		}, v1alpha1.TemplatePaused, 12, 1, []v1alpha1.TransitionReason{v1alpha1.ReasonQualityChanged, v1alpha1.ReasonTemplatePaused}},
		{"a pause of one taken for blocked", "chat-api", []step{
			{9, []report.Report{rating(9, "Low")}}, {200, []report.Report{state(199, "Paused", "")}},
		}, v1alpha1.TemplatePaused, 0, 0, []v1alpha1.TransitionReason{v1alpha1.ReasonQualityChanged, v1alpha1.ReasonTemplateFlagged, v1alpha1.ReasonTemplateBlocked, v1alpha1.ReasonTemplatePaused}},
		{"a pause for the pace during another", "meta-2025", []step{
			{9, []report.Report{state(9, "Paused", "RATE_LIMITING_PAUSE")}}, {10, []report.Report{state(10, "Paused", "FIRST_PAUSE")}},
		}, v1alpha1.TemplatePaused, 13, 1, []v1alpha1.TransitionReason{v1alpha1.ReasonTemplatePaused, v1alpha1.ReasonTemplatePaused}},
	} {
		t.Run(test.name, func(t *testing.T) {
			policy := shippedPolicy(t, test.policy)
			is := rules.InitialTemplate(day1)
			var got []v1alpha1.TransitionReason
			for _, step := range test.steps {
				var happened []rules.Transition
				is, happened, _ = advanceTemplate(policy, step.reports, is, at(step.hour))
				for _, tr := range happened {
					got = append(got, tr.Reason)
				}
			}
			until := time.Time{}
			if test.until > 0 {
				until = at(test.until)
			}
			if is.State != test.state || !is.Until.Equal(until) || is.Pauses != test.pauses {
				t.Errorf("it is %s until %s after %d pauses", is.State, is.Until, is.Pauses)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("it is said\n%v\nnot\n%v", got, test.want)
			}
		})
	}
}
