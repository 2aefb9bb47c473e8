package controllers

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/rules"
)

// problem keeps the operator from its job for a number, and shows in the condition Ready.
type problem struct {
	reason, message string
	stalled         bool // only a human can mend it
}

func (p *problem) Error() string { return p.message }

// gathered is what the rules need.
type gathered struct {
	policy     *rules.Policy
	generation int64        // of the policy
	facts      *rules.Facts // with the reports that the status does not have yet
	lastReport int64        // the sequence number of the last report
}

// gather collects what the rules need. A *problem is for the status, any other error for another try.
func (r *PhoneNumberReconciler) gather(ctx context.Context, number *v1alpha1.PhoneNumber) (*gathered, error) {
	if err := r.onlyOne(ctx, number); err != nil {
		return nil, err
	}
	policy, generation, err := r.policyOf(ctx, number)
	if err != nil {
		return nil, err
	}
	windows := ledger.Windows{Service: policy.ServiceWindow, Conversation: policy.Window}
	if err := r.Ledger.Configure(number.Spec.PhoneNumber, windows); err != nil {
		return nil, fmt.Errorf("configure the ledger: %w", err)
	}

	reports := r.Ledger.Reports(number.Spec.PhoneNumber, number.Status.ObservedReport)
	last := number.Status.ObservedReport
	if r.Ledger.LastReport(number.Spec.PhoneNumber) < last {
		// The status has seen a report that the ledger never had: it is another ledger, and all of its reports are news.
		reports, last = r.Ledger.Reports(number.Spec.PhoneNumber, 0), 0
	}
	facts := &rules.Facts{
		Verification:    number.Spec.Verification,
		HumanEscalation: len(number.Spec.Business.HumanEscalationPaths) > 0,
		Usage:           ledger.Number{Ledger: r.Ledger, Number: number.Spec.PhoneNumber},
	}
	for _, report := range reports {
		last = max(last, report.Sequence)
		facts.Reports = append(facts.Reports, rules.Report{
			Kind: rules.ReportKind(report.Kind), At: time.Unix(report.At, 0).UTC(), Value: report.Value, Reason: report.Reason,
		})
	}
	return &gathered{policy: policy, generation: generation, facts: facts, lastReport: last}, nil
}

// onlyOne is a problem where an older resource has the same phone number: usage counts for one of them.
func (r *PhoneNumberReconciler) onlyOne(ctx context.Context, number *v1alpha1.PhoneNumber) error {
	var same v1alpha1.PhoneNumberList
	if err := r.Client.List(ctx, &same, client.MatchingFields{numberIndex: number.Spec.PhoneNumber}); err != nil {
		return fmt.Errorf("list phone numbers: %w", err)
	}
	for i := range same.Items {
		if other := &same.Items[i]; other.UID != number.UID && other.DeletionTimestamp.IsZero() && older(other, number) {
			which := fmt.Sprintf("PhoneNumber %q", other.Name)
			if other.Namespace != number.Namespace {
				which = "A PhoneNumber of another namespace" // whose, is not everyone's business
			}
			return &problem{reason: v1alpha1.ReasonDuplicateNumber, stalled: true, message: which + ", which is older, has the same spec.phoneNumber: delete one of the two."}
		}
	}
	return nil
}

func older(a, b *v1alpha1.PhoneNumber) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.UID < b.UID
}

func (r *PhoneNumberReconciler) policyOf(ctx context.Context, number *v1alpha1.PhoneNumber) (*rules.Policy, int64, error) {
	var resource v1alpha1.MessagingPolicy
	if name := number.Spec.PolicyName; name != "" {
		if err := r.Client.Get(ctx, client.ObjectKey{Name: name}, &resource); apierrors.IsNotFound(err) {
			return nil, 0, &problem{reason: v1alpha1.ReasonPolicyNotFound, message: fmt.Sprintf("There is no MessagingPolicy %q, which spec.policyName names.", name)}
		} else if err != nil {
			return nil, 0, fmt.Errorf("get the policy: %w", err)
		}
	} else if found, err := r.defaultPolicy(ctx); err != nil {
		return nil, 0, err
	} else {
		resource = *found
	}
	policy, err := rules.Compile(resource.Name, &resource.Spec)
	if err != nil {
		return nil, 0, &problem{reason: v1alpha1.ReasonPolicyInvalid, stalled: true, message: fmt.Sprintf("MessagingPolicy %q cannot be used: %v.", resource.Name, err)}
	}
	if resource.Spec.Scope == v1alpha1.ScopePortfolio && number.Spec.Business.Portfolio != "" {
		return nil, 0, &problem{reason: v1alpha1.ReasonPolicyConflict, stalled: true, message: fmt.Sprintf(
			"The limit of MessagingPolicy %q belongs to a portfolio, and counts are kept for each number alone: name a policy with scope Number, or leave out business.portfolio if the portfolio has one number.", resource.Name)}
	}
	return policy, resource.Generation, nil
}

// defaultPolicy is the policy marked as the default; the first by name where several are.
func (r *PhoneNumberReconciler) defaultPolicy(ctx context.Context) (*v1alpha1.MessagingPolicy, error) {
	var policies v1alpha1.MessagingPolicyList
	if err := r.Client.List(ctx, &policies); err != nil {
		return nil, fmt.Errorf("list policies: %w", err)
	}
	var found *v1alpha1.MessagingPolicy
	for i := range policies.Items {
		if p := &policies.Items[i]; p.Annotations[v1alpha1.AnnotationDefaultPolicy] == "true" && (found == nil || p.Name < found.Name) {
			found = p
		}
	}
	if found == nil {
		return nil, &problem{reason: v1alpha1.ReasonPolicyNotFound, message: fmt.Sprintf(
			"spec.policyName is empty, and no MessagingPolicy has the annotation %s=true.", v1alpha1.AnnotationDefaultPolicy)}
	}
	return found, nil
}
