package controllers

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/records"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// problem keeps the operator from its job for a resource, and shows in the condition Ready.
type problem struct {
	reason, message string
	stalled         bool // only a human can mend it
}

func (p *problem) Error() string { return p.message }

// gathered is what the rules need.
type gathered struct {
	policy     *rules.Policy
	whole      *rules.Policy // the policy with its ladder, whoever has the limit
	generation int64         // of the policy
	facts      *rules.Facts  // with the reports that the status does not have yet
	lastReport int64         // the sequence number of the last report

	// sampled says that the counts are not the ledger's.
	sampled bool
	// portfolio has the limit; nil where the number has one of its own. The policy is without a ladder then.
	portfolio *v1alpha1.BusinessPortfolio
	templates []v1alpha1.MessageTemplate // that the number sends
	members   rules.MemberQuality        // what the templates come to; empty where they do not count for the number's own limit
}

// gather collects what the rules need. A *problem is for the status, any other error for another try.
func (r *PhoneNumberReconciler) gather(ctx context.Context, number *v1alpha1.PhoneNumber) (*gathered, error) {
	if err := r.onlyOne(ctx, number); err != nil {
		return nil, err
	}
	policy, portfolio, err := policyOf(ctx, r.Cache, number)
	if err != nil {
		return nil, err
	}
	if err := configure(r.Ledger, number.Spec.PhoneNumber, policy.Policy); err != nil {
		return nil, err
	}
	g := &gathered{policy: policy.Policy, whole: policy.Policy, generation: policy.generation, portfolio: portfolio}
	if g.templates, err = templatesOf(ctx, r.Cache, number); err != nil {
		return nil, err
	}
	g.facts = &rules.Facts{
		Verification:    number.Spec.Verification,
		HumanEscalation: len(number.Spec.Business.HumanEscalationPaths) > 0,
		Appealed:        number.Spec.Appeal.State == v1alpha1.AppealReversed,
		Usage:           r.Ledger.Usage(number.Spec.PhoneNumber),
	}
	g.facts.Reports, g.lastReport = reportsAfter(r.Ledger, report.ParseSubject(number.Spec.PhoneNumber), number.Status.ObservedReport)
	if g.sampled = r.Samples.counts(number); g.sampled {
		g.facts.Usage, g.facts.UpgradeUsage = r.Samples.usage(number, policy.Policy, g.facts.Usage)
	}
	switch {
	case portfolio != nil:
		if err := g.join(number); err != nil {
			return nil, err
		}
	case policy.Scope == v1alpha1.ScopePortfolio:
		g.members = lowestTemplate(g.templates)
	}
	return g, nil
}

// join makes the limit the portfolio's. A number that joins with a higher limit than the portfolio has waits until the
// portfolio has taken it over: it would be lost otherwise.
func (g *gathered) join(number *v1alpha1.PhoneNumber) error {
	switch has, brings := &g.portfolio.Status, &number.Status; {
	case has.Tier.Name == "":
		return &problem{reason: v1alpha1.ReasonPortfolioPending, message: fmt.Sprintf("BusinessPortfolio %q, which has the limit, was not evaluated yet.", g.portfolio.Name)}
	case brings.Tier.Name != "" && brings.Portfolio == "" && rules.Above(brings.Tier.Limit, has.Tier.Limit):
		return &problem{reason: v1alpha1.ReasonPortfolioPending, message: fmt.Sprintf("BusinessPortfolio %q has yet to take over the limit that the number brings.", g.portfolio.Name)}
	}
	g.policy = g.policy.Member()
	return nil
}

// policyOf is the policy that a number is governed by, and the portfolio that has its limit; nil where that is its own.
func policyOf(ctx context.Context, reader client.Reader, number *v1alpha1.PhoneNumber) (governing, *v1alpha1.BusinessPortfolio, error) {
	portfolio := &v1alpha1.BusinessPortfolio{}
	name, in := number.Spec.PolicyName, number.Spec.Business.Portfolio
	if in != "" {
		if err := reader.Get(ctx, client.ObjectKey{Name: in}, portfolio); apierrors.IsNotFound(err) {
			portfolio = nil
		} else if err != nil {
			return governing{}, nil, fmt.Errorf("get the portfolio: %w", err)
		} else if name == "" {
			name = portfolio.Spec.PolicyName
		}
	}
	policy, err := policyNamed(ctx, reader, name)
	switch {
	case err != nil || in == "" || policy.Scope == v1alpha1.ScopeNumber:
		return policy, nil, err
	case portfolio == nil:
		return policy, nil, &problem{reason: v1alpha1.ReasonPortfolioNotFound, message: fmt.Sprintf(
			"There is no BusinessPortfolio %q, which spec.business.portfolio names, and by MessagingPolicy %q the limit belongs to it.", in, policy.Name)}
	}
	shared, err := policyResource(ctx, reader, portfolio.Spec.PolicyName)
	if err != nil {
		return policy, nil, err
	}
	if shared.Name != policy.Name {
		return policy, nil, &problem{reason: v1alpha1.ReasonPolicyConflict, stalled: true, message: fmt.Sprintf(
			"spec.policyName is %q, and BusinessPortfolio %q is governed by %q: numbers share a limit under one policy. Leave out spec.policyName, or name a policy of scope Number.",
			policy.Name, in, shared.Name)}
	}
	return policy, portfolio, nil
}

