package standing

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"k8s.io/client-go/tools/cache"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// Resources are the numbers, portfolios, pools and policies of a cluster, found by what a view needs, so that a look at one passes no others.
// Those of a cluster are the caches of informers themselves: they are current before anybody is told of a change. Nothing in them is changed.
type Resources struct {
	Numbers, Portfolios, Pools, Policies cache.Indexer
}

// The indexes of resources.
const (
	byPortfolio = "standing/portfolio" // numbers, by whose limit they share
	byLabel     = "standing/label"     // numbers, by each of their labels
	bySelector  = "standing/selector"  // pools, by one label that they ask for
)

// indexers are those of each kind.
var indexers = struct{ numbers, portfolios, pools, policies cache.Indexers }{
	numbers: cache.Indexers{
		byPortfolio: func(o any) ([]string, error) {
			if portfolio := o.(*v1alpha1.PhoneNumber).Status.Portfolio; portfolio != "" {
				return []string{portfolio}, nil
			}
			return nil, nil
		},
		byLabel: func(o any) ([]string, error) { return labelsOf(o.(*v1alpha1.PhoneNumber)), nil },
	},
	pools: cache.Indexers{
		bySelector: func(o any) ([]string, error) { return []string{labelsAskedFor(o.(*v1alpha1.NumberPool))[0]}, nil },
	},
}

// NewResources are some objects, all of the kinds that there are.
func NewResources(objects ...client.Object) *Resources {
	of := func(by cache.Indexers) cache.Indexer { return cache.NewIndexer(cache.MetaNamespaceKeyFunc, by) }
	r := &Resources{of(indexers.numbers), of(indexers.portfolios), of(indexers.pools), of(indexers.policies)}
	for _, o := range objects {
		into := r.Policies
		switch o.(type) {
		case *v1alpha1.PhoneNumber:
			into = r.Numbers
		case *v1alpha1.BusinessPortfolio:
			into = r.Portfolios
		case *v1alpha1.NumberPool:
			into = r.Pools
		}
		_ = into.Add(o) // of a store in memory nothing fails
	}
	return r
}

// ErrNotSynced says that it is not known yet which resources there are.
var ErrNotSynced = errors.New("the resources of the cluster are not known yet")

// Watch are the resources of a cluster, by its informers, to which it adds indexes: it is called once, before they start. What it returns
// fails with ErrNotSynced until all are known.
func Watch(ctx context.Context, informers ctrlcache.Informers) (func() (*Resources, error), error) {
	var all Resources
	var synced []cache.InformerSynced
	for _, kind := range []struct {
		of   client.Object
		by   cache.Indexers
		into *cache.Indexer
	}{
		{&v1alpha1.PhoneNumber{}, indexers.numbers, &all.Numbers},
		{&v1alpha1.BusinessPortfolio{}, indexers.portfolios, &all.Portfolios},
		{&v1alpha1.NumberPool{}, indexers.pools, &all.Pools},
		{&v1alpha1.MessagingPolicy{}, indexers.policies, &all.Policies},
	} {
		informer, err := informers.GetInformer(ctx, kind.of, ctrlcache.BlockUntilSynced(false))
		if err == nil {
			err = informer.AddIndexers(kind.by)
		}
		if err != nil {
			return nil, fmt.Errorf("watch %T: %w", kind.of, err)
		}
		indexed, ok := informer.(interface{ GetIndexer() cache.Indexer })
		if !ok {
			return nil, fmt.Errorf("watch %T: its informer has no indexes", kind.of)
		}
		*kind.into = indexed.GetIndexer()
		synced = append(synced, informer.HasSynced)
	}
	return func() (*Resources, error) {
		for _, is := range synced {
			if !is() {
				return nil, ErrNotSynced
			}
		}
		return &all, nil
	}, nil
}

// AllNumbers are all numbers, in no order.
func (r *Resources) AllNumbers() iter.Seq[*v1alpha1.PhoneNumber] {
	return each[*v1alpha1.PhoneNumber](r.Numbers.List())
}

// AllPortfolios are all portfolios, in no order.
func (r *Resources) AllPortfolios() iter.Seq[*v1alpha1.BusinessPortfolio] {
	return each[*v1alpha1.BusinessPortfolio](r.Portfolios.List())
}

// AllPools are all pools, in no order.
func (r *Resources) AllPools() iter.Seq[*v1alpha1.NumberPool] {
	return each[*v1alpha1.NumberPool](r.Pools.List())
}

// Sharing are the numbers that share the limit of a portfolio, in no order.
func (r *Resources) Sharing(portfolio string) []*v1alpha1.PhoneNumber {
	return indexed[*v1alpha1.PhoneNumber](r.Numbers, byPortfolio, portfolio)
}

// each are objects of one type.
func each[T any](objects []any) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, o := range objects {
			if !yield(o.(T)) {
				return
			}
		}
	}
}

// indexed are the objects that an index has under a value. The index is there.
func indexed[T any](of cache.Indexer, index, value string) (all []T) {
	objects, err := of.ByIndex(index, value)
	if err != nil {
		panic(err)
	}
	for _, o := range objects {
		all = append(all, o.(T))
	}
	return all
}

// named is the object of that name; false if there is none.
func named[T any](of cache.Indexer, namespace, name string) (object T, exists bool) {
	found, exists, _ := of.GetByKey(cache.ObjectName{Namespace: namespace, Name: name}.String()) // of a store in memory nothing fails
	if exists {
		object = found.(T)
	}
	return object, exists
}
