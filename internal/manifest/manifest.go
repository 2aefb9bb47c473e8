// Package manifest says of manifests of this API what the API server says of them, by the same schemas, rules and libraries.
package manifest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/config/crd"
)

// Parse reads one document in YAML or JSON, strictly: a field that stands twice is an error. It is nil where the document is empty.
func Parse(document []byte) (map[string]any, error) {
	content, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, err
	}
	var anything any
	if err := json.Unmarshal(content, &anything); err != nil {
		return nil, err
	}
	switch object := anything.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return object, nil
	default:
		return nil, errors.New("must be a manifest: fields and their values")
	}
}

// Decode reads an object of a known kind into a resource, as the API server would create it: with its defaults, and without its
// status. The error has all that the API server would refuse, by field. A namespace that is left out is filled in by kubectl, and so
// it is here. The object is changed.
func Decode(object map[string]any, into any) error {
	kind, _ := object["kind"].(string)
	kinds, err := definitions()
	if err != nil {
		return err
	}
	definition := kinds[kind]
	if definition == nil {
		return fmt.Errorf("kind: %q is not known", kind)
	}
	if errs := definition.check(object); len(errs) > 0 {
		return worded(errs).ToAggregate()
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(object, into)
}

// definition is what the API server has of a kind.
type definition struct {
	namespaced bool
	structural *structuralschema.Structural // without the status
	schema     validation.SchemaValidator
	rules      func() *cel.Validator // compiled when first asked for
}

// definitions are those of all kinds, of the version of the API that is served.
var definitions = sync.OnceValues(func() (map[string]*definition, error) {
	all, err := crd.All()
	if err != nil {
		return nil, err
	}
	kinds := map[string]*definition{}
	for _, content := range all {
		var resource apiextensionsv1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(content, &resource); err != nil {
			return nil, fmt.Errorf("read a CustomResourceDefinition: %w", err)
		}
		of, err := define(&resource)
		if err != nil {
			return nil, fmt.Errorf("read the CustomResourceDefinition %s: %w", resource.Name, err)
		}
		kinds[resource.Spec.Names.Kind] = of
	}
	return kinds, nil
})

func define(resource *apiextensionsv1.CustomResourceDefinition) (*definition, error) {
	for _, version := range resource.Spec.Versions {
		if version.Name != v1alpha1.GroupVersion.Version || version.Schema == nil {
			continue
		}
		var schema apiextensions.JSONSchemaProps
		// Who creates an object does not write its status: the API server drops it.
		delete(version.Schema.OpenAPIV3Schema.Properties, "status")
		if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(version.Schema.OpenAPIV3Schema, &schema, nil); err != nil {
			return nil, err
		}
		structural, err := structuralschema.NewStructural(&schema)
		if err != nil {
			return nil, err
		}
		validator, _, err := validation.NewSchemaValidator(&schema)
		if err != nil {
			return nil, err
		}
		return &definition{
			namespaced: resource.Spec.Scope == apiextensionsv1.NamespaceScoped, structural: structural, schema: validator,
			rules: sync.OnceValue(func() *cel.Validator { return cel.NewValidator(structural, true, celconfig.PerCallLimit) }),
		}, nil
	}
	return nil, fmt.Errorf("there is no version %s", v1alpha1.GroupVersion.Version)
}

// check sets the defaults of an object, and says what is wrong with it, in the API server's order.
func (d *definition) check(object map[string]any) field.ErrorList {
	delete(object, "status")
	defaulting.PruneNonNullableNullsWithoutDefaults(object, d.structural)
	defaulting.Default(object, d.structural)

	var errs field.ErrorList
	// kubectl asks for strict validation of fields, in which one that is not known is an error.
	options := structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
	for _, unknown := range pruning.PruneWithOptions(object, d.structural, true, options) {
		errs = append(errs, field.Forbidden(field.NewPath(unknown), "there is no such field"))
	}
	errs = append(errs, d.metadata(object)...)
	errs = append(errs, validation.ValidateCustomResource(nil, object, d.schema)...)
	errs = append(errs, objectmeta.Validate(context.Background(), nil, object, d.structural, true)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, d.structural, object)...)
	if len(errs) > 0 {
		return errs // the rules are about objects of the right shape
	}
	if rules := d.rules(); rules != nil {
		errs, _ = rules.Validate(context.Background(), nil, d.structural, object, nil, celconfig.RuntimeCELCostBudget)
	}
	return errs
}

// metadata checks an object's metadata.
func (d *definition) metadata(object map[string]any) field.ErrorList {
	path := field.NewPath("metadata")
	meta, found, unknown, err := objectmeta.GetObjectMetaWithOptions(object, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil {
		problem := strings.TrimPrefix(err.Error(), "json: ")
		if strings.Contains(problem, "cannot unmarshal number") || strings.Contains(problem, "cannot unmarshal bool") {
			problem += ": quote it"
		}
		return field.ErrorList{field.Invalid(path, field.OmitValueType{}, problem)}
	}
	if !found {
		meta = &metav1.ObjectMeta{}
	}
	var errs field.ErrorList
	for _, name := range unknown {
		errs = append(errs, field.Forbidden(field.NewPath(name), "there is no such field"))
	}
	if meta.Name == "" && meta.GenerateName != "" {
		meta.Name = meta.GenerateName + "x"
	}
	if !d.namespaced {
		meta.Namespace = "" // the API server drops it
	} else if meta.Namespace == "" {
		meta.Namespace = metav1.NamespaceDefault
	}
	return append(errs, apivalidation.ValidateObjectMeta(meta, d.namespaced, apivalidation.NameIsDNSSubdomain, path)...)
}

// taken are the types that YAML takes text without quotes for.
var taken = map[string]string{"integer": "a number", "number": "a number", "boolean": "a boolean"}

// worded are errors without the values, which may be phone numbers, and with what to do about those that YAML takes for something
// else than text.
func worded(errs field.ErrorList) field.ErrorList {
	for _, err := range errs {
		if err.Type != field.ErrorTypeInvalid && err.Type != field.ErrorTypeTypeInvalid {
			continue
		}
		is, _ := err.BadValue.(string)
		if as, found := taken[is]; found && strings.Contains(err.Detail, "must be of type string") {
			err.Detail = "must be text, and YAML takes it for " + as + ": quote it"
		}
		err.Type, err.BadValue = field.ErrorTypeInvalid, field.OmitValueType{}
	}
	return errs
}
