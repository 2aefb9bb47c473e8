package main

import (
	"cmp"
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apiclient "numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/overview"
	"numberfleet.dev/numberfleet/internal/standing/remote"
)

// fleet is the objects of a namespace, or of all, with the portfolios that have their limits.
type fleet struct{ numbers, portfolios, pools, templates []v1alpha1.Object }

// readFleet reads the fleet of a namespace; of all where it is empty. Portfolios belong to no namespace: who may not list them sees none.
func readFleet(ctx context.Context, api client.Reader, namespace string) (*fleet, error) {
	var numbers v1alpha1.PhoneNumberList
	var portfolios v1alpha1.BusinessPortfolioList
	var pools v1alpha1.NumberPoolList
	var templates v1alpha1.MessageTemplateList
	for _, list := range []client.ObjectList{&numbers, &portfolios, &pools, &templates} {
		err := api.List(ctx, list, client.InNamespace(namespace))
		if err != nil && !(list == &portfolios && apierrors.IsForbidden(err)) {
			return nil, err
		}
	}
	f, limits := &fleet{}, map[string]bool{}
	for i := range numbers.Items {
		f.numbers = append(f.numbers, &numbers.Items[i])
		limits[numbers.Items[i].Status.Portfolio] = true
	}
	for i := range portfolios.Items {
		if p := &portfolios.Items[i]; namespace == "" || limits[p.Name] {
			f.portfolios = append(f.portfolios, p)
		}
	}
	for i := range pools.Items {
		f.pools = append(f.pools, &pools.Items[i])
	}
	for i := range templates.Items {
		f.templates = append(f.templates, &templates.Items[i])
	}
	return f, nil
}

// resource is an object with where it stands and what is wrong with it.
type resource struct {
	v1alpha1.Object
	item     apiclient.Item
	live     bool
	problems []overview.Problem
}

func resourceOf(o v1alpha1.Object, standing *remote.Standing) resource {
	item, live := standing.Of(o)
	return resource{o, item, live, overview.Problems(o, &item)}
}

func (r *resource) urgency() overview.Urgency { return overview.UrgencyOf(r.problems) }

// mostUrgent are objects in the order of what needs a person, then of how much of the limit is taken, then of their names.
func mostUrgent(objects []v1alpha1.Object, standing *remote.Standing) []resource {
	all := make([]resource, len(objects))
	for i, o := range objects {
		all[i] = resourceOf(o, standing)
	}
	slices.SortFunc(all, func(a, b resource) int {
		return cmp.Or(cmp.Compare(a.urgency(), b.urgency()), fullest(&a.item, &b.item))
	})
	return all
}

// fullest orders items by the part of the limit that is taken, the fullest first, then by their names.
func fullest(a, b *apiclient.Item) int {
	return cmp.Or(cmp.Compare(taken(b), taken(a)), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// taken is the part of the limit that is used or reserved: 1 for all, and -1 where there is no limit or nobody knows.
func taken(i *apiclient.Item) float64 {
	if i.Limit == nil || i.Used == nil {
		return -1
	}
	return float64(*i.Used+i.Reserved) / float64(*i.Limit)
}
