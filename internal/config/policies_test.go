package config

import (
	"strings"
	"testing"
)

// The policies that ship are the operator's, with a configuration and without, unless it is told to leave them.
func TestThePoliciesThatShip(t *testing.T) {
	const begin = "apiVersion: config.numberfleet.dev/v1alpha1\nkind: OperatorConfiguration\n"
	for text, want := range map[string]ShippedPolicies{"": ApplyShipped, "policies: {shipped: Apply}": ApplyShipped, "policies: {shipped: Leave}": LeaveShipped} {
		if config, err := Parse([]byte(begin + text)); err != nil || config.Policies.Shipped != want {
			t.Errorf("%q is read as %+v, %v", text, config, err)
		}
	}
	if config, _, err := Load(""); err != nil || config.Policies.Shipped != ApplyShipped {
		t.Errorf("without a file: %+v, %v", config, err)
	}
	if _, err := Parse([]byte(begin + "policies: {shipped: Keep}")); err == nil || !strings.Contains(err.Error(), `policies.shipped: Unsupported value: "Keep"`) {
		t.Errorf("a mistake: %v", err)
	}
}
