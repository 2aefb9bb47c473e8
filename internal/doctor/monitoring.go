package doctor

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// findMonitoring says whether the Prometheus operator, where there is one, is told of the operator's metrics and alerts.
func findMonitoring(ctx context.Context, e *examination) (findings []Finding, err error) {
	if e.operator == nil {
		return nil, nil
	}
	for _, of := range []struct{ kind, without string }{
		{"ServiceMonitor", "no Prometheus is told to read the operator's metrics"},
		{"PrometheusRule", "nobody is alerted when a limit is nearly used, or a number is flagged or silent"},
	} {
		var list unstructured.UnstructuredList
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: of.kind + "List"})
		err := e.API.List(ctx, &list, client.InNamespace(e.OperatorNamespace), client.Limit(1))
		switch {
		case meta.IsNoMatchError(err):
			return nil, nil // there is no Prometheus operator
		case err != nil:
			return findings, fmt.Errorf("list %ss: %w", of.kind, err)
		case len(list.Items) == 0:
			findings = append(findings, Finding{Severity: Info, Command: fmt.Sprintf("kubectl get %ss -A", of.kind),
				Message: fmt.Sprintf("Namespace %s has no %s: unless there is one elsewhere, %s.", e.OperatorNamespace, of.kind, of.without)})
		}
	}
	return findings, nil
}
