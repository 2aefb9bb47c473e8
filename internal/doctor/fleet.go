package doctor

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// fleet is the resources with a status, which are read once.
type fleet struct {
	read    bool
	numbers []v1alpha1.PhoneNumber
	objects []v1alpha1.Object
	// unread are the kinds that could not be read.
	unread []error
}

// readFleet reads all resources with a status that may be read.
func (e *examination) readFleet(ctx context.Context) *fleet {
	if e.read {
		return &e.fleet
	}
	e.read = true
	var numbers v1alpha1.PhoneNumberList
	for _, list := range []struct {
		name       string
		of         client.ObjectList
		namespaced bool
	}{
		{"PhoneNumbers", &numbers, true},
		{"BusinessPortfolios", &v1alpha1.BusinessPortfolioList{}, false},
		{"MessageTemplates", &v1alpha1.MessageTemplateList{}, true},
		{"NumberPools", &v1alpha1.NumberPoolList{}, true},
	} {
		if err := e.list(ctx, list.of, list.namespaced); meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			continue // the check of the kinds says so
		} else if err != nil {
			e.unread = append(e.unread, fmt.Errorf("list %s: %w", list.name, err))
		}
		_ = meta.EachListItem(list.of, func(object runtime.Object) error {
			e.objects = append(e.objects, object.(v1alpha1.Object))
			return nil
		})
	}
	e.numbers = numbers.Items
	return &e.fleet
}

// list lists objects of all namespaces, or of one where others may not be read. What is left out is an error all the same.
func (e *examination) list(ctx context.Context, list client.ObjectList, namespaced bool) error {
	if !namespaced {
		return e.API.List(ctx, list)
	}
	err := e.API.List(ctx, list, client.InNamespace(e.Namespace))
	if e.Namespace != "" || e.Home == "" || !apierrors.IsForbidden(err) {
		return err
	}
	if inHome := e.API.List(ctx, list, client.InNamespace(e.Home)); inHome != nil {
		return inHome
	}
	return fmt.Errorf("only namespace %s is looked at: %w", e.Home, err)
}

// nameOf names an object as Finding.Objects does.
func (e *examination) nameOf(object client.Object) string {
	kind := ""
	if gvk, err := e.API.GroupVersionKindFor(object); err == nil {
		kind = gvk.Kind
	}
	if object.GetNamespace() == "" {
		return kind + "/" + object.GetName()
	}
	return kind + "/" + object.GetNamespace() + "/" + object.GetName()
}
