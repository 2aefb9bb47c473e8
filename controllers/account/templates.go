package account

import (
	"cmp"
	"context"
	"errors"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/meta/graph"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// templateReadout is what a read of an account told of its message templates: all of them, or why they were not told.
type templateReadout struct {
	bySubject map[report.Subject]*graph.Template
	failed    error
}

// readTemplates reads the templates of an account. The numbers that were read stand, whatever comes of it.
func (a *account) readTemplates(ctx context.Context, numbers int) templateReadout {
	left := int(a.limiter.State().Left)
	templates, err := a.client.Templates(ctx, a.id)
	if err != nil {
		if e, is := errors.AsType[*graph.Error](err); is && e.Held {
			a.calls = callsFor(numbers) + 2*left // there are more templates than was known
		}
		return templateReadout{failed: err}
	}
	a.calls = callsFor(numbers) + pagesOf(len(templates))
	found := templateReadout{bySubject: map[report.Subject]*graph.Template{}}
	for i := range templates {
		t := &templates[i]
		found.bySubject[report.TemplateSubject(a.id, t.Name, t.Language)] = t
	}
	return found
}

// recordTemplates appends to the ledger what a read told of templates that their statuses do not show.
func (p *Poller) recordTemplates(ctx context.Context, found templateReadout, templates []v1alpha1.MessageTemplate, at time.Time) error {
	var batch counts.Batch
	done := map[report.Subject]bool{} // two resources may be about one template
	for i := range templates {
		t := &templates[i]
		subject := lookup.TemplateSubject(t)
		read := found.bySubject[subject]
		// What has yet to be taken from the ledger may say the same.
		if read == nil || done[subject] || !t.DeletionTimestamp.IsZero() || p.Ledger.LastReport(subject) > t.Status.ObservedReport {
			continue
		}
		done[subject] = true
		for _, news := range templateNews(&t.Status, read) {
			news.Subject, news.At = subject, at.Unix()
			batch.Reports = append(batch.Reports, news)
		}
	}
	return p.append(ctx, batch)
}

// templateNews are what a read contradicts of a template's status, in the words of the webhooks. A state that changes may leave no
// rating, as where a pause ends, so the rating is told with it, after it. What Meta does not tell is no news, and neither is a
// rating in a word that is not known.
func templateNews(shown *v1alpha1.MessageTemplateStatus, read *graph.Template) []report.Report {
	is, rated := shown.State, shown.Quality.Rating
	if is == "" {
		is, rated = v1alpha1.TemplateApproved, v1alpha1.QualityUnknown
	}
	var news []report.Report
	if rules.TemplateContradicts(is, read.State) {
		news = append(news, report.Report{Kind: report.TemplateState, Value: string(read.State), Reason: cmp.Or(read.RejectedReason, report.ReasonRead)})
	}
	rating := report.Report{Kind: report.Quality, Value: string(read.Rating), Reason: report.ReasonRead}
	if rating.Understood() && read.Rating != v1alpha1.QualityUnknown && (read.Rating != rated || len(news) > 0) {
		news = append(news, rating)
	}
	if category := string(read.Category); category != "" && category != shown.Category {
		news = append(news, report.Report{Kind: report.Category, Value: category})
	}
	return news
}

// applyTemplateConditions writes the condition ReportsFresh of each template whose condition says something else.
func (p *Poller) applyTemplateConditions(ctx context.Context, a *account, templates []v1alpha1.MessageTemplate) error {
	var failures []error
	for i := range templates {
		t := &templates[i]
		j, ok := p.templateVerdict(a, t)
		if !ok || !t.DeletionTimestamp.IsZero() || verdictOf(t, v1alpha1.ConditionReportsFresh) == j {
			continue
		}
		failures = append(failures, p.apply(ctx, t, v1alpha1.CommonStatus{Conditions: []metav1.Condition{a.condition(t, v1alpha1.ConditionReportsFresh, j)}}))
	}
	return errors.Join(failures...)
}

// templateVerdict is false where the condition stays as it is. A template is missing at Meta only where all were read.
func (p *Poller) templateVerdict(a *account, t *v1alpha1.MessageTemplate) (conditions.Verdict, bool) {
	failed := a.last.failed
	if failed == nil {
		failed = a.last.templates.failed
	}
	if e, is := errors.AsType[*graph.Error](failed); is {
		return failureVerdict(e), p.lasts(e, a.last.at.Sub(a.templatesRead))
	}
	read := a.last.templates.bySubject[lookup.TemplateSubject(t)]
	if read == nil {
		return conditions.False(v1alpha1.ReasonNotFoundAtMeta, "The account has no template of this name in this language at Meta, or the access token may not see it."),
			a.last.templates.bySubject != nil
	}
	return p.readVerdict("template", read.Unread, templateFields), true
}

// templateFields are the fields that reports about templates are made of, by Meta's names.
var templateFields = []string{"status", "quality_score", "quality_score.score", "category"}
