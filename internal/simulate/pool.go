package simulate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/manifest"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/textfile"
)

// Pool is a NumberPool with the numbers that send for it.
type Pool struct {
	*v1alpha1.NumberPool
	Numbers []*v1alpha1.PhoneNumber // by name
}

// name is what the gate knows it by.
func (p *Pool) name() string { return counts.PoolName(p.Namespace, p.Name) }

// Strategy is that of the pool.
func (p *Pool) Strategy() v1alpha1.PoolStrategy { return cmp.Or(p.Spec.Strategy, v1alpha1.Sticky) }

// WithStrategy is the pool under another strategy. It refuses weights that cannot be read, where the strategy goes by them.
func (p *Pool) WithStrategy(strategy v1alpha1.PoolStrategy) (*Pool, error) {
	with := Pool{p.DeepCopy(), p.Numbers}
	with.Spec.Strategy = strategy
	switch strategy {
	case v1alpha1.Sticky, v1alpha1.LeastUsed:
		return &with, nil
	case v1alpha1.Weighted:
		for _, n := range p.Numbers {
			if _, err := rules.PoolWeight(n); err != nil {
				return nil, fmt.Errorf("PhoneNumber %q: %w", n.Name, err)
			}
		}
		return &with, nil
	default:
		return nil, fmt.Errorf("must be %s, %s or %s", v1alpha1.Sticky, v1alpha1.LeastUsed, v1alpha1.Weighted)
	}
}

// ReadPool reads one NumberPool from YAML or JSON, and refuses what the API server would. The error names the field that is wrong.
func ReadPool(content []byte) (*v1alpha1.NumberPool, error) {
	object, err := manifest.Parse(textfile.Decode(content))
	if err != nil {
		return nil, oneLine(err)
	}
	if object["apiVersion"] != v1alpha1.GroupVersion.String() || object["kind"] != "NumberPool" {
		return nil, fmt.Errorf("kind: must be NumberPool of apiVersion %s", v1alpha1.GroupVersion)
	}
	var pool v1alpha1.NumberPool
	if err := manifest.Decode(object, &pool); err != nil {
		return nil, oneLine(err)
	}
	return &pool, nil
}

// PoolNamed is the NumberPool of the fleet that has a name, or a namespace and a name with a slash between; nil if there is none.
func (f *Fleet) PoolNamed(name string) (*v1alpha1.NumberPool, error) {
	var named *v1alpha1.NumberPool
	for _, p := range f.Pools {
		if name != p.Name && name != counts.PoolName(p.Namespace, p.Name) {
			continue
		}
		if named != nil {
			return nil, fmt.Errorf("%q is the name of NumberPools of several namespaces: write %s or %s", name, counts.PoolName(named.Namespace, named.Name), counts.PoolName(p.Namespace, p.Name))
		}
		named = p
	}
	return named, nil
}

// PoolNames are the namespaces and names of the fleet's NumberPools.
func (f *Fleet) PoolNames() (names []string) {
	for _, p := range f.Pools {
		names = append(names, counts.PoolName(p.Namespace, p.Name))
	}
	return names
}

// Pool is a NumberPool with those numbers of the fleet that it selects. It refuses one that selects none, or more than the gate takes.
func (f *Fleet) Pool(p *v1alpha1.NumberPool) (*Pool, error) {
	pool := &Pool{NumberPool: p}
	selector, err := metav1.LabelSelectorAsSelector(p.Spec.Selector)
	if err != nil {
		return nil, fmt.Errorf("NumberPool %s: spec.selector: cannot be used: %w", pool.name(), err)
	}
	for _, n := range f.resources {
		if n.Namespace == p.Namespace && selector.Matches(labels.Set(n.Labels)) {
			pool.Numbers = append(pool.Numbers, n)
		}
	}
	slices.SortFunc(pool.Numbers, func(a, b *v1alpha1.PhoneNumber) int { return strings.Compare(a.Name, b.Name) })
	switch {
	case len(pool.Numbers) == 0:
		return nil, fmt.Errorf("NumberPool %s: spec.selector: no PhoneNumber of the fleet in namespace %q has the labels %q", pool.name(), p.Namespace, metav1.FormatLabelSelector(p.Spec.Selector))
	case len(pool.Numbers) > counts.MostMembers:
		return nil, fmt.Errorf("NumberPool %s: spec.selector: selects more than %d PhoneNumbers: make several pools", pool.name(), counts.MostMembers)
	}
	return pool, nil
}
