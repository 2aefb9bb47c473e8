package doctor_test

import (
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/doctor"
)

// installForeign makes the API server serve kinds of a Prometheus operator and of the Gateway API, and has the former told of the operator.
func (h *hospital) installForeign() {
	h.Helper()
	options := envtest.CRDInstallOptions{ErrorIfPathMissing: true}
	for _, kind := range []struct{ module, file string }{
		{"github.com/prometheus-operator/prometheus-operator", "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"},
		{"github.com/prometheus-operator/prometheus-operator", "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"},
		{"sigs.k8s.io/gateway-api", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml"},
	} {
		file, err := rig.ModuleFile(h.ctx, "../../hack/chart/kinds", kind.module, kind.file)
		h.must(err)
		options.Paths = append(options.Paths, file)
	}
	_, err := envtest.InstallCRDs(h.config, options)
	h.must(err)
	h.must(h.api.Create(h.ctx, foreign("monitoring.coreos.com/v1", "ServiceMonitor", map[string]any{"endpoints": []any{}, "selector": map[string]any{}})))
	h.must(h.api.Create(h.ctx, foreign("monitoring.coreos.com/v1", "PrometheusRule", map[string]any{})))
}

// foreign is an object of the operator's namespace, of a kind of others.
func foreign(version, kind string, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": version, "kind": kind, "metadata": map[string]any{"namespace": system, "name": "numberfleet"}, "spec": spec,
	}}
}

// removeForeign removes an object of a kind until the test ends.
func removeForeign(h *hospital, kind string) {
	h.Helper()
	object := foreign("monitoring.coreos.com/v1", kind, nil)
	h.must(h.api.Get(h.ctx, client.ObjectKeyFromObject(object), object))
	h.must(h.api.Delete(h.ctx, object))
	h.Cleanup(func() {
		object.SetResourceVersion("")
		object.SetUID("")
		h.must(h.api.Create(h.ctx, object))
	})
}

// route leads from a Gateway to a Service.
func (h *hospital) route(service string) *unstructured.Unstructured {
	return foreign("gateway.networking.k8s.io/v1", "HTTPRoute", map[string]any{
		"rules": []any{map[string]any{"backendRefs": []any{map[string]any{"name": service, "port": int64(80)}}}},
	})
}

// A route of a Gateway to the receiver of webhooks is a way in for Meta, without any Ingress.
func examineBehindAGateway(h *hospital) {
	remove[networkingv1.Ingress](h, "hooks")
	h.add(h.route("numberfleet-webhook"))
	h.lead()
	h.examineUntil(h.options(), func(report *doctor.Report) bool { return len(report.Findings) == 0 })
}