// configure sets the windows that the counts of a number are kept for.
func configure(book *ledger.Ledger, number string, policy *rules.Policy) error {
	if err := book.Configure(number, records.Windows(policy)); err != nil {
		return fmt.Errorf("configure the ledger: %w", err)
	}
	return nil
}

// claim tells the ledger which number has the id of Meta's that a resource gives. The oldest resource with it says so.
func (r *PhoneNumberReconciler) claim(ctx context.Context, number *v1alpha1.PhoneNumber) error {
	id := number.Spec.PhoneNumberID
	if id == "" {
		return nil
	}
	oldest, err := Directory{Reader: r.Cache}.served(ctx, report.NumberIDSubject(id))
	if err != nil || oldest == nil || oldest.UID != number.UID {
		return err
	}
	if err := r.Ledger.Claim(id, number.Spec.PhoneNumber); err != nil {
		return fmt.Errorf("claim the number's id: %w", err)
	}
	return nil
}

// reportsAfter are the reports about a subject that a status does not have yet, and the number of the last one.
func reportsAfter(book *ledger.Ledger, subject report.Subject, observed int64) ([]rules.Report, int64) {
	if book.LastReport(subject) < observed {
		// The status has seen a report that the ledger never had: it is another ledger, and all of its reports are news.
		observed = 0
	}
	last := observed
	var reports []rules.Report
	for _, r := range book.Reports(subject, observed) {
		last = max(last, r.Sequence)
		reports = append(reports, records.Reported(r))
	}
	return reports, last
}

// lowestTemplate is what counts of a number's templates: the lowest rated that holds the number back.
func lowestTemplate(templates []v1alpha1.MessageTemplate) rules.MemberQuality {
	var all []rules.MemberQuality
	for i := range templates {
		if q, counts := templateQuality(&templates[i]); counts {
			all = append(all, q)
		}
	}
	return rules.LowestQuality(all)
}

// templateQuality is what a template contributes to the quality of a portfolio, if it counts for it.
func templateQuality(t *v1alpha1.MessageTemplate) (rules.MemberQuality, bool) {
	if !rules.CountsForQuality(t.Status.State) || t.Spec.Activity == v1alpha1.Suspended {
		return rules.MemberQuality{}, false
	}
	return rules.MemberQuality{Name: fmt.Sprintf("template %s", t.Name), Rating: t.Status.Quality.Rating}, true
}

// onlyOne is a problem where an older resource has the same phone number: usage counts for one of them.
func (r *PhoneNumberReconciler) onlyOne(ctx context.Context, number *v1alpha1.PhoneNumber) error {
	other, err := before(ctx, r.Cache, number)
	if err != nil || other == nil {
		return err
	}
	which := fmt.Sprintf("PhoneNumber %q", other.Name)
	if other.Namespace != number.Namespace {
		which = "A PhoneNumber of another namespace" // whose, is not everyone's business
	}
	return &problem{reason: v1alpha1.ReasonDuplicateNumber, stalled: true, message: which + ", which is older, has the same spec.phoneNumber: delete one of the two."}
}

// before is an older resource with the same phone number; nil if there is none.
func before(ctx context.Context, reader client.Reader, number *v1alpha1.PhoneNumber) (*v1alpha1.PhoneNumber, error) {
	same, err := numbersWith(ctx, reader, subjectIndex, number.Spec.PhoneNumber)
	if err != nil {
		return nil, err
	}
	for i := range same {
		if other := &same[i]; other.UID != number.UID && other.DeletionTimestamp.IsZero() && older(other, number) {
			return other, nil
		}
	}
	return nil, nil
}

// older says which of two resources for the same thing came first; it is the one that counts.
func older(a, b client.Object) bool {
	if at, other := a.GetCreationTimestamp(), b.GetCreationTimestamp(); !at.Equal(&other) {
		return at.Before(&other)
	}
	return a.GetUID() < b.GetUID()
}
