package main

import (
	"os"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/hack/rig"
)

// installed are the roles and bindings of config/default.
func installed(t *testing.T) (all []client.Object) {
	t.Helper()
	content, err := os.ReadFile("../../config/default/operator.yaml")
	if err != nil {
		t.Fatal(err)
	}
	objects, err := rig.Parse(content)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if object.GroupVersionKind().Group != rbacv1.GroupName {
			continue
		}
		typed, err := scheme.Scheme.New(object.GroupVersionKind())
		if err != nil {
			t.Fatal(err)
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
			t.Fatal(err)
		}
		all = append(all, typed.(client.Object))
	}
	return all
}

// clusterRole is a ClusterRole of config/default.
func clusterRole(t *testing.T, name string) *rbacv1.ClusterRole {
	t.Helper()
	for _, object := range installed(t) {
		if role, ok := object.(*rbacv1.ClusterRole); ok && role.Name == name {
			return role
		}
	}
	t.Fatalf("config/default has no ClusterRole %s", name)
	return nil
}
