package chart

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
)

// What every installation of these tests says.
const image = "image.repository=registry.example.com/numberfleet"

// numbers is the kind whose schema was another one in the release before.
const numbers = "phonenumbers.whatsapp.numberfleet.dev"

// Released writes the chart of the release before: its version, and a kind that lacks a field and has one that is gone since.
func released(t *testing.T) (folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "chart")
	if err := os.CopyFS(folder, os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	edit := func(file string, change func(map[string]any)) {
		t.Helper()
		name := filepath.Join(folder, file)
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var document map[string]any
		if err := yaml.Unmarshal(content, &document); err != nil {
			t.Fatal(err)
		}
		change(document)
		if content, err = yaml.Marshal(document); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	edit("Chart.yaml", func(c map[string]any) { c["version"], c["appVersion"] = "0.0.0-before", "before" })
	edit("crds/whatsapp.numberfleet.dev_phonenumbers.yaml", func(c map[string]any) {
		version := c["spec"].(map[string]any)["versions"].([]any)[0].(map[string]any)
		fields := version["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any)["properties"].(map[string]any)["spec"].(map[string]any)["properties"].(map[string]any)
		delete(fields, "unconfirmed")
		fields["gone"] = map[string]any{"type": "string"}
	})
	return folder
}

// fields says which of two fields of a PhoneNumber's spec the API server knows: one of this release, and one of the release before.
func (c *cluster) fields() (present, gone bool) {
	c.t.Helper()
	var definition apiextensionsv1.CustomResourceDefinition
	if !c.has(&definition, "", numbers) {
		c.t.Fatalf("there is no kind %s", numbers)
	}
	properties := definition.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties
	_, present = properties["unconfirmed"]
	_, gone = properties["gone"]
	return present, gone
}

// A release is installed, upgraded, tested, removed and installed again. An upgrade brings the kinds; so does an installation where the kinds of an older
// release are left. The fleet, the volume of the ledger and the default policy are never away.
func TestAnUpgradeBringsTheKindsAndNothingEverDeletesAFleet(t *testing.T) {
	c := newCluster(t)
	operator := c.operator()
	c.here = map[string]string{
		"http://numberfleet-webhook." + rig.Namespace + ".svc:80/webhooks/whatsapp": operator.WebhookURL(),
		"/etc/numberfleet/secrets/numberfleet-webhook":                              filepath.Join(c.folder, "webhook"),
	}
	succeeded := c.kubelet()
	before := released(t)
	c.mustHelm("install", "numberfleet", before, "--create-namespace", "--set", image, "--set", "crds.upgrade=false")
	if present, gone := c.fields(); present || !gone {
		t.Fatal("the kinds of the release before are not those of its chart")
	}

	operator.start()
	number := &v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "sales"}, Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: "+15550100001"}}
	if err := c.Create(t.Context(), number); err != nil {
		t.Fatal(err)
	}
	policy := &v1alpha1.MessagingPolicy{}
	c.eventually("there is the default policy", func() bool { return c.has(policy, "", "meta-2025") })
	changes, err := c.Watch(t.Context(), &v1alpha1.MessagingPolicyList{}, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: policy.ResourceVersion}})
	if err != nil {
		t.Fatal(err)
	}
	intact := func(after string) {
		t.Helper()
		kept := &v1alpha1.PhoneNumber{}
		if !c.has(kept, "default", "sales") || kept.UID != number.UID {
			t.Errorf("after %s the number is gone", after)
		}
		if !c.has(&corev1.PersistentVolumeClaim{}, rig.Namespace, "numberfleet-ledger") {
			t.Errorf("after %s the ledger's volume is gone", after)
		}
		if c.has(&batchv1.Job{}, rig.Namespace, "numberfleet-crds") || c.has(&rbacv1.ClusterRole{}, "", "numberfleet-crds") {
			t.Errorf("after %s the Job that applies the kinds, or its role, is left", after)
		}
	}

	c.mustHelm("upgrade", "numberfleet", chart, "--set", image)
	operator.end()
	operator.start()
	if present, gone := c.fields(); !present || gone {
		t.Errorf("an upgrade did not bring the kinds of its release: its field is there: %t, the one of before: %t", present, gone)
	}
	deployment := &appsv1.Deployment{}
	if !c.has(deployment, rig.Namespace, "numberfleet-controller-manager") || deployment.Spec.Template.Spec.Containers[0].Image != "registry.example.com/numberfleet:dev" {
		t.Errorf("an upgrade did not bring the image of its release: %v", deployment.Spec.Template.Spec.Containers)
	}
	intact("an upgrade")
	c.mustHelm("test", "numberfleet")
	var left v1alpha1.PhoneNumberList
	if err := c.List(t.Context(), &left, client.InNamespace(rig.Namespace)); err != nil || len(left.Items) > 0 || c.has(&rbacv1.Role{}, rig.Namespace, "numberfleet-test") {
		t.Errorf("the test of the release leaves something: %v, %v", left.Items, err)
	}

	operator.end()
	c.mustHelm("uninstall", "numberfleet")
	if c.has(deployment, rig.Namespace, "numberfleet-controller-manager") || c.has(&rbacv1.ClusterRole{}, "", "numberfleet-manager-role") {
		t.Error("the operator is left where the release was removed")
	}
	intact("the removal")

	// As if the release that was removed had been the one before.
	old, err := os.ReadFile(filepath.Join(before, "crds", "whatsapp.numberfleet.dev_phonenumbers.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := rig.Parse(old)
	if err != nil {
		t.Fatal(err)
	}
	if err := rig.Apply(t.Context(), c, objects[0], "helm"); err != nil {
		t.Fatal(err)
	}
	c.mustHelm("install", "numberfleet", chart, "--set", image)
	operator.start()
	if present, gone := c.fields(); !present || gone {
		t.Error("an installation left the kinds of an older release")
	}
	intact("another installation")

	out, err := c.helm("install", "second", chart, "--set", image, "--set", "crds.upgrade=false")
	if err == nil || !strings.Contains(out, "numberfleet") || !strings.Contains(out, "cannot be imported") {
		t.Errorf("a second operator in the cluster: %v: %s", err, out)
	}
	c.eventually("the operator serves the number that it found", func() bool {
		return c.has(number, "default", "sales") && meta.IsStatusConditionTrue(number.Status.Conditions, v1alpha1.ConditionReady)
	})
	operator.end()
	if ran := succeeded(); !slices.Equal(ran, []string{"crds apply", "check", "crds apply"}) {
		t.Errorf("hooks ran %q: of an upgrade, a test and an installation", ran)
	}
	changes.Stop()
	for event := range changes.ResultChan() {
		if event.Type == watch.Deleted {
			t.Errorf("a policy was deleted: %v", event.Object)
		}
	}
}
