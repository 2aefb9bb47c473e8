package controllertest

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/pool"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// Labelled gives labels to a number, in pairs.
func Labelled(pairs ...string) func(*v1alpha1.PhoneNumber) {
	return func(n *v1alpha1.PhoneNumber) {
		n.Labels = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			n.Labels[pairs[i]] = pairs[i+1]
		}
	}
}

// Pool makes a pool of the numbers that have a label.
func (b *Bench) Pool(name, label, value string, change ...func(*v1alpha1.NumberPoolSpec)) *v1alpha1.NumberPool {
	b.T.Helper()
	p := &v1alpha1.NumberPool{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: name},
		Spec:       v1alpha1.NumberPoolSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{label: value}}},
	}
	for _, c := range change {
		c(&p.Spec)
	}
	b.Must(b.Client.Create(b.Ctx, p))
	return p
}

// EvaluatePool reconciles a pool until it stands as the cache follows, and reads it back from the API server.
func (b *Bench) EvaluatePool(p *v1alpha1.NumberPool, fits func() bool) {
	b.T.Helper()
	b.Within("the pool stands as it should", func() bool {
		_, err := (&pool.Reconciler{Operator: b.Operator, Standing: b.Standing()}).Reconcile(b.Ctx, lookup.PoolKey(p.Namespace, p.Name))
		b.Must(err)
		if err := b.Direct.Get(b.Ctx, client.ObjectKeyFromObject(p), p); client.IgnoreNotFound(err) != nil {
			b.T.Fatal(err)
		}
		return fits()
	})
}

// FromPool asks for a place of a pool in place of a number's.
func FromPool(p *v1alpha1.NumberPool) func(*counts.Operation) {
	return func(o *counts.Operation) { o.Number, o.Pool = "", counts.PoolName(p.Namespace, p.Name) }
}
