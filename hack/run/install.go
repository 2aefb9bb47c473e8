package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/hack/manifest"
)

// install applies what `kubectl apply -k config/default` and the samples would, but for the Deployment: the operator runs
// as a process here. Policies and the fleet are the user's after the first time.
func install(ctx context.Context, config *rest.Config, kustomize string, first bool) error {
	rendered, err := exec.CommandContext(ctx, kustomize, "build", "config/default").Output()
	if err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return fmt.Errorf("render config/default: %w", err)
	}
	fleet, err := os.ReadFile("config/samples/fleet.yaml")
	if err != nil {
		return err
	}
	objects, err := manifest.Parse(slices.Concat(rendered, []byte("\n---\n"), fleet, []byte("\n---\n"+forwarder)))
	if err != nil {
		return err
	}
	c, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	for _, object := range objects {
		switch object.GetKind() {
		case "Deployment", "PersistentVolumeClaim":
			continue
		case "MessagingPolicy", "PhoneNumber", "BusinessPortfolio", "MessageTemplate":
			if !first {
				continue
			}
		}
		if err := manifest.Apply(ctx, c, object, "run"); err != nil {
			return err
		}
	}
	return nil
}
