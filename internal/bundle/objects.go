package bundle

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/config"
)

// know reads what is masked: the phone numbers of the fleet and, as far as whoever asks may see them, the secrets of the operator.
func (b *bundle) know(ctx context.Context) error {
	var numbers v1alpha1.PhoneNumberList
	if err := b.Doctor.API.List(ctx, &numbers); err != nil {
		_ = b.Doctor.API.List(ctx, &numbers, client.InNamespace(b.Doctor.Home)) // what cannot be read is not written either
	}
	for i := range numbers.Items {
		b.masker.know(numbers.Items[i].Spec.PhoneNumber)
	}
	var secrets corev1.SecretList
	if err := b.Doctor.API.List(ctx, &secrets, b.inOperatorNamespace()); err != nil {
		return nil //nolint:nilerr // whoever may not see secrets has none to give away
	}
	for i := range secrets.Items {
		for key, value := range secrets.Items[i].Data {
			if !strings.HasSuffix(key, ".crt") { // a certificate is public
				b.hide(value)
			}
		}
	}
	return nil
}

// resources adds the resources of numberfleet.
func (b *bundle) resources(ctx context.Context) error {
	for _, kind := range []string{"PhoneNumber", "BusinessPortfolio", "MessageTemplate", "NumberPool", "MessagingPolicy"} {
		list := b.list(ctx, v1alpha1.GroupVersion.WithKind(kind), b.Doctor.Namespace)
		for i := range list {
			b.fields(list[i].Object["spec"], "displayName", "note")
			if business, ok, _ := unstructured.NestedFieldNoCopy(list[i].Object, "spec", "business"); ok {
				b.fields(business, "name")
			}
			b.fields(list[i].Object["status"], "displayName")
		}
		if err := b.addList("resources/"+strings.ToLower(kind)+".yaml", list); err != nil {
			return err
		}
	}
	return nil
}

// events adds the Events about the resources, and those of the operator's namespace.
func (b *bundle) events(ctx context.Context) error {
	kind := schema.GroupVersionKind{Group: "events.k8s.io", Version: "v1", Kind: "Event"}
	all := b.list(ctx, kind, b.Doctor.Namespace)
	if b.Doctor.Namespace != "" && b.Doctor.Namespace != b.Doctor.OperatorNamespace {
		all = append(all, b.list(ctx, kind, b.Doctor.OperatorNamespace)...)
	}
	var told []unstructured.Unstructured
	for _, event := range all {
		about, _, _ := unstructured.NestedString(event.Object, "regarding", "apiVersion")
		if event.GetNamespace() == b.Doctor.OperatorNamespace || strings.HasPrefix(about, v1alpha1.GroupVersion.Group+"/") {
			told = append(told, event)
		}
	}
	return b.addList("events.yaml", told)
}

// operator adds the objects of the operator's namespace, and its configuration.
func (b *bundle) operator(ctx context.Context) error {
	for name, kind := range map[string]schema.GroupVersionKind{
		"deployments": {Group: "apps", Version: "v1", Kind: "Deployment"}, "statefulsets": {Group: "apps", Version: "v1", Kind: "StatefulSet"},
		"pods": {Version: "v1", Kind: "Pod"}, "services": {Version: "v1", Kind: "Service"},
		"persistentvolumeclaims": {Version: "v1", Kind: "PersistentVolumeClaim"}, "endpointslices": {Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"},
		"ingresses": {Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}, "networkpolicies": {Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
		"leases": {Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"},
	} {
		list := b.list(ctx, kind, b.Doctor.OperatorNamespace)
		for i := range list {
			b.environment(list[i].Object)
		}
		if err := b.addList("operator/"+name+".yaml", list); err != nil {
			return err
		}
	}
	return b.configurations(ctx)
}

// environment masks the values of environment variables.
func (b *bundle) environment(of any) {
	switch v := of.(type) {
	case map[string]any:
		for key, value := range v {
			if key == "env" {
				b.fields(value, "value")
			} else {
				b.environment(value)
			}
		}
	case []any:
		for i := range v {
			b.environment(v[i])
		}
	}
}

// configurations adds the operator's configuration. One that cannot be read as one could hold anything, and is left out.
func (b *bundle) configurations(ctx context.Context) error {
	for _, stored := range b.list(ctx, schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, b.Doctor.OperatorNamespace) {
		data, _, _ := unstructured.NestedStringMap(stored.Object, "data")
		for key, text := range data {
			var configuration map[string]any
			if err := yaml.Unmarshal([]byte(text), &configuration); err != nil || configuration["kind"] != config.Kind {
				continue
			}
			b.fields(configuration, "url", "baseURL", "servers", "to", "from", "username", "host")
			if err := b.addYAML("operator/configuration/"+stored.GetName()+"-"+key, configuration); err != nil {
				return err
			}
		}
	}
	return nil
}

// list are the objects of a kind in a namespace, without what says nothing or may say too much: in all where it is empty, or in the one of whoever
// may not list all. What cannot be listed is noted.
func (b *bundle) list(ctx context.Context, kind schema.GroupVersionKind, namespace string) []unstructured.Unstructured {
	var list unstructured.UnstructuredList
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	err := b.Doctor.API.List(ctx, &list, client.InNamespace(namespace))
	if apierrors.IsForbidden(err) && namespace == "" && b.Doctor.Home != "" {
		b.miss("all "+kind.Kind+"s but those of namespace "+b.Doctor.Home, err)
		err = b.Doctor.API.List(ctx, &list, client.InNamespace(b.Doctor.Home))
	}
	if err != nil && !meta.IsNoMatchError(err) {
		b.miss(kind.Kind+"s", err)
	}
	for i := range list.Items {
		object := &list.Items[i]
		object.SetManagedFields(nil)
		annotations := map[string]string{}
		for key, value := range object.GetAnnotations() {
			if strings.HasPrefix(key, v1alpha1.GroupVersion.Group+"/") {
				annotations[key] = value
			}
		}
		object.SetAnnotations(annotations)
	}
	return list.Items
}

// addList adds a file with objects.
func (b *bundle) addList(name string, objects []unstructured.Unstructured) error {
	items := make([]any, len(objects))
	for i := range objects {
		items[i] = objects[i].Object
	}
	return b.addYAML(name, map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
}
