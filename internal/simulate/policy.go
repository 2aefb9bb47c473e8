package simulate

import (
	"errors"
	"fmt"

	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/textfile"
)

// Policy is a MessagingPolicy made ready, with what its limits belong to.
type Policy struct {
	*rules.Policy
	Scope v1alpha1.Scope
}

// ReadPolicy reads one MessagingPolicy from YAML or JSON. The error names the field that is wrong.
func ReadPolicy(manifest []byte) (Policy, error) {
	var resource v1alpha1.MessagingPolicy
	if err := yaml.UnmarshalStrict(textfile.Decode(manifest), &resource); err != nil {
		return Policy{}, oneLine(err)
	}
	switch {
	case resource.APIVersion != v1alpha1.GroupVersion.String() || resource.Kind != "MessagingPolicy":
		return Policy{}, fmt.Errorf("kind: must be MessagingPolicy of apiVersion %s", v1alpha1.GroupVersion)
	case resource.Name == "":
		return Policy{}, errors.New("metadata.name: is missing")
	case resource.Spec.Scope != v1alpha1.ScopeNumber && resource.Spec.Scope != v1alpha1.ScopePortfolio:
		return Policy{}, errors.New("spec.scope: must be Number or Portfolio")
	}
	compiled, err := rules.Compile(resource.Name, &resource.Spec)
	if err != nil {
		return Policy{}, fmt.Errorf("spec.%w", err)
	}
	return Policy{Policy: compiled, Scope: resource.Spec.Scope}, nil
}
