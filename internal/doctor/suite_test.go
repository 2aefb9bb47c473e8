package doctor_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/config/policies"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/rig/apiserver"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/doctor"
)

const (
	system     = "numberfleet-system"
	deployment = "numberfleet-controller-manager"
)

// hospital is an API server with what config/default installs, as it is where all is well: an operator whose pod is ready.
type hospital struct {
	*testing.T
	ctx    context.Context // outlives a test: what it changed is put back
	env    *envtest.Environment
	config *rest.Config
	api    client.Client
	led    time.Time // when the lease was renewed last
}

func newHospital(t *testing.T) *hospital {
	t.Helper()
	env := &envtest.Environment{}
	rest, err := apiserver.Start(env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = env.Stop() })
	rest.QPS = -1
	h := &hospital{T: t, ctx: context.WithoutCancel(t.Context()), env: env, config: rest}
	h.api = h.client(rest)
	objects, err := rig.Render("../../config/default")
	h.must(err)
	for _, name := range policies.Names() {
		manifest, _ := policies.Manifest(name)
		policy := &unstructured.Unstructured{}
		h.must(yaml.Unmarshal(manifest, &policy.Object))
		objects = append(objects, policy)
	}
	for _, object := range objects {
		h.must(rig.Apply(h.ctx, h.api, object, "install"))
	}
	h.run()
	return h
}

// of is the same for a part of the test.
func (h *hospital) of(t *testing.T) *hospital {
	t.Helper()
	part := *h
	part.T = t
	return &part
}

func (h *hospital) client(config *rest.Config) client.Client {
	h.Helper()
	scheme := runtime.NewScheme()
	h.must(doctor.AddToScheme(scheme))
	api, err := client.New(config, client.Options{Scheme: scheme})
	h.must(err)
	return api
}

func (h *hospital) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// run does what a cluster with nodes, and the people who install, do: it is what the API server alone does not.
func (h *hospital) run() {
	now := metav1.Now()
	in := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: system, Name: name} }
	installed := get[appsv1.Deployment](h, deployment)
	pod := &corev1.Pod{ObjectMeta: in("manager"), Spec: installed.Spec.Template.Spec}
	pod.Labels = installed.Spec.Template.Labels
	pod.Status.StartTime = new(metav1.NewTime(now.Add(time.Hour))) // after whatever a test does
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	installed.Status = appsv1.DeploymentStatus{Replicas: 1, ReadyReplicas: 1, AvailableReplicas: 1}
	claim := get[corev1.PersistentVolumeClaim](h, "numberfleet-ledger")
	claim.Status.Phase = corev1.ClaimBound

	lease := &coordinationv1.Lease{ObjectMeta: in(config.LeaseName)}
	secrets := map[string]map[string][]byte{"numberfleet-webhook": {config.AppSecretKey: []byte("0f3e9a7c55d1"), config.VerifyTokenKey: []byte("b5c1e2")}}
	for _, name := range []string{"events", "guard", "scaler"} {
		secrets["numberfleet-"+name+"-tls"] = h.certificate(90*24*time.Hour, "numberfleet-"+name+"."+system+".svc")
	}
	path := networkingv1.PathTypePrefix
	ingress := &networkingv1.Ingress{ObjectMeta: in("hooks"), Spec: networkingv1.IngressSpec{
		TLS: []networkingv1.IngressTLS{{Hosts: []string{"hooks.example.com"}, SecretName: "hooks"}},
		Rules: []networkingv1.IngressRule{{Host: "hooks.example.com", IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
			Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &path, Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
				Name: "numberfleet-webhook", Port: networkingv1.ServiceBackendPort{Number: 80}}}}}}}}}}}
	objects := []client.Object{pod, lease, ingress}
	for name, data := range secrets {
		objects = append(objects, &corev1.Secret{ObjectMeta: in(name), Data: data})
	}
	for _, name := range []string{"webhook", "events", "guard", "scaler", "metrics"} {
		slice := &discoveryv1.EndpointSlice{ObjectMeta: in("numberfleet-" + name), AddressType: discoveryv1.AddressTypeIPv4,
			Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: new(true)}}}}
		slice.Labels = map[string]string{discoveryv1.LabelServiceName: "numberfleet-" + name}
		objects = append(objects, slice)
	}
	for _, object := range objects {
		status := object.DeepCopyObject().(client.Object)
		h.must(h.api.Create(h.ctx, object))
		status.SetResourceVersion(object.GetResourceVersion())
		if _, ok := object.(*corev1.Pod); ok {
			h.must(h.api.Status().Update(h.ctx, status))
		}
	}
	h.must(h.api.Status().Update(h.ctx, installed))
	h.must(h.api.Status().Update(h.ctx, claim))
}

