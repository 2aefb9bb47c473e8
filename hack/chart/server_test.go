package chart

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/config/crd"
	"numberfleet.dev/numberfleet/hack/rig"
)

// foreign are the kinds of others that the chart has objects of: manifests in modules.
var foreign = []struct{ module, file string }{
	{"github.com/cert-manager/cert-manager", "deploy/crds/cert-manager.io_certificates.yaml"},
	{"github.com/cert-manager/cert-manager", "deploy/crds/cert-manager.io_issuers.yaml"},
	{"github.com/prometheus-operator/prometheus-operator", "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"},
	{"github.com/prometheus-operator/prometheus-operator", "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"},
	{"sigs.k8s.io/gateway-api", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"},
}

// installForeign makes the API server serve the kinds of others.
func (c *cluster) installForeign() {
	c.t.Helper()
	for _, kind := range foreign {
		file, err := rig.ModuleFile(c.t.Context(), "kinds", kind.module, kind.file)
		if err != nil {
			c.t.Fatal(err)
		}
		c.applyFile(file)
	}
}

func (c *cluster) applyFile(file string) {
	c.t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		c.t.Fatal(err)
	}
	objects, err := rig.Parse(content)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, object := range objects {
		if err := rig.Apply(c.t.Context(), c, object, "test"); err != nil {
			c.t.Fatal(err)
		}
	}
}

// takes checks that the API server takes an object, and admits the pod that it makes.
func (c *cluster) takes(object *unstructured.Unstructured) {
	c.t.Helper()
	if err := rig.Apply(c.t.Context(), client.NewDryRunClient(c), object, "test"); err != nil {
		c.t.Error(err)
	}
	template, found, err := unstructured.NestedMap(object.Object, "spec", "template")
	if err != nil || !found {
		return
	}
	pod := &corev1.Pod{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template, pod); err != nil {
		c.t.Fatal(err)
	}
	pod.Namespace, pod.Name = object.GetNamespace(), object.GetName()
	if err := c.Create(c.t.Context(), pod, client.DryRunAll); err != nil {
		c.t.Errorf("the pod of %s %s is refused: %v", object.GetKind(), object.GetName(), err)
	}
}

// An API server takes whatever the chart prints, for each of its values, in a namespace whose pods are restricted.
func TestAnAPIServerTakesWhateverIsPrinted(t *testing.T) {
	c := newCluster(t)
	c.installForeign()
	c.applyFile("../../config/namespace/namespace.yaml")
	values := [][]string{{required}, {required, complete}}
	for _, one := range cases {
		values = append(values, []string{required, one.with, one.values})
	}
	seen := map[string]bool{}
	for _, these := range values {
		objects := mustRender(t, these...)
		for _, object := range objects {
			if object.GetKind() == "ServiceAccount" { // pods have one
				if err := rig.Apply(t.Context(), c, object, "test"); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, object := range objects {
			content, err := object.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			if !seen[string(content)] {
				seen[string(content)] = true
				c.takes(object)
			}
		}
	}
}

func TestHelmFindsNothingWrong(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), os.Getenv("HELM"), "lint", "--strict", chart, "--set", image).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestTheAccountThatAppliesTheKindsMayChangeThoseOfTheOperatorAlone(t *testing.T) {
	manifests, err := crd.All()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, manifest := range manifests {
		objects, err := rig.Parse(manifest)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, objects[0].GetName())
	}
	rules := look(t, mustRender(t, required), "ClusterRole/numberfleet-crds", ".rules")
	expected, err := json.Marshal([]map[string][]string{
		{"apiGroups": {"apiextensions.k8s.io"}, "resources": {"customresourcedefinitions"}, "verbs": {"create"}},
		{"apiGroups": {"apiextensions.k8s.io"}, "resources": {"customresourcedefinitions"}, "resourceNames": names, "verbs": {"get", "patch"}},
	})
	if err != nil || rules != string(expected) {
		t.Errorf("it may %s, and needs %s: %v", rules, expected, err)
	}
}
