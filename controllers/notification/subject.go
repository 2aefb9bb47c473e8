package notification

import (
	"context"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/notify"
)

// subjects make an empty object of each kind that has transitions.
var subjects = map[string]func() v1alpha1.Object{
	lookup.PhoneNumber:       func() v1alpha1.Object { return &v1alpha1.PhoneNumber{} },
	lookup.BusinessPortfolio: func() v1alpha1.Object { return &v1alpha1.BusinessPortfolio{} },
	lookup.MessageTemplate:   func() v1alpha1.Object { return &v1alpha1.MessageTemplate{} },
}

// subjectOf is an object as a notice names it.
func subjectOf(c client.Client, object v1alpha1.Object) (notify.Subject, error) {
	kind, err := c.GroupVersionKindFor(object)
	if err != nil {
		return notify.Subject{}, err
	}
	mapping, err := c.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return notify.Subject{}, err
	}
	return notify.Subject{Kind: kind.Kind, Resource: mapping.Resource.Resource, Namespace: object.GetNamespace(), Name: object.GetName(), UID: string(object.GetUID())}, nil
}

// progress is how many of an object's transitions a receiver is done with.
func progress(status *v1alpha1.CommonStatus, receiver string) int64 {
	for _, n := range status.Notifications {
		if n.Receiver == receiver && n.Transitions != nil {
			return *n.Transitions
		}
	}
	return 0
}

// withProgress is the progress of all receivers once one of them is at done. Those that are no more, go.
func withProgress(status *v1alpha1.CommonStatus, receiver string, done int64, receivers []config.Receiver) []v1alpha1.NotificationProgress {
	var all []v1alpha1.NotificationProgress
	for i := range receivers {
		name := receivers[i].Name
		reached := progress(status, name)
		if name == receiver {
			reached = max(reached, done)
		}
		if reached > 0 {
			all = append(all, v1alpha1.NotificationProgress{Receiver: name, Transitions: &reached})
		}
	}
	return all
}

// inNamespaces says whether an object is in one of some namespaces; where there are none, it always is. A portfolio is where its
// numbers are.
func inNamespaces(ctx context.Context, reader client.Reader, object client.Object, namespaces []string) (bool, error) {
	if len(namespaces) == 0 || slices.Contains(namespaces, object.GetNamespace()) {
		return true, nil
	}
	if _, is := object.(*v1alpha1.BusinessPortfolio); !is {
		return false, nil
	}
	numbers, err := lookup.Numbers(ctx, reader, lookup.PortfolioIndex, object.GetName())
	return slices.ContainsFunc(numbers, func(n v1alpha1.PhoneNumber) bool { return slices.Contains(namespaces, n.Namespace) }), err
}
