package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// servicesOf are the Services that select the pods of the operator.
func (e *examination) servicesOf(ctx context.Context) (services []corev1.Service, err error) {
	var all corev1.ServiceList
	if err := e.API.List(ctx, &all, client.InNamespace(e.OperatorNamespace)); err != nil {
		return nil, fmt.Errorf("the Services of the operator: %w", err)
	}
	pod := labels.Set(e.operator.deployment.Spec.Template.Labels)
	for i := range all.Items {
		if s := &all.Items[i]; len(s.Spec.Selector) > 0 && labels.SelectorFromSet(s.Spec.Selector).Matches(pod) {
			services = append(services, *s)
		}
	}
	return services, nil
}

// leadsTo says whether a Service leads to a port of the operator.
func leadsTo(s *corev1.Service, port string) bool {
	return slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.TargetPort.StrVal == port })
}

// findServices says which Services of the operator lead nowhere.
func findServices(ctx context.Context, e *examination) (findings []Finding, err error) {
	if e.operator == nil {
		return nil, nil
	}
	services, err := e.servicesOf(ctx)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(services, func(s corev1.Service) bool { return leadsTo(&s, "webhook") }) {
		findings = append(findings, Finding{Severity: Error, Command: fmt.Sprintf("kubectl -n %s get services", e.OperatorNamespace),
			Message: fmt.Sprintf("No Service of namespace %s leads to the receiver of webhooks of Deployment %s: nothing can be received.", e.OperatorNamespace, e.operator.deployment.Name)})
	}
	if !e.operator.ready() {
		return findings, nil // the check of the operator says so
	}
	for i := range services {
		var slices discoveryv1.EndpointSliceList
		if err := e.API.List(ctx, &slices, client.InNamespace(e.OperatorNamespace), client.MatchingLabels{discoveryv1.LabelServiceName: services[i].Name}); err != nil {
			return findings, fmt.Errorf("the endpoints of the operator's Services: %w", err)
		}
		if !haveReady(slices.Items) {
			findings = append(findings, Finding{Severity: Error, Command: fmt.Sprintf("kubectl -n %s describe service %s", e.OperatorNamespace, services[i].Name),
				Message: fmt.Sprintf("Service %s/%s has no endpoint that is ready, though a pod of the operator is: do its selector and ports fit?", e.OperatorNamespace, services[i].Name)})
		}
	}
	return findings, nil
}

func haveReady(all []discoveryv1.EndpointSlice) bool {
	for i := range all {
		if slices.ContainsFunc(all[i].Endpoints, func(e discoveryv1.Endpoint) bool { return e.Conditions.Ready == nil || *e.Conditions.Ready }) {
			return true
		}
	}
	return false
}

// findRoute says whether an Ingress or an HTTPRoute of the operator's namespace leads Meta to the receiver of webhooks.
func findRoute(ctx context.Context, e *examination) (findings []Finding, err error) {
	if e.operator == nil {
		return nil, nil
	}
	services, err := e.servicesOf(ctx)
	if err != nil {
		return nil, err
	}
	receivers := map[string]bool{}
	for i := range services {
		if s := &services[i]; leadsTo(s, "webhook") {
			receivers[s.Name] = true
			if s.Spec.Type == corev1.ServiceTypeLoadBalancer || s.Spec.Type == corev1.ServiceTypeNodePort {
				return nil, nil // it is reached without
			}
		}
	}
	if len(receivers) == 0 {
		return nil, nil
	}
	var ingresses networkingv1.IngressList
	ingressErr := e.API.List(ctx, &ingresses, client.InNamespace(e.OperatorNamespace))
	routed := false
	for i := range ingresses.Items {
		ingress := &ingresses.Items[i]
		if !leadsToOne(ingress, receivers) {
			continue
		}
		routed = true
		if len(ingress.Spec.TLS) == 0 {
			findings = append(findings, Finding{Severity: Warning, Command: fmt.Sprintf("kubectl -n %s edit ingress %s", ingress.Namespace, ingress.Name),
				Message: fmt.Sprintf("Ingress %s/%s leads to the receiver of webhooks, and has no certificate of its own (spec.tls): Meta posts over HTTPS only, and refuses certificates that are self-signed.", ingress.Namespace, ingress.Name)})
		}
	}
	routes := unstructured.UnstructuredList{}
	routes.SetGroupVersionKind(schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRouteList"})
	routeErr := e.API.List(ctx, &routes, client.InNamespace(e.OperatorNamespace))
	if meta.IsNoMatchError(routeErr) {
		routeErr = nil
	}
	for i := range routes.Items {
		routed = routed || routeLeadsToOne(&routes.Items[i], receivers)
	}
	if !routed && ingressErr == nil && routeErr == nil {
		findings = append(findings, Finding{Severity: Info, Command: fmt.Sprintf("kubectl -n %s get ingresses,services", e.OperatorNamespace),
			Message: fmt.Sprintf("No Ingress or HTTPRoute of namespace %s leads to the receiver of webhooks: Meta reaches it in another way, or not at all.", e.OperatorNamespace)})
	}
	return findings, errors.Join(ingressErr, routeErr)
}

func leadsToOne(ingress *networkingv1.Ingress, services map[string]bool) bool {
	is := func(b *networkingv1.IngressBackend) bool {
		return b != nil && b.Service != nil && services[b.Service.Name]
	}
	if is(ingress.Spec.DefaultBackend) {
		return true
	}
	for _, rule := range ingress.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for i := range rule.HTTP.Paths {
			if is(&rule.HTTP.Paths[i].Backend) {
				return true
			}
		}
	}
	return false
}

func routeLeadsToOne(route *unstructured.Unstructured, services map[string]bool) bool {
	rules, _, _ := unstructured.NestedSlice(route.Object, "spec", "rules") // what is of another form leads nowhere
	for _, rule := range rules {
		rule, _ := rule.(map[string]any)
		backends, _, _ := unstructured.NestedSlice(rule, "backendRefs")
		for _, backend := range backends {
			backend, _ := backend.(map[string]any)
			if name, _ := backend["name"].(string); services[name] {
				return true
			}
		}
	}
	return false
}
