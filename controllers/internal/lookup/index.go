// Package lookup finds resources in the cache: by policy, portfolio, account or subject of reports.
package lookup

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Indexes of the cache. The value is empty for resources that leave the field out.
const (
	PolicyIndex    = ".spec.policyName"
	PortfolioIndex = ".spec.business.portfolio"
	AccountIndex   = ".spec.whatsAppBusinessAccountID" // of numbers and templates
	SubjectIndex   = ".subject"                        // all that the ledger knows a resource by: of a number itself too
)

// SetupIndexes registers the indexes that all controllers share.
func SetupIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	one := func(of func(client.Object) string) client.IndexerFunc {
		return func(o client.Object) []string { return []string{of(o)} }
	}
	for _, index := range []struct {
		of     client.Object
		field  string
		values client.IndexerFunc
	}{
		{&v1alpha1.PhoneNumber{}, PolicyIndex, one(func(o client.Object) string { return o.(*v1alpha1.PhoneNumber).Spec.PolicyName })},
		{&v1alpha1.PhoneNumber{}, PortfolioIndex, one(func(o client.Object) string { return o.(*v1alpha1.PhoneNumber).Spec.Business.Portfolio })},
		{&v1alpha1.PhoneNumber{}, AccountIndex, one(func(o client.Object) string {
			return o.(*v1alpha1.PhoneNumber).Spec.Business.WhatsAppBusinessAccountID
		})},
		{&v1alpha1.PhoneNumber{}, SubjectIndex, func(o client.Object) []string {
			var texts []string
			for _, subject := range NumberSubjects(o.(*v1alpha1.PhoneNumber)) {
				texts = append(texts, subject.String())
			}
			return texts
		}},
		{&v1alpha1.BusinessPortfolio{}, PolicyIndex, one(func(o client.Object) string { return o.(*v1alpha1.BusinessPortfolio).Spec.PolicyName })},
		{&v1alpha1.BusinessPortfolio{}, SubjectIndex, one(func(o client.Object) string { return PortfolioSubject(o.(*v1alpha1.BusinessPortfolio)).String() })},
		{&v1alpha1.MessageTemplate{}, PolicyIndex, one(func(o client.Object) string { return o.(*v1alpha1.MessageTemplate).Spec.PolicyName })},
		{&v1alpha1.MessageTemplate{}, AccountIndex, one(func(o client.Object) string {
			return o.(*v1alpha1.MessageTemplate).Spec.WhatsAppBusinessAccountID
		})},
		{&v1alpha1.MessageTemplate{}, SubjectIndex, one(func(o client.Object) string { return TemplateSubject(o.(*v1alpha1.MessageTemplate)).String() })},
	} {
		if err := indexer.IndexField(ctx, index.of, index.field, index.values); err != nil {
			return fmt.Errorf("index %s: %w", index.field, err)
		}
	}
	return nil
}

// NumberSubjects are the subjects of reports that concern a number: itself, its account, and the id that Meta gave to it.
func NumberSubjects(n *v1alpha1.PhoneNumber) []report.Subject {
	subjects := []report.Subject{report.ParseSubject(n.Spec.PhoneNumber)}
	if account := n.Spec.Business.WhatsAppBusinessAccountID; account != "" {
		subjects = append(subjects, report.AccountSubject(account))
	}
	if id := n.Spec.PhoneNumberID; id != "" {
		subjects = append(subjects, report.NumberIDSubject(id))
	}
	return subjects
}

// PortfolioSubject is the subject of reports about a portfolio; nobody if Meta's id is not given.
func PortfolioSubject(p *v1alpha1.BusinessPortfolio) report.Subject {
	if p.Spec.PortfolioID == "" {
		return report.Subject{}
	}
	return report.PortfolioSubject(p.Spec.PortfolioID)
}

// TemplateSubject is the subject of reports about a template.
func TemplateSubject(t *v1alpha1.MessageTemplate) report.Subject {
	return report.TemplateSubject(t.Spec.WhatsAppBusinessAccountID, t.Spec.TemplateName, t.Spec.Language)
}

// Numbers are the PhoneNumbers that an index has under a value. They are the cache's own, only to be read.
func Numbers(ctx context.Context, reader client.Reader, index, value string, more ...client.ListOption) ([]v1alpha1.PhoneNumber, error) {
	var numbers v1alpha1.PhoneNumberList
	if err := reader.List(ctx, &numbers, append(more, client.MatchingFields{index: value}, client.UnsafeDisableDeepCopy)...); err != nil {
		return nil, fmt.Errorf("list phone numbers: %w", err)
	}
	return numbers.Items, nil
}

// TemplatesWith are the MessageTemplates that an index has under a value. They are the cache's own, only to be read.
func TemplatesWith(ctx context.Context, reader client.Reader, index, value string, more ...client.ListOption) ([]v1alpha1.MessageTemplate, error) {
	var templates v1alpha1.MessageTemplateList
	if err := reader.List(ctx, &templates, append(more, client.MatchingFields{index: value}, client.UnsafeDisableDeepCopy)...); err != nil {
		return nil, fmt.Errorf("list message templates: %w", err)
	}
	return templates.Items, nil
}

// PortfoliosWith are the BusinessPortfolios that an index has under a value. They are the cache's own, only to be read.
func PortfoliosWith(ctx context.Context, reader client.Reader, index, value string) ([]v1alpha1.BusinessPortfolio, error) {
	var portfolios v1alpha1.BusinessPortfolioList
	if err := reader.List(ctx, &portfolios, client.MatchingFields{index: value}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list business portfolios: %w", err)
	}
	return portfolios.Items, nil
}

// Templates are the templates that a number sends: those of its account, unless they name other numbers. They are the cache's
// own, only to be read.
func Templates(ctx context.Context, reader client.Reader, number *v1alpha1.PhoneNumber) ([]v1alpha1.MessageTemplate, error) {
	account := number.Spec.Business.WhatsAppBusinessAccountID
	if account == "" {
		return nil, nil
	}
	templates, err := TemplatesWith(ctx, reader, AccountIndex, account, client.InNamespace(number.Namespace))
	return slices.DeleteFunc(templates, func(t v1alpha1.MessageTemplate) bool {
		return !t.DeletionTimestamp.IsZero() || !rules.Sends(number, &t)
	}), err
}

// Senders are the numbers of the account of a template, of which some may not send it. They are the cache's own, only to be read.
func Senders(ctx context.Context, reader client.Reader, t *v1alpha1.MessageTemplate) ([]v1alpha1.PhoneNumber, error) {
	return Numbers(ctx, reader, AccountIndex, t.Spec.WhatsAppBusinessAccountID, client.InNamespace(t.Namespace))
}

// Pointers are pointers to numbers.
func Pointers(numbers []v1alpha1.PhoneNumber) []*v1alpha1.PhoneNumber {
	all := make([]*v1alpha1.PhoneNumber, 0, len(numbers))
	for i := range numbers {
		all = append(all, &numbers[i])
	}
	return all
}
