package rig

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
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

// replicas is the sample of three replicas of the operator, and a cluster of NATS.
const replicas = "config/samples/replicas"

func TestEveryFolderOfConfigRenders(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(repository, "config", "*", "kustomization.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no folders: %v", err)
	}
	for _, file := range append(files, filepath.Join(repository, replicas, "kustomization.yaml")) {
		if objects, err := Render(filepath.Dir(file)); err != nil || len(objects) == 0 {
			t.Errorf("%s: %d objects, %v", file, len(objects), err)
		}
	}
}

// `kubectl apply` looks up the kinds of all objects before it applies the first: one of a kind that is new to the cluster would be refused.
func TestWhatIsInstalledIsOfNoKindThatItBrings(t *testing.T) {
	for _, folder := range []string{"config/default", replicas} {
		objects, err := Render(filepath.Join(repository, folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range objects {
			if strings.HasSuffix(object.GroupVersionKind().Group, "numberfleet.dev") {
				t.Errorf("%s has the %s %s", folder, object.GetKind(), object.GetName())
			}
		}
	}
}

// An API server takes every object of config/default, and then of the sample with three replicas. It admits their pods under the restricted pod
// security profile, and has everything that the objects refer to.
func TestAnAPIServerTakesWhatIsInstalled(t *testing.T) {
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
	for _, folder := range []string{"config/default", replicas} {
		t.Run(folder, func(t *testing.T) {
			objects, err := Render(filepath.Join(repository, folder))
			if err != nil {
				t.Fatal(err)
			}
			i := &installation{t: t, client: c}
			for _, object := range objects {
				if err := Apply(t.Context(), c, object, "test"); err != nil {
					t.Fatal(err)
				}
				switch object.GetKind() {
				case "Deployment":
					var deployment appsv1.Deployment
					i.read(object, &deployment)
					i.admits(deployment.Name, deployment.Namespace, deployment.Spec.Template)
				case "StatefulSet":
					var set appsv1.StatefulSet
					i.read(object, &set)
					for _, claim := range set.Spec.VolumeClaimTemplates { // each pod gets one
						volume := corev1.Volume{Name: claim.Name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
						set.Spec.Template.Spec.Volumes = append(set.Spec.Template.Spec.Volumes, volume)
					}
					i.admits(set.Name, set.Namespace, set.Spec.Template)
				}
			}
			for _, object := range objects {
				i.hasWhatItRefersTo(object)
			}
		})
	}
}

// installation is what was rendered of a folder, and applied.
type installation struct {
	t      *testing.T
	client client.Client
	pods   []*corev1.Pod
}

// read gets an object as the API server has it.
func (i *installation) read(object *unstructured.Unstructured, into client.Object) {
	i.t.Helper()
	if err := i.client.Get(i.t.Context(), client.ObjectKeyFromObject(object), into); err != nil {
		i.t.Fatal(err)
	}
}

// exists checks an object that another one refers to.
func (i *installation) exists(kind schema.GroupVersionKind, namespace, name string) {
	i.t.Helper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	if err := i.client.Get(i.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object); err != nil {
		i.t.Errorf("%s %s, which is referred to: %v", kind.Kind, name, err)
	}
}

// admits checks that a pod of a template is admitted, and would not be if it might run as root.
func (i *installation) admits(name, namespace string, template corev1.PodTemplateSpec) {
	i.t.Helper()
	pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	pod.Namespace, pod.Name = namespace, name
	admitted := pod.DeepCopy()
	if err := i.client.Create(i.t.Context(), admitted, client.DryRunAll); err != nil {
		i.t.Errorf("the pod of %s is refused: %v", name, err)
	}
	admitted.Spec.SecurityContext.RunAsNonRoot = nil
	if err := i.client.Create(i.t.Context(), admitted, client.DryRunAll); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `violates PodSecurity "restricted`) {
		i.t.Errorf("a pod of %s that may run as root: %v", name, err)
	}
	i.pods = append(i.pods, pod)
}

// hasWhatItRefersTo checks that what an object selects or names is there.
func (i *installation) hasWhatItRefersTo(object *unstructured.Unstructured) {
	i.t.Helper()
	switch object.GetKind() {
	case "Deployment":
		var deployment appsv1.Deployment
		i.read(object, &deployment)
		for _, volume := range deployment.Spec.Template.Spec.Volumes {
			if claim := volume.PersistentVolumeClaim; claim != nil {
				i.exists(corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"), deployment.Namespace, claim.ClaimName)
			}
		}
	case "StatefulSet":
		var set appsv1.StatefulSet
		i.read(object, &set)
		i.exists(corev1.SchemeGroupVersion.WithKind("Service"), set.Namespace, set.Spec.ServiceName)
	case "PodDisruptionBudget":
		var budget policyv1.PodDisruptionBudget
		i.read(object, &budget)
		i.selects(object, budget.Spec.Selector.MatchLabels)
	case "Service":
		var service corev1.Service
		i.read(object, &service)
		pod := i.selects(object, service.Spec.Selector)
		for _, port := range service.Spec.Ports {
			if !slices.ContainsFunc(pod.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool { return intstr.FromString(p.Name) == port.TargetPort }) {
				i.t.Errorf("Service %s sends to the port %s, which the pod does not have", service.Name, port.TargetPort.String())
			}
		}
	case "RoleBinding", "ClusterRoleBinding":
		role, _, _ := unstructured.NestedString(object.Object, "roleRef", "name")
		kind, _, _ := unstructured.NestedString(object.Object, "roleRef", "kind")
		i.exists(rbacv1.SchemeGroupVersion.WithKind(kind), object.GetNamespace(), role)
		subjects, _, _ := unstructured.NestedSlice(object.Object, "subjects")
		for _, subject := range subjects {
			subject := subject.(map[string]any)
			i.exists(corev1.SchemeGroupVersion.WithKind(subject["kind"].(string)), subject["namespace"].(string), subject["name"].(string))
		}
	}
}

// selects is the pod of one workload, and of no other, that an object selects.
func (i *installation) selects(object *unstructured.Unstructured, by map[string]string) *corev1.Pod {
	i.t.Helper()
	pods := slices.DeleteFunc(slices.Clone(i.pods), func(pod *corev1.Pod) bool { return !labels.SelectorFromSet(by).Matches(labels.Set(pod.Labels)) })
	if len(pods) != 1 {
		i.t.Fatalf("%s %s selects the pods of %d workloads", object.GetKind(), object.GetName(), len(pods))
	}
	return pods[0]
}
