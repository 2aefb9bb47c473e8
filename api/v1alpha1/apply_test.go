package v1alpha1_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A repository that is applied again and again never differs from what the API server has: it adds nothing to a spec, what the operator writes is
// the status alone, and an apply that says the same as the one before writes nothing.
func TestWhatIsAppliedAgainDiffersInNothing(t *testing.T) {
	var objects []*unstructured.Unstructured
	for _, file := range []string{"samples/fleet.yaml", "policies/meta-2025.yaml", "policies/quality-based.yaml"} {
		content, err := os.ReadFile(filepath.Join("..", "..", "config", file))
		if err != nil {
			t.Fatal(err)
		}
		decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
		for {
			object := &unstructured.Unstructured{}
			if err := decoder.Decode(object); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if object.GroupVersionKind().Group != corev1.GroupName {
				objects = append(objects, object)
			}
		}
	}
	apply := func(object *unstructured.Unstructured) *unstructured.Unstructured {
		t.Helper()
		applied := object.DeepCopy()
		if err := api.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner("gitops")); err != nil {
			t.Fatal(err)
		}
		return applied
	}
	kinds := map[string]bool{}
	for _, object := range objects {
		kinds[object.GetKind()] = true
		if object.GetNamespace() != "" {
			object.SetNamespace(metav1.NamespaceDefault)
		}
		last := apply(object)
		if !reflect.DeepEqual(last.Object["spec"], object.Object["spec"]) {
			t.Errorf("%s %s: the spec is %v, and %v was applied", object.GetKind(), object.GetName(), last.Object["spec"], object.Object["spec"])
		}
		if object.GetKind() != "MessagingPolicy" { // which has no status
			last = &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": object.GetAPIVersion(), "kind": object.GetKind(), "status": map[string]any{"observedGeneration": int64(1)},
				"metadata": map[string]any{"namespace": object.GetNamespace(), "name": object.GetName()},
			}}
			if err := api.Status().Apply(t.Context(), client.ApplyConfigurationFromUnstructured(last), client.FieldOwner("operator")); err != nil {
				t.Fatal(err)
			}
		}
		again := apply(object)
		if again.GetResourceVersion() != last.GetResourceVersion() || again.GetGeneration() != 1 {
			t.Errorf("%s %s: applied again it is written", object.GetKind(), object.GetName())
		}
		for _, owner := range again.GetManagedFields() {
			var fields map[string]any
			if err := json.Unmarshal(owner.FieldsV1.GetRawBytes(), &fields); err != nil {
				t.Fatal(err)
			}
			if _, owns := fields["f:spec"]; owns != (owner.Manager == "gitops") {
				t.Errorf("%s %s: %s owns %v", object.GetKind(), object.GetName(), owner.Manager, fields)
			}
		}
	}
	if len(kinds) != 5 {
		t.Errorf("only %v are applied", kinds)
	}
}
