package simulate

import (
	"errors"
	"fmt"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/manifest"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/textfile"
)

// Policy is a MessagingPolicy made ready, with what its limits belong to.
type Policy struct {
	*rules.Policy
	Scope v1alpha1.Scope
}

// ReadPolicy reads one MessagingPolicy from YAML or JSON, and refuses what the API server would. The error names the field that is
// wrong.
func ReadPolicy(content []byte) (Policy, error) {
	object, err := manifest.Parse(textfile.Decode(content))
	if err != nil {
		return Policy{}, oneLine(err)
	}
	if object["apiVersion"] != v1alpha1.GroupVersion.String() || object["kind"] != "MessagingPolicy" {
		return Policy{}, fmt.Errorf("kind: must be MessagingPolicy of apiVersion %s", v1alpha1.GroupVersion)
	}
	var resource v1alpha1.MessagingPolicy
	if err := manifest.Decode(object, &resource); err != nil {
		return Policy{}, oneLine(err)
	}
	if resource.Name == "" {
		return Policy{}, errors.New("metadata.name: is missing: it is what the policy is called by")
	}
	compiled, err := rules.Compile(resource.Name, &resource.Spec)
	if err != nil {
		return Policy{}, fmt.Errorf("spec.%w", err)
	}
	return Policy{Policy: compiled, Scope: resource.Spec.Scope}, nil
}
