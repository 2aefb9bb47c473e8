package standing

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Policies compiles each generation of a MessagingPolicy once. The zero value has compiled none. It is safe for concurrent use.
type Policies struct {
	mu       sync.Mutex
	compiled map[string]compiledPolicy // by name
}

// compiledPolicy is a generation of a policy, or why it cannot be used.
type compiledPolicy struct {
	uid        types.UID
	generation int64
	policy     *rules.Policy
	err        error
}

// Compile is the policy of a resource. Its error says what of the spec cannot be used.
func (p *Policies) Compile(resource *v1alpha1.MessagingPolicy) (*rules.Policy, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, known := p.compiled[resource.Name]
	if !known || c.uid != resource.UID || c.generation != resource.Generation {
		c = compiledPolicy{uid: resource.UID, generation: resource.Generation}
		c.policy, c.err = rules.Compile(resource.Name, &resource.Spec)
		if p.compiled == nil {
			p.compiled = map[string]compiledPolicy{}
		}
		p.compiled[resource.Name] = c
	}
	return c.policy, c.err
}

// policy is that of a name; nil for one that is not there or cannot be used.
func (v *View) policy(name string) *rules.Policy {
	resource, ok := named[*v1alpha1.MessagingPolicy](v.Policies, "", name)
	if !ok {
		return nil
	}
	policy, err := v.source.Compiled.Compile(resource)
	if err != nil {
		return nil
	}
	return policy
}
