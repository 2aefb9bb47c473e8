package main

import (
	"context"
	"os"
	"slices"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/hack/rig"
)

// install applies config/default and the samples. After the first time the fleet is left as the user has it.
func install(ctx context.Context, config *rest.Config, first bool) error {
	objects, err := rig.Installation(".")
	if err != nil {
		return err
	}
	fleet, err := os.ReadFile("config/samples/fleet.yaml")
	if err != nil {
		return err
	}
	samples, err := rig.Parse(append(fleet, "\n---\n"+forwarder...))
	if err != nil {
		return err
	}
	c, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	for _, object := range slices.Concat(objects, samples) {
		switch object.GetKind() {
		case "PhoneNumber", "BusinessPortfolio", "MessageTemplate", "NumberPool":
			if !first {
				continue
			}
		}
		if err := rig.Apply(ctx, c, object, "run"); err != nil {
			return err
		}
	}
	return nil
}
