package controllertest

import (
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// Fleet is a bench with a portfolio, its numbers and templates, which are reconciled step by step.
type Fleet struct {
	*Bench
	Portfolio *v1alpha1.BusinessPortfolio
	Numbers   []*v1alpha1.PhoneNumber
	templates []*v1alpha1.MessageTemplate
}

// NewFleet makes a portfolio, governed by the default policy unless the change says otherwise, that is named as the test's
// namespace.
func NewFleet(t *testing.T, change ...func(*v1alpha1.BusinessPortfolioSpec)) *Fleet {
	t.Helper()
	f := &Fleet{Bench: New(t)}
	f.Portfolio = &v1alpha1.BusinessPortfolio{
		ObjectMeta: metav1.ObjectMeta{Name: f.Namespace},
		Spec:       v1alpha1.BusinessPortfolioSpec{PortfolioID: strings.TrimLeft(NewNumber(), "+"), DisplayName: "Acme"},
	}
	for _, c := range change {
		c(&f.Portfolio.Spec)
	}
	f.Must(f.Client.Create(f.Ctx, f.Portfolio))
	t.Cleanup(func() { _ = f.Direct.Delete(t.Context(), f.Portfolio) })
	return f
}

// Number adds a number to the portfolio.
func (f *Fleet) Number(change ...func(*v1alpha1.PhoneNumber)) *v1alpha1.PhoneNumber {
	f.T.Helper()
	number := f.Create("", append([]func(*v1alpha1.PhoneNumber){func(n *v1alpha1.PhoneNumber) {
		n.Spec.Business.Portfolio, n.Spec.Business.WhatsAppBusinessAccountID = f.Portfolio.Name, account
	}}, change...)...)
	f.Numbers = append(f.Numbers, number)
	return number
}

// Template adds a template that the numbers of the portfolio send.
func (f *Fleet) Template(name string, change ...func(*v1alpha1.MessageTemplateSpec)) *v1alpha1.MessageTemplate {
	f.T.Helper()
	template := &v1alpha1.MessageTemplate{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.Namespace, GenerateName: "template-"},
		Spec:       v1alpha1.MessageTemplateSpec{TemplateName: name + "_" + strings.ReplaceAll(f.Namespace, "-", "_"), Language: "en_US", WhatsAppBusinessAccountID: account},
	}
	for _, c := range change {
		c(&template.Spec)
	}
	f.Must(f.Client.Create(f.Ctx, template))
	f.templates = append(f.templates, template)
	return template
}

// Settle reconciles everything until what one sees of the other has arrived.
func (f *Fleet) Settle() {
	f.T.Helper()
	for range 2 {
		for _, n := range f.Numbers {
			f.Reconcile(lookup.NumberKey(n))
		}
		f.Reconcile(lookup.PortfolioKey(f.Portfolio.Name))
		for _, t := range f.templates {
			f.Reconcile(lookup.TemplateKey(t))
		}
	}
	read := func(object client.Object) {
		if err := f.Direct.Get(f.Ctx, client.ObjectKeyFromObject(object), object); err != nil && !apierrors.IsNotFound(err) {
			f.T.Fatal(err)
		}
	}
	for _, n := range f.Numbers {
		read(n)
	}
	for _, t := range f.templates {
		read(t)
	}
	read(f.Portfolio)
}

// At lets time pass and reconciles everything.
func (f *Fleet) At(d time.Duration) {
	f.T.Helper()
	f.FakeClock.Advance(d)
	f.Settle()
}

// Told are the transitions of a history, with from and to.
func Told(history []v1alpha1.Transition) []string {
	var lines []string
	for _, t := range history {
		lines = append(lines, strings.TrimSuffix(t.Time.UTC().Format("01-02 15:04:05")+" "+string(t.Reason)+" "+t.From+" -> "+t.To, "  -> "))
	}
	return lines
}

// Expect fails unless two lists are the same.
func (b *Bench) Expect(what string, got, want []string) {
	b.T.Helper()
	if !slices.Equal(got, want) {
		b.T.Errorf("%s:\n  %s\nnot\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// Another adds a portfolio beside the fleet's, which settle does not reconcile.
func (f *Fleet) Another() *v1alpha1.BusinessPortfolio {
	f.T.Helper()
	portfolio := &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: "another-" + f.Namespace}, Spec: v1alpha1.BusinessPortfolioSpec{DisplayName: "Another"}}
	f.Must(f.Client.Create(f.Ctx, portfolio))
	f.T.Cleanup(func() { _ = f.Direct.Delete(f.T.Context(), portfolio) })
	return portfolio
}

// ReconcilePortfolio reconciles a portfolio with its numbers, and reads it back.
func (f *Fleet) ReconcilePortfolio(portfolio *v1alpha1.BusinessPortfolio) ctrl.Result {
	f.T.Helper()
	result := f.Reconcile(lookup.PortfolioKey(portfolio.Name))
	f.Must(f.Direct.Get(f.Ctx, client.ObjectKeyFromObject(portfolio), portfolio))
	return result
}

// Move puts a number into a portfolio.
func (f *Fleet) Move(number *v1alpha1.PhoneNumber, to string) {
	f.T.Helper()
	f.Must(f.Direct.Get(f.Ctx, client.ObjectKeyFromObject(number), number))
	number.Spec.PolicyName, number.Spec.Business.Portfolio = "", to
	f.Must(f.Client.Update(f.Ctx, number))
}

// ReportAt records a report of an instant.
func (f *Fleet) ReportAt(subject string, kind report.Kind, value string, at time.Time) {
	f.T.Helper()
	_, err := f.Ledger.Append(f.Ctx, counts.Batch{Reports: []report.Report{{Subject: report.ParseSubject(subject), Kind: kind, Value: value, At: at.Unix()}}}, f.FakeClock.Now())
	f.Must(err)
}

// Add records a report of now about a template.
func (f *Fleet) Add(said report.Report, about *v1alpha1.MessageTemplate) {
	f.T.Helper()
	now := f.FakeClock.Now()
	said.Subject, said.At = lookup.TemplateSubject(about), now.Unix()
	_, err := f.Ledger.Append(f.Ctx, counts.Batch{Reports: []report.Report{said}}, now)
	f.Must(err)
}
