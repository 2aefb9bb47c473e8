package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// findPolicies says whether there is one policy for numbers that name none. One that is named and missing is told by the condition of whoever
// names it.
func findPolicies(ctx context.Context, e *examination) ([]Finding, error) {
	var policies v1alpha1.MessagingPolicyList
	if err := e.API.List(ctx, &policies); meta.IsNoMatchError(err) {
		return nil, nil // the check of the kinds says so
	} else if err != nil {
		return nil, fmt.Errorf("list MessagingPolicies: %w", err)
	}
	var marked []string
	for i := range policies.Items {
		if p := &policies.Items[i]; p.Annotations[v1alpha1.AnnotationDefaultPolicy] == "true" {
			marked = append(marked, p.Name)
		}
	}
	slices.Sort(marked)
	switch len(marked) {
	case 0:
		return []Finding{{Severity: Error, Command: fmt.Sprintf("kubectl annotate messagingpolicy meta-2025 %s=true", v1alpha1.AnnotationDefaultPolicy),
			Message: fmt.Sprintf("None of the %d MessagingPolicies is the default: no limit is known of numbers that name none.", len(policies.Items))}}, nil
	case 1:
		return nil, nil
	default:
		return []Finding{{Severity: Warning, Command: fmt.Sprintf("kubectl annotate messagingpolicy %s %s-", marked[len(marked)-1], v1alpha1.AnnotationDefaultPolicy),
			Message: fmt.Sprintf("Several MessagingPolicies are marked as the default: %s. The first by name, %s, applies.", strings.Join(marked, ", "), marked[0])}}, nil
	}
}
