// Package directory answers, for what comes in, which resources there are.
package directory

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/internal/identity"
	"numberfleet.dev/numberfleet/internal/report"
)

// nameIndex has templates by their names at Meta.
const nameIndex = ".spec.templateName"

// SetupIndexes registers the index that a Directory needs besides those of SetupIndexes.
func SetupIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	value := func(o client.Object) []string { return []string{o.(*v1alpha1.MessageTemplate).Spec.TemplateName} }
	if err := indexer.IndexField(ctx, &v1alpha1.MessageTemplate{}, nameIndex, value); err != nil {
		return fmt.Errorf("index %s: %w", nameIndex, err)
	}
	return nil
}

// Directory knows which resources there are, from the cache. Its errors are about the cache, such as that it is not there yet.
type Directory struct {
	Reader client.Reader
}

// Namespace is the namespace of the PhoneNumber that a number in E.164 is served as; empty if there is none.
func (d Directory) Namespace(ctx context.Context, number string) (string, error) {
	of, err := lookup.Served(ctx, d.Reader, report.ParseSubject(number))
	if err != nil || of == nil {
		return "", err
	}
	return of.Namespace, nil
}

// Number is the PhoneNumber that a number is served as, in E.164 or by Meta's id; nil if there is none. It is not to be changed.
func (d Directory) Number(ctx context.Context, number report.Subject) (*v1alpha1.PhoneNumber, error) {
	return lookup.Served(ctx, d.Reader, number)
}

// Sent are the MessageTemplates of a name that are sent in a namespace, in the order of their languages: those of an account, or of any where
// that is empty. They are not to be changed.
func (d Directory) Sent(ctx context.Context, namespace, account, name string) ([]*v1alpha1.MessageTemplate, error) {
	templates, err := lookup.TemplatesWith(ctx, d.Reader, nameIndex, name, client.InNamespace(namespace))
	if err != nil {
		return nil, err
	}
	var sent []*v1alpha1.MessageTemplate
	for i := range templates {
		if t := &templates[i]; t.DeletionTimestamp.IsZero() && ofAccount(t, account) {
			sent = append(sent, t)
		}
	}
	slices.SortFunc(sent, func(a, b *v1alpha1.MessageTemplate) int { return cmp.Compare(a.Spec.Language, b.Spec.Language) })
	return sent, nil
}

// BusinessPortfolio is the portfolio of that name; nil if there is none.
func (d Directory) BusinessPortfolio(ctx context.Context, name string) (*v1alpha1.BusinessPortfolio, error) {
	return get(ctx, d.Reader, client.ObjectKey{Name: name}, &v1alpha1.BusinessPortfolio{})
}

// NumberPool is the pool of that name; nil if there is none.
func (d Directory) NumberPool(ctx context.Context, namespace, name string) (*v1alpha1.NumberPool, error) {
	return get(ctx, d.Reader, client.ObjectKey{Namespace: namespace, Name: name}, &v1alpha1.NumberPool{})
}

// get reads into an object; it returns nil if there is none.
func get[O client.Object](ctx context.Context, reader client.Reader, key client.ObjectKey, into O) (found O, err error) {
	switch err := reader.Get(ctx, key, into); {
	case apierrors.IsNotFound(err):
		return found, nil
	case err != nil:
		return found, fmt.Errorf("get %T: %w", into, err)
	}
	return into, nil
}

// ofAccount says whether a template is of an account, as far as it is known which that is.
func ofAccount(t *v1alpha1.MessageTemplate, account string) bool {
	return account == "" || account == t.Spec.WhatsAppBusinessAccountID
}

// Accounts are the WhatsApp Business accounts that a subject of the ledger belongs to: of a number that of the resource it is
// served as, of a portfolio those of the numbers in it. None are where resources do not say. An account and a template belong to
// the account that their subjects are made of.
func (d Directory) Accounts(ctx context.Context, subject report.Subject) ([]string, error) {
	switch subject.Type {
	case report.Number, report.NumberID:
		of, err := lookup.Served(ctx, d.Reader, subject)
		if err != nil || of == nil {
			return nil, err
		}
		return lookup.Accounts([]*v1alpha1.PhoneNumber{of}), nil
	case report.Portfolio:
		var portfolios v1alpha1.BusinessPortfolioList
		if err := d.Reader.List(ctx, &portfolios, client.MatchingFields{lookup.SubjectIndex: subject.String()}, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("list portfolios: %w", err)
		}
		var accounts []string
		for i := range portfolios.Items {
			numbers, err := lookup.Numbers(ctx, d.Reader, lookup.PortfolioIndex, portfolios.Items[i].Name, client.UnsafeDisableDeepCopy)
			if err != nil {
				return nil, err
			}
			accounts = append(accounts, lookup.Accounts(lookup.Pointers(numbers))...)
		}
		return accounts, nil
	default:
		return nil, nil
	}
}

// Portfolio is the subject of reports about a portfolio, which is named by its BusinessPortfolio or by the id that Meta gave to it; nobody
// if it is neither.
func (d Directory) Portfolio(ctx context.Context, name string) (report.Subject, error) {
	portfolio, err := d.BusinessPortfolio(ctx, name)
	switch {
	case err != nil:
		return report.Subject{}, err
	case portfolio != nil && portfolio.Spec.PortfolioID != "":
		return lookup.PortfolioSubject(portfolio), nil
	case identity.IsMetaID(name):
		return report.PortfolioSubject(name), nil // a BusinessPortfolio that comes later finds it
	default:
		return report.Subject{}, nil
	}
}

// Templates are the subjects of reports about the languages of a template: of those with a MessageTemplate, in the number's
// namespace and account where a number is given. None are found where several accounts have templates of that name and
// nothing says which of them is meant.
func (d Directory) Templates(ctx context.Context, name, number string) ([]report.Subject, error) {
	options := []client.ListOption{client.MatchingFields{nameIndex: name}, client.UnsafeDisableDeepCopy}
	var sender *v1alpha1.PhoneNumber
	if number != "" {
		of, err := lookup.Served(ctx, d.Reader, report.ParseSubject(number))
		if err != nil || of == nil {
			return nil, err
		}
		sender = of
		options = append(options, client.InNamespace(sender.Namespace))
	}
	var templates v1alpha1.MessageTemplateList
	if err := d.Reader.List(ctx, &templates, options...); err != nil {
		return nil, fmt.Errorf("list message templates: %w", err)
	}
	var subjects []report.Subject
	account := ""
	for i := range templates.Items {
		t := &templates.Items[i]
		of := t.Spec.WhatsAppBusinessAccountID
		if !t.DeletionTimestamp.IsZero() || sender != nil && !ofAccount(t, sender.Spec.Business.WhatsAppBusinessAccountID) {
			continue
		}
		if account != "" && account != of {
			return nil, nil
		}
		account = of
		if subject := lookup.TemplateSubject(t); !slices.Contains(subjects, subject) {
			subjects = append(subjects, subject)
		}
	}
	return subjects, nil
}
