package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
func (a *polled) readTemplates(ctx context.Context, numbers int) templateReadout {
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

// templatesOf are the MessageTemplates of an account.
func templatesOf(ctx context.Context, reader client.Reader, account string) ([]v1alpha1.MessageTemplate, error) {
	var list v1alpha1.MessageTemplateList
	if err := reader.List(ctx, &list, client.MatchingFields{lookup.AccountIndex: account}); err != nil {
		return nil, fmt.Errorf("list message templates: %w", err)
	}
	return list.Items, nil
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
	if len(batch.Reports) == 0 {
		return nil
	}
	if _, err := p.Ledger.Append(ctx, batch, p.Clock.Now()); err != nil {
		return fmt.Errorf("record what was read of templates: %w", err)
	}
	p.Metrics.learned(len(batch.Reports))
	return nil
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

// judgeTemplates writes the condition ReportsFresh of each template whose condition says something else.
func (p *Poller) judgeTemplates(ctx context.Context, a *polled, templates []v1alpha1.MessageTemplate) error {
	var failures []error
	for i := range templates {
		t := &templates[i]
		j, ok := p.templateJudgement(a, t)
		if !ok || !t.DeletionTimestamp.IsZero() || saidOf(t, v1alpha1.ConditionReportsFresh) == j {
			continue
		}
		failures = append(failures, p.say(ctx, t, v1alpha1.CommonStatus{Conditions: []metav1.Condition{a.condition(t, v1alpha1.ConditionReportsFresh, j)}}))
	}
	return errors.Join(failures...)
}

// templateJudgement is false where the condition stays as it is. A template is missing at Meta only where all were read.
func (p *Poller) templateJudgement(a *polled, t *v1alpha1.MessageTemplate) (conditions.Verdict, bool) {
	failed := a.last.failed
	if failed == nil {
		failed = a.last.templates.failed
	}
	if e, is := errors.AsType[*graph.Error](failed); is {
		passes := e.Kind == graph.Temporary || e.Kind == graph.RateLimited
		return judgementOn(e), !passes || a.last.at.Sub(a.templatesRead) >= 2*p.Config.Period()
	}
	read := a.last.templates.bySubject[lookup.TemplateSubject(t)]
	if read == nil {
		return conditions.False(v1alpha1.ReasonNotFoundAtMeta, "The account has no template of this name in this language at Meta, or the access token may not see it."),
			a.last.templates.bySubject != nil
	}
	message := fmt.Sprintf("What Meta says of the template is read every %d minutes.", p.Config.PeriodMinutes)
	if untold := slices.DeleteFunc(slices.Clone(read.Unread), func(field string) bool { return !slices.Contains(polledTemplateFields, field) }); len(untold) > 0 {
		message += " Meta does not tell, or not in a known form: " + strings.Join(untold, ", ") + "."
	}
	return conditions.True(v1alpha1.ReasonPolled, message), true
}

// polledTemplateFields are the fields that reports about templates are made of, by Meta's names.
var polledTemplateFields = []string{"status", "quality_score", "quality_score.score", "category"}

// leftTemplate says whether a template is read no more, though its condition says that it is.
func (p *Poller) leftTemplate(o client.Object) bool {
	t := o.(*v1alpha1.MessageTemplate)
	return p.accounts[t.Spec.WhatsAppBusinessAccountID] == nil && meta.FindStatusCondition(t.Status.Conditions, v1alpha1.ConditionReportsFresh) != nil
}

// withdrawTemplates takes the condition from templates that are not read any more.
func (p *Poller) withdrawTemplates(ctx context.Context, templates []v1alpha1.MessageTemplate) error {
	var failures []error
	for i := range templates {
		if p.leftTemplate(&templates[i]) {
			failures = append(failures, p.say(ctx, &templates[i], v1alpha1.MessageTemplateStatus{}))
		}
	}
	return errors.Join(failures...)
}
