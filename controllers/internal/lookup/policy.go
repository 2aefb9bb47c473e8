package lookup

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Governing is the policy that applies to a resource.
type Governing struct {
	*rules.Policy
	Generation int64
}

// Policy compiles the policy of that name, or the default one if the name is empty. A *problem is for the status.
func Policy(ctx context.Context, reader client.Reader, name string) (Governing, error) {
	resource, err := PolicyResource(ctx, reader, name)
	if err != nil {
		return Governing{}, err
	}
	policy, err := rules.Compile(resource.Name, &resource.Spec)
	if err != nil {
		return Governing{}, &conditions.Problem{Reason: v1alpha1.ReasonPolicyInvalid, Stalled: true, Message: fmt.Sprintf("MessagingPolicy %q cannot be used: %v.", resource.Name, err)}
	}
	return Governing{Policy: policy, Generation: resource.Generation}, nil
}

func PolicyResource(ctx context.Context, reader client.Reader, name string) (*v1alpha1.MessagingPolicy, error) {
	if name == "" {
		return defaultPolicy(ctx, reader)
	}
	var resource v1alpha1.MessagingPolicy
	if err := reader.Get(ctx, client.ObjectKey{Name: name}, &resource); apierrors.IsNotFound(err) {
		return nil, &conditions.Problem{Reason: v1alpha1.ReasonPolicyNotFound, Message: fmt.Sprintf("There is no MessagingPolicy %q, which spec.policyName names.", name)}
	} else if err != nil {
		return nil, fmt.Errorf("get the policy: %w", err)
	}
	return &resource, nil
}

// defaultPolicy is the policy marked as the default; the first by name where several are.
func defaultPolicy(ctx context.Context, reader client.Reader) (*v1alpha1.MessagingPolicy, error) {
	var policies v1alpha1.MessagingPolicyList
	if err := reader.List(ctx, &policies); err != nil {
		return nil, fmt.Errorf("list policies: %w", err)
	}
	var found *v1alpha1.MessagingPolicy
	for i := range policies.Items {
		if p := &policies.Items[i]; p.Annotations[v1alpha1.AnnotationDefaultPolicy] == "true" && (found == nil || p.Name < found.Name) {
			found = p
		}
	}
	if found == nil {
		return nil, &conditions.Problem{Reason: v1alpha1.ReasonPolicyNotFound, Message: fmt.Sprintf(
			"spec.policyName is empty, and no MessagingPolicy has the annotation %s=true.", v1alpha1.AnnotationDefaultPolicy)}
	}
	return found, nil
}
