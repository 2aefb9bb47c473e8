package rig

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const repository = "../.."

func TestEveryFolderOfConfigRenders(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(repository, "config", "*", "kustomization.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no folders: %v", err)
	}
	for _, file := range files {
		if objects, err := Render(filepath.Dir(file)); err != nil || len(objects) == 0 {
			t.Errorf("%s: %d objects, %v", file, len(objects), err)
		}
	}
}

// installed is an API server with all of config/default.
func installed(t *testing.T) (client.Client, []*unstructured.Unstructured) {
	t.Helper()
	plane, err := NewControlPlane(ControlPlaneOptions{Assets: os.Getenv("KUBEBUILDER_ASSETS"), Folder: t.TempDir(), NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(plane.Kill)
	if err := plane.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := client.New(plane.Admin(), client.Options{Scheme: scheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	objects, err := Render(filepath.Join(repository, "config", "default"))
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if err := Apply(t.Context(), c, object, "test"); err != nil {
			t.Fatal(err)
		}
	}
	return c, objects
}

// An API server takes every object of config/default, admits the operator's pod under the restricted pod security profile, and
// has everything that the objects refer to.
func TestAnAPIServerTakesConfigDefault(t *testing.T) {
	c, objects := installed(t)
	get := func(kind schema.GroupVersionKind, namespace, name string) {
		t.Helper()
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(kind)
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object); err != nil {
			t.Errorf("%s %s, which is referred to: %v", kind.Kind, name, err)
		}
	}

	var deployments appsv1.DeploymentList
	var services corev1.ServiceList
	if err := c.List(t.Context(), &deployments); err != nil || len(deployments.Items) != 1 {
		t.Fatalf("%d Deployments, %v", len(deployments.Items), err)
	}
	deployment := deployments.Items[0]
	pod := &corev1.Pod{ObjectMeta: deployment.Spec.Template.ObjectMeta, Spec: deployment.Spec.Template.Spec}
	pod.Namespace, pod.Name = deployment.Namespace, "pod"
	if err := c.Create(t.Context(), pod.DeepCopy(), client.DryRunAll); err != nil {
		t.Errorf("the operator's pod is refused: %v", err)
	}
	root := pod.DeepCopy()
	root.Spec.SecurityContext.RunAsNonRoot = nil
	if err := c.Create(t.Context(), root, client.DryRunAll); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `violates PodSecurity "restricted`) {
		t.Errorf("a pod that may run as root: %v", err)
	}
	for _, volume := range pod.Spec.Volumes {
		if claim := volume.PersistentVolumeClaim; claim != nil {
			get(corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"), pod.Namespace, claim.ClaimName)
		}
	}
	if err := c.List(t.Context(), &services, client.InNamespace(pod.Namespace)); err != nil || len(services.Items) == 0 {
		t.Errorf("%d Services, %v", len(services.Items), err)
	}
	for _, service := range services.Items {
		if !labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(pod.Labels)) {
			t.Errorf("Service %s does not select the operator's pod", service.Name)
		}
		for _, port := range service.Spec.Ports {
			if !slices.ContainsFunc(pod.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool { return intstr.FromString(p.Name) == port.TargetPort }) {
				t.Errorf("Service %s sends to the port %s, which the pod does not have", service.Name, port.TargetPort.String())
			}
		}
	}
	for _, object := range objects {
		if kind := object.GetKind(); kind == "RoleBinding" || kind == "ClusterRoleBinding" {
			role, _, _ := unstructured.NestedString(object.Object, "roleRef", "name")
			kind, _, _ := unstructured.NestedString(object.Object, "roleRef", "kind")
			get(rbacv1.SchemeGroupVersion.WithKind(kind), object.GetNamespace(), role)
			subjects, _, _ := unstructured.NestedSlice(object.Object, "subjects")
			for _, subject := range subjects {
				subject := subject.(map[string]any)
				get(corev1.SchemeGroupVersion.WithKind(subject["kind"].(string)), subject["namespace"].(string), subject["name"].(string))
			}
		}
	}
}
