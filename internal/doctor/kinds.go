package doctor

import (
	"context"
	"errors"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"numberfleet.dev/numberfleet/config/crd"
)

// applyKinds is how the kinds of a release get into a cluster.
const applyKinds = "kubectl apply --server-side -f crds.yaml"

// findKinds says which kinds are missing, or are not those of this program's version.
func findKinds(ctx context.Context, e *examination) (findings []Finding, err error) {
	all, err := crd.All()
	if err != nil {
		return nil, err
	}
	var unread []error
	for _, content := range all {
		var want, got apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(content, &want); err != nil {
			return findings, fmt.Errorf("a kind of this program: %w", err)
		}
		kind := want.Spec.Names.Kind
		err := e.API.Get(ctx, client.ObjectKey{Name: want.Name}, &got)
		switch {
		case apierrors.IsForbidden(err):
			if _, err := e.API.RESTMapper().RESTMapping(schema.GroupKind{Group: want.Spec.Group, Kind: kind}); err == nil {
				unread = append(unread, fmt.Errorf("whether the kind %s is of this version: %w", kind, errForbidden))
				continue
			}
			findings = append(findings, missingKind(kind))
		case apierrors.IsNotFound(err):
			findings = append(findings, missingKind(kind))
		case err != nil:
			unread = append(unread, err)
		case !equality.Semantic.DeepEqual(want.Spec.Versions[0].Schema, schemaOf(&got, want.Spec.Versions[0].Name)):
			findings = append(findings, Finding{Severity: Warning, Command: applyKinds,
				Message: fmt.Sprintf("The kind %s in the cluster is not that of version %s, which this program is of: fields may be missing, or be refused. Upgrade the kinds, or use the plugin of their version.", kind, e.Version)})
		}
	}
	return findings, errors.Join(unread...)
}

// errForbidden is told where there is another way to learn something.
var errForbidden = errors.New("you may not get customresourcedefinitions")

func missingKind(kind string) Finding {
	return Finding{Severity: Error, Message: fmt.Sprintf("The kind %s is not in the cluster: the operator does not start without it.", kind), Command: applyKinds}
}

// schemaOf is the schema of a version that is served, nil where it is not.
func schemaOf(of *apiextensionsv1.CustomResourceDefinition, version string) *apiextensionsv1.CustomResourceValidation {
	for i := range of.Spec.Versions {
		if v := &of.Spec.Versions[i]; v.Name == version && v.Served {
			return v.Schema
		}
	}
	return nil
}
