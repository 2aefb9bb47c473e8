package config

import "k8s.io/apimachinery/pkg/util/validation/field"

// Policies say what becomes of the MessagingPolicies that ship.
type Policies struct {
	// Shipped is Apply where it is left out.
	Shipped ShippedPolicies `json:"shipped"`
}

// ShippedPolicies is who keeps the policies that ship.
type ShippedPolicies string

// The ways.
const (
	// ApplyShipped has the operator apply them, and put back what others change in them.
	ApplyShipped ShippedPolicies = "Apply"
	// LeaveShipped leaves them to whoever applies config/policies.
	LeaveShipped ShippedPolicies = "Leave"
)

func (p *Policies) complete() {
	if p.Shipped == "" {
		p.Shipped = ApplyShipped
	}
}

func validatePolicies(path *field.Path, p *Policies) field.ErrorList {
	if p.Shipped != ApplyShipped && p.Shipped != LeaveShipped {
		return field.ErrorList{field.NotSupported(path.Child("shipped"), p.Shipped, []ShippedPolicies{ApplyShipped, LeaveShipped})}
	}
	return nil
}
