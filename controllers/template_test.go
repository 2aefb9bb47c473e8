package controllers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/internal/report"
)

// What Meta says of a template shows as its state, with Meta's reason and whether it can be sent; one that cannot be sent holds
// its portfolio back no more.
func TestEveryStateOfATemplateShows(t *testing.T) {
	f := controllertest.NewFleet(t)
	number, template := f.Number(), f.Template("offer", func(s *v1alpha1.MessageTemplateSpec) { s.PolicyName = "netcore" })
	f.Settle()
	for _, test := range []struct {
		value, reason string // reported
		state         v1alpha1.TemplateState
		status        metav1.ConditionStatus
		because, says string
		holdsBack     bool
	}{
		{"Rejected", "SCAM", v1alpha1.TemplateRejected, metav1.ConditionFalse, "Rejected", "Meta's reason: SCAM", false},
		{"Pending", "", v1alpha1.TemplatePending, metav1.ConditionFalse, "Pending", "once it is approved", false},
		{"Approved", "", v1alpha1.TemplateApproved, metav1.ConditionTrue, "Approved", "The template is approved", true},
		{"InAppeal", "", v1alpha1.TemplateInAppeal, metav1.ConditionFalse, "InAppeal", "appeal", false},
		{"Archived", "", v1alpha1.TemplateArchived, metav1.ConditionFalse, "Archived", "out of the archive", false},
		{"PendingDeletion", "", v1alpha1.TemplatePendingDeletion, metav1.ConditionFalse, "PendingDeletion", "about to be deleted", false},
		{"Deleted", "", v1alpha1.TemplateDeleted, metav1.ConditionFalse, "Deleted", "was deleted", false},
		{"LimitExceeded", "", v1alpha1.TemplateLimitExceeded, metav1.ConditionFalse, "LimitExceeded", "delete some", false},
		{"Disabled", "ABUSIVE_CONTENT", v1alpha1.TemplateDisabled, metav1.ConditionFalse, "Disabled", "Meta's reason: ABUSIVE_CONTENT", false},
		{"SOMETHING NEW", "", "SOMETHING NEW", metav1.ConditionFalse, v1alpha1.ReasonNotUnderstood, `"SOMETHING NEW"`, true},
		{"Paused", "", v1alpha1.TemplatePaused, metav1.ConditionFalse, "Paused", "The template is paused", true},
		{"Flagged", "", v1alpha1.TemplateFlagged, metav1.ConditionTrue, "Flagged", "is flagged", true},
	} {
		t.Run(test.value, func(t *testing.T) {
			f.FakeClock.Advance(time.Minute)
			f.Add(report.Report{Kind: report.TemplateState, Value: test.value, Reason: test.reason}, template)
			f.Report(lookup.TemplateSubject(template).String(), report.Quality, "Low")
			f.Settle()
			s := template.Status
			c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionSendable)
			if s.State != test.state || s.StateReason != test.reason || c == nil || c.Status != test.status || c.Reason != test.because || !strings.Contains(c.Message, test.says) {
				t.Errorf("it shows %q (%q), %+v", s.State, s.StateReason, c)
			}
			if got := f.Portfolio.Status.Quality.Rating; (got == v1alpha1.QualityLow) != test.holdsBack {
				t.Errorf("the portfolio is rated %s", got)
			}
			if got := number.Status.Templates; len(got) != 1 || got[0].State != test.state {
				t.Errorf("the number shows %+v", got)
			}
		})
	}
	// Meta announces another category, and changes it.
	f.Report(lookup.TemplateSubject(template).String(), report.Category, "Utility")
	f.Add(report.Report{Kind: report.PlannedCategory, Value: "Marketing", Until: f.FakeClock.Now().Add(24 * time.Hour).Unix()}, template)
	f.Settle()
	if s := template.Status; s.Category != "Utility" || s.CategoryChange.To != "Marketing" || s.CategoryChange.Time.IsZero() {
		t.Errorf("the category is %q, and will be %+v", s.Category, s.CategoryChange)
	}
	f.FakeClock.Advance(24 * time.Hour)
	f.Report(lookup.TemplateSubject(template).String(), report.Category, "Marketing")
	f.Settle()
	if s := template.Status; s.Category != "Marketing" || s.CategoryChange != (v1alpha1.CategoryChange{}) {
		t.Errorf("the category is %q, and will be %+v", s.Category, s.CategoryChange)
	}
	events := f.Reasons()
	for _, reason := range []string{"TemplateStateChanged", "TemplateCategoryAnnounced", "TemplateCategoryChanged"} {
		if !slices.Contains(events, reason) {
			t.Errorf("there is no event %s", reason)
		}
	}
}
