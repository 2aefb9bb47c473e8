package lookup

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

// Policies finds the policies that resources are governed by. Its errors are for another try, but for a *conditions.Problem, which is
// for the status.
type Policies struct {
	Reader   client.Reader
	Compiled *standing.Policies
}

// Policy is the policy that applies to a resource.
type Policy struct {
	*rules.Policy
	Generation int64
}

// Named is the policy of that name, or the default one if the name is empty.
func (p Policies) Named(ctx context.Context, name string) (Policy, error) {
	resource, err := p.resource(ctx, name)
	if err != nil {
		return Policy{}, err
	}
	policy, err := p.Compiled.Compile(resource)
	if err != nil {
		return Policy{}, &conditions.Problem{Reason: v1alpha1.ReasonPolicyInvalid, Stalled: true, Message: fmt.Sprintf("MessagingPolicy %q cannot be used: %v.", resource.Name, err)}
	}
	return Policy{Policy: policy, Generation: resource.Generation}, nil
}

// resource is the MessagingPolicy of that name; if the name is empty the one that is marked as the default, the first by name where
// several are. It is not to be changed.
func (p Policies) resource(ctx context.Context, name string) (*v1alpha1.MessagingPolicy, error) {
	var policies v1alpha1.MessagingPolicyList
	if err := p.Reader.List(ctx, &policies, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list policies: %w", err)
	}
	var found *v1alpha1.MessagingPolicy
	for i := range policies.Items {
		is := &policies.Items[i]
		byDefault := name == "" && is.Annotations[v1alpha1.AnnotationDefaultPolicy] == "true"
		if is.Name == name || byDefault && (found == nil || is.Name < found.Name) {
			found = is
		}
	}
	switch {
	case found != nil:
		return found, nil
	case name != "":
		return nil, &conditions.Problem{Reason: v1alpha1.ReasonPolicyNotFound, Message: fmt.Sprintf("There is no MessagingPolicy %q, which spec.policyName names.", name)}
	default:
		return nil, &conditions.Problem{Reason: v1alpha1.ReasonPolicyNotFound, Message: fmt.Sprintf(
			"spec.policyName is empty, and no MessagingPolicy has the annotation %s=true.", v1alpha1.AnnotationDefaultPolicy)}
	}
}

// Of is the policy that a number is governed by, and the portfolio that has its limit; nil where that is its own.
func (p Policies) Of(ctx context.Context, number *v1alpha1.PhoneNumber) (Policy, *v1alpha1.BusinessPortfolio, error) {
	portfolio := &v1alpha1.BusinessPortfolio{}
	name, in := number.Spec.PolicyName, number.Spec.Business.Portfolio
	if in != "" {
		if err := p.Reader.Get(ctx, client.ObjectKey{Name: in}, portfolio); apierrors.IsNotFound(err) || err == nil && !portfolio.DeletionTimestamp.IsZero() {
			portfolio = nil // as good as gone
		} else if err != nil {
			return Policy{}, nil, fmt.Errorf("get the portfolio: %w", err)
		} else if name == "" {
			name = portfolio.Spec.PolicyName
		}
	}
	policy, err := p.Named(ctx, name)
	switch {
	case err != nil || in == "" || policy.Scope == v1alpha1.ScopeNumber:
		return policy, nil, err
	case portfolio == nil:
		return policy, nil, &conditions.Problem{Reason: v1alpha1.ReasonPortfolioNotFound, Message: fmt.Sprintf(
			"There is no BusinessPortfolio %q, which spec.business.portfolio names, and by MessagingPolicy %q the limit belongs to it.", in, policy.Name)}
	}
	shared, err := p.resource(ctx, portfolio.Spec.PolicyName)
	if err != nil {
		return policy, nil, err
	}
	if shared.Name != policy.Name {
		return policy, nil, &conditions.Problem{Reason: v1alpha1.ReasonPolicyConflict, Stalled: true, Message: fmt.Sprintf(
			"spec.policyName is %q, and BusinessPortfolio %q is governed by %q: numbers share a limit under one policy. Leave out spec.policyName, or name a policy of scope Number.",
			policy.Name, in, shared.Name)}
	}
	return policy, portfolio, nil
}
