// Package policy keeps the MessagingPolicies that ship as the release has them, so that there is no moment without a default policy: neither
// in the first installation, nor in an upgrade.
package policy

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	applyv1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"numberfleet.dev/numberfleet/config/policies"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
)

// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=messagingpolicies,verbs=create;patch

const (
	// FieldOwner owns the rules of a shipped policy, its label, and the annotation of the default policy.
	FieldOwner = client.FieldOwner("numberfleet-policies")

	managedByLabel = "app.kubernetes.io/managed-by"
	managedBy      = "numberfleet"
)

// Keeper applies the policies that ship at the start, and whenever a policy changes: one that was deleted comes back, and so do rules that
// somebody changed. The names are the release's, so whoever wants other rules writes a policy of another name.
//
// One of them ships as the default policy. It is that unless another policy is marked as such.
type Keeper struct {
	Client client.Client
	Cache  client.Reader
}

// all is the key of the one thing to do.
type all struct{}

// SetupWithManager registers the controller.
func (k *Keeper) SetupWithManager(mgr ctrl.Manager) error {
	options := reconciler.Options[all](1)
	options.Reconciler = k
	c, err := controller.NewTyped("policy", mgr, options)
	if err != nil {
		return err
	}
	start := func(_ context.Context, queue workqueue.TypedRateLimitingInterface[all]) error {
		queue.Add(all{})
		return nil
	}
	if err := c.Watch(source.TypedFunc[all](start)); err != nil {
		return err
	}
	changed := handler.TypedEnqueueRequestsFromMapFunc(func(context.Context, *v1alpha1.MessagingPolicy) []all { return []all{{}} })
	return c.Watch(source.TypedKind(mgr.GetCache(), &v1alpha1.MessagingPolicy{}, changed))
}

// Reconcile applies all of them. What stands already, the API server does not write again.
func (k *Keeper) Reconcile(ctx context.Context, _ all) (ctrl.Result, error) {
	var standing v1alpha1.MessagingPolicyList
	if err := k.Cache.List(ctx, &standing, client.UnsafeDisableDeepCopy); err != nil {
		return ctrl.Result{}, fmt.Errorf("list policies: %w", err)
	}
	var failures []error
	for _, name := range policies.Names() {
		policy, err := shipped(name, &standing)
		if err == nil {
			err = k.Client.Apply(ctx, policy, FieldOwner, client.ForceOwnership)
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("apply the MessagingPolicy %s: %w", name, err))
		}
	}
	return ctrl.Result{}, errors.Join(failures...)
}

// shipped is a policy as it ships, among those that stand.
func shipped(name string, standing *v1alpha1.MessagingPolicyList) (*applyv1alpha1.MessagingPolicyApplyConfiguration, error) {
	manifest, _ := policies.Manifest(name)
	policy := &applyv1alpha1.MessagingPolicyApplyConfiguration{}
	if err := yaml.UnmarshalStrict(manifest, policy); err != nil {
		return nil, err
	}
	policy.WithLabels(map[string]string{managedByLabel: managedBy})
	for i := range standing.Items {
		if is := &standing.Items[i]; is.Name != name && is.Annotations[v1alpha1.AnnotationDefaultPolicy] == "true" {
			delete(policy.Annotations, v1alpha1.AnnotationDefaultPolicy)
		}
	}
	return policy, nil
}
