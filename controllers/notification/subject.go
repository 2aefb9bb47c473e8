package notification

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/internal/notify"
)

// subjectKey names an object that has transitions.
type subjectKey struct {
	kind string
	types.NamespacedName
}

// subjectKinds are the kinds that have transitions, by name.
func subjectKinds(scheme *runtime.Scheme) []string {
	kinds := slices.Sorted(maps.Keys(scheme.KnownTypes(v1alpha1.GroupVersion)))
	return slices.DeleteFunc(kinds, func(kind string) bool {
		_, err := newSubject(scheme, kind)
		return err != nil
	})
}

// newSubject is an empty object of a kind that has transitions.
func newSubject(scheme *runtime.Scheme, kind string) (v1alpha1.Object, error) {
	object, err := scheme.New(v1alpha1.GroupVersion.WithKind(kind))
	if err != nil {
		return nil, err
	}
	subject, is := object.(v1alpha1.Object)
	if !is {
		return nil, fmt.Errorf("a %s has no transitions", kind)
	}
	return subject, nil
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
func withProgress(status *v1alpha1.CommonStatus, receiver string, done int64, receivers []string) []v1alpha1.NotificationProgress {
	var all []v1alpha1.NotificationProgress
	for _, name := range receivers {
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
