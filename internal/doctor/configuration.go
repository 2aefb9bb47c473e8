package doctor

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/internal/config"
)

// findConfiguration says whether the operator can use its configuration, and has read what it says now.
func findConfiguration(ctx context.Context, e *examination) ([]Finding, error) {
	o := e.operator
	if o == nil || o.flag("config") == "" {
		return nil, nil
	}
	from, _ := o.sourceOf(o.flag("config"))
	if from.configMap == "" {
		return nil, nil
	}
	o.config = nil // until it was read
	var stored corev1.ConfigMap
	err := e.API.Get(ctx, client.ObjectKey{Namespace: e.OperatorNamespace, Name: from.configMap}, &stored)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("the operator's configuration: %w", err)
	}
	content := stored.Data[from.key]
	if content == "" {
		o.config = &config.OperatorConfiguration{} // it is optional
		return nil, nil
	}
	if o.config, err = config.Parse([]byte(content)); err != nil {
		return []Finding{{Severity: Error, Command: fmt.Sprintf("kubectl -n %s edit configmap %s", e.OperatorNamespace, from.configMap),
			Message: fmt.Sprintf("The configuration in ConfigMap %s/%s cannot be used, so that the operator does not start with it: %s.", e.OperatorNamespace, from.configMap, err)}}, nil
	}
	changed := lastWrite(&stored)
	if slices.ContainsFunc(o.pods, func(p corev1.Pod) bool { return p.Status.StartTime.Before(&changed) }) {
		return []Finding{{Severity: Warning, Command: fmt.Sprintf("kubectl -n %s rollout restart deployment %s", e.OperatorNamespace, o.deployment.Name),
			Message: fmt.Sprintf("The configuration in ConfigMap %s/%s was changed after the operator had started, which reads it at its start alone.", e.OperatorNamespace, from.configMap)}}, nil
	}
	return nil, nil
}

// lastWrite is when an object was last written, by the clock of the API server.
func lastWrite(object metav1.Object) (last metav1.Time) {
	last = object.GetCreationTimestamp()
	for _, field := range object.GetManagedFields() {
		if last.Before(field.Time) {
			last = *field.Time
		}
	}
	return last
}
