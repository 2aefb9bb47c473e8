package number

import (
	"context"
	"fmt"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reports"
	"numberfleet.dev/numberfleet/controllers/internal/usage"
	"numberfleet.dev/numberfleet/controllers/template"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

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
func (r *Reconciler) gather(ctx context.Context, number *v1alpha1.PhoneNumber) (*gathered, error) {
	if err := r.onlyOne(ctx, number); err != nil {
		return nil, err
	}
	policy, portfolio, err := lookup.PolicyOf(ctx, r.Cache, number)
	if err != nil {
		return nil, err
	}
	if err := usage.Configure(r.Ledger, number.Spec.PhoneNumber, policy.Policy); err != nil {
		return nil, err
	}
	g := &gathered{policy: policy.Policy, whole: policy.Policy, generation: policy.Generation, portfolio: portfolio}
	if g.templates, err = lookup.Templates(ctx, r.Cache, number); err != nil {
		return nil, err
	}
	g.facts = &rules.Facts{
		Verification:    number.Spec.Verification,
		HumanEscalation: len(number.Spec.Business.HumanEscalationPaths) > 0,
		Appealed:        number.Spec.Appeal.State == v1alpha1.AppealReversed,
		Usage:           rules.Exact{Counted: r.Ledger.Usage(number.Spec.PhoneNumber)},
	}
	g.facts.Reports, g.lastReport = reports.After(r.Ledger, report.ParseSubject(number.Spec.PhoneNumber), number.Status.ObservedReport)
	if g.sampled = r.Samples.Counts(number); g.sampled {
		g.facts.Usage = r.Samples.Usage(number, policy.Policy, g.facts.Usage)
	}
	switch {
	case portfolio != nil:
		if err := g.join(number); err != nil {
			return nil, err
		}
	case policy.Scope == v1alpha1.ScopePortfolio:
		g.members = template.Lowest(g.templates)
	}
	return g, nil
}

// join makes the limit the portfolio's. A number that joins with a higher limit than the portfolio has waits until the
// portfolio has taken it over: it would be lost otherwise.
func (g *gathered) join(number *v1alpha1.PhoneNumber) error {
	switch has, brings := &g.portfolio.Status, &number.Status; {
	case has.Tier.Name == "":
		return &conditions.Problem{Reason: v1alpha1.ReasonPortfolioPending, Message: fmt.Sprintf("BusinessPortfolio %q, which has the limit, was not evaluated yet.", g.portfolio.Name)}
	case brings.Tier.Name != "" && brings.Portfolio == "" && rules.Above(brings.Tier.Limit, has.Tier.Limit):
		return &conditions.Problem{Reason: v1alpha1.ReasonPortfolioPending, Message: fmt.Sprintf("BusinessPortfolio %q has yet to take over the limit that the number brings.", g.portfolio.Name)}
	}
	g.policy = g.policy.Member()
	return nil
}

// claim tells the ledger which number has the id of Meta's that a resource gives. The oldest resource with it says so.
func (r *Reconciler) claim(ctx context.Context, number *v1alpha1.PhoneNumber) error {
	id := number.Spec.PhoneNumberID
	if id == "" {
		return nil
	}
	oldest, err := lookup.Served(ctx, r.Cache, report.NumberIDSubject(id))
	if err != nil || oldest == nil || oldest.UID != number.UID {
		return err
	}
	if err := r.Ledger.Claim(id, number.Spec.PhoneNumber); err != nil {
		return fmt.Errorf("claim the number's id: %w", err)
	}
	return nil
}

// onlyOne is a problem where an older resource has the same phone number: usage counts for one of them.
func (r *Reconciler) onlyOne(ctx context.Context, number *v1alpha1.PhoneNumber) error {
	other, err := lookup.Before(ctx, r.Cache, number)
	if err != nil || other == nil {
		return err
	}
	which := fmt.Sprintf("PhoneNumber %q", other.Name)
	if other.Namespace != number.Namespace {
		which = "A PhoneNumber of another namespace" // whose, is not everyone's business
	}
	return &conditions.Problem{Reason: v1alpha1.ReasonDuplicateNumber, Stalled: true, Message: which + ", which is older, has the same spec.phoneNumber: delete one of the two."}
}
