package directory

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
)

// Claims knows which numbers are claimed by a PhoneNumber.
type Claims struct {
	cache    cache.Cache
	informer cache.Informer
	names    Names
}

// Names are what the ledger knows of a number: its names, and the other cluster whose resource has it, if there is one.
type Names interface {
	Names(number string) []string
	SetElsewhere(number string) string
}

// NewClaims reads the cache, which need not have started.
func NewClaims(ctx context.Context, of cache.Cache, names Names) (*Claims, error) {
	informer, err := of.GetInformer(ctx, &v1alpha1.PhoneNumber{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("watch PhoneNumbers: %w", err)
	}
	return &Claims{cache: of, informer: informer, names: names}, nil
}

// Known says whether a PhoneNumber claims a number, by any of its names, of this cluster or of another that shares the ledger. Before the cache is synced every number is known: a webhook does
// not wait for the API server.
func (c *Claims) Known(number string) bool {
	named := func(name string) bool { return Named(context.Background(), c.cache, name) }
	return !c.informer.HasSynced() || named(number) || slices.ContainsFunc(c.names.Names(number), named) || c.names.SetElsewhere(number) != ""
}

// Named says whether a PhoneNumber has that number or id. It is taken to where that cannot be told, as before the cache is there.
func Named(ctx context.Context, numbers client.Reader, number string) bool {
	var named v1alpha1.PhoneNumberList
	err := numbers.List(ctx, &named, client.MatchingFields{lookup.SubjectIndex: number}, client.Limit(1))
	return err != nil || len(named.Items) > 0
}
