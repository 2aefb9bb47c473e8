package main

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// getObject reads what an argument names: a PhoneNumber, or one of the kinds, a slash and a name.
func getObject(ctx context.Context, api client.Reader, namespace, what string) (object v1alpha1.Object, err error) {
	kind, name, ok := strings.Cut(what, "/")
	if !ok {
		kind, name = "phonenumber", what
	}
	switch strings.ToLower(kind) {
	case "phonenumber", "phonenumbers", "pn", "wapn":
		object = &v1alpha1.PhoneNumber{}
	case "businessportfolio", "businessportfolios", "wabp":
		object, namespace = &v1alpha1.BusinessPortfolio{}, ""
	case "messagetemplate", "messagetemplates", "wamt":
		object = &v1alpha1.MessageTemplate{}
	case "numberpool", "numberpools", "npool":
		object = &v1alpha1.NumberPool{}
	default:
		return nil, usageErrorf("%q is no kind that the operator has: it must be phonenumber, businessportfolio, messagetemplate or numberpool", kind)
	}
	err = api.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
	switch {
	case apierrors.IsNotFound(err) && namespace == "":
		return nil, fmt.Errorf("there is no %s %q", kind, name)
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("there is no %s %q in namespace %q", kind, name, namespace)
	default:
		return object, err
	}
}

// fullName is the name of an object for people: of one in a namespace, with it.
func fullName(o v1alpha1.Object) string {
	if o.GetNamespace() == "" {
		return o.GetName()
	}
	return o.GetNamespace() + "/" + o.GetName()
}
