package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"numberfleet.dev/numberfleet/config/crd"
)

// crdsCommand is what is done with the kinds: Helm installs those of a chart once, and never changes them.
func crdsCommand() *cobra.Command {
	all := &cobra.Command{
		Use: "crds", Short: "Install the kinds", Args: cobra.NoArgs, // a Job that misspells its command fails
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	all.AddCommand(&cobra.Command{
		Use: "apply", Short: "Apply the CustomResourceDefinitions of this release, and wait until they are served", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return applyCRDs(cmd.Context()) },
	})
	return all
}

// crdsOwner is who owns the kinds. Helm 4 applies those of a chart under this name at an installation, and refuses to where somebody else owns
// another schema.
const crdsOwner = client.FieldOwner("helm")

// applyCRDs makes the kinds in the cluster those of this program. Resources of these kinds stay.
func applyCRDs(ctx context.Context) error {
	c, err := newClient(apiextensionsv1.AddToScheme)
	if err != nil {
		return err
	}
	manifests, err := crd.All()
	if err != nil {
		return err
	}
	for _, manifest := range manifests {
		definition := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(manifest, &definition.Object); err != nil {
			return err
		}
		if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(definition), crdsOwner, client.ForceOwnership); err != nil {
			return fmt.Errorf("apply the CustomResourceDefinition %s: %w", definition.GetName(), err)
		}
		if err := established(ctx, c, definition.GetName()); err != nil {
			return fmt.Errorf("the API server does not serve %s: %w", definition.GetName(), err)
		}
		ctrl.Log.WithName("crds").Info("applied", "name", definition.GetName())
	}
	return nil
}

// established waits until the API server serves a kind, for a minute at most.
func established(ctx context.Context, c client.Client, name string) error {
	return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		var definition apiextensionsv1.CustomResourceDefinition
		if err := c.Get(ctx, client.ObjectKey{Name: name}, &definition); err != nil {
			return false, err
		}
		for _, condition := range definition.Status.Conditions {
			if condition.Type == apiextensionsv1.Established {
				return condition.Status == apiextensionsv1.ConditionTrue, nil
			}
		}
		return false, nil
	})
}