// lead renews the lease, as a replica that leads does all the time.
func (h *hospital) lead() {
	h.Helper()
	h.led = clock.RealClock{}.Now()
	lease := get[coordinationv1.Lease](h, config.LeaseName)
	lease.Spec = coordinationv1.LeaseSpec{HolderIdentity: new("manager"), RenewTime: new(metav1.NewMicroTime(h.led))}
	h.must(h.api.Update(h.ctx, lease))
}

// certificate is the data of a Secret with a certificate that ends after a time, for some names.
func (h *hospital) certificate(ends time.Duration, names ...string) map[string][]byte {
	h.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	h.must(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: clock.RealClock{}.Now().Add(-time.Hour), NotAfter: clock.RealClock{}.Now().Add(ends)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	h.must(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	h.must(err)
	return map[string][]byte{
		corev1.TLSCertKey:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		corev1.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}
}

// get reads an object of the operator's namespace, or of none.
func get[T any, P interface {
	*T
	client.Object
}](h *hospital, name string) P {
	h.Helper()
	object := P(new(T))
	key := client.ObjectKey{Name: name}
	if namespaced, err := h.api.IsObjectNamespaced(object); err == nil && namespaced {
		key.Namespace = system
	}
	h.must(h.api.Get(h.ctx, key, object))
	return object
}

// change changes an object and its status until the test ends.
func change[T any, P interface {
	*T
	client.Object
}](h *hospital, name string, edit func(P)) {
	h.Helper()
	before := get[T, P](h, name)
	write := func(of P) {
		h.Helper()
		current := get[T, P](h, name)
		of.SetResourceVersion(current.GetResourceVersion())
		status := of.DeepCopyObject().(client.Object)
		h.must(h.api.Update(h.ctx, of))
		status.SetResourceVersion(of.GetResourceVersion())
		_ = h.api.Status().Update(h.ctx, status) // a kind may have none
	}
	after := before.DeepCopyObject().(P)
	edit(after)
	write(after)
	h.Cleanup(func() { write(before) })
}

// remove removes an object until the test ends.
func remove[T any, P interface {
	*T
	client.Object
}](h *hospital, name string) {
	h.Helper()
	before := get[T, P](h, name)
	h.must(h.api.Delete(h.ctx, before, client.GracePeriodSeconds(0)))
	h.Cleanup(func() {
		before.SetResourceVersion("")
		before.SetUID("")
		h.must(h.api.Create(h.ctx, before))
	})
}

// add adds an object, with its status, until the test ends.
func (h *hospital) add(object client.Object) {
	h.Helper()
	status := object.DeepCopyObject().(client.Object)
	h.must(h.api.Create(h.ctx, object))
	if _, ok := object.(v1alpha1.Object); ok {
		status.SetResourceVersion(object.GetResourceVersion())
		h.must(h.api.Status().Update(h.ctx, status))
	}
	h.Cleanup(func() { h.must(h.api.Delete(h.ctx, object)) })
}

// options are those of an administrator, as long as the lease is new.
func (h *hospital) options() doctor.Options {
	return doctor.Options{API: h.api, OperatorNamespace: system, Home: "default", Now: h.led, Version: "dev",
		ServerTime: func(context.Context) (time.Time, error) { return h.led, nil }}
}

// examineUntil examines until what is found is as expected.
func (h *hospital) examineUntil(o doctor.Options, expected func(*doctor.Report) bool) *doctor.Report {
	h.Helper()
	var report *doctor.Report
	found := rig.Eventually(h.ctx, func() bool {
		report = h.examine(o)
		return expected(report)
	})
	if !found {
		h.Fatalf("%d checks find %+v", len(report.Checks), report.Findings)
	}
	return report
}

func (h *hospital) examine(o doctor.Options) *doctor.Report {
	h.Helper()
	report, err := doctor.Examine(h.ctx, o)
	h.must(err)
	return report
}
