package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/internal/config"
)

// Labels of what the chart installs.
const (
	labelName    = "app.kubernetes.io/name"
	labelVersion = "app.kubernetes.io/version"
	nameValue    = "numberfleet"
)

// operator is the Deployment of the operator, with what it is configured by.
type operator struct {
	deployment *appsv1.Deployment
	pods       []corev1.Pod
	container  *corev1.Container
	// config is that of the ConfigMap; nil where it cannot be read or used. An operator without a ConfigMap has an empty one.
	config *config.OperatorConfiguration
}

// ready says whether a pod of the operator is.
func (o *operator) ready() bool { return o.deployment.Status.ReadyReplicas > 0 }

// flag is the value of a flag of the operator, empty where it is not set.
func (o *operator) flag(name string) string {
	for i, arg := range o.container.Args {
		arg = strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-")
		if value, ok := strings.CutPrefix(arg, name+"="); ok {
			return value
		}
		if arg == name {
			if i+1 < len(o.container.Args) && !strings.HasPrefix(o.container.Args[i+1], "-") {
				return o.container.Args[i+1]
			}
			return "true"
		}
	}
	return ""
}

// findOperator finds the Deployment of the operator, and says what keeps its pods from being ready.
func findOperator(ctx context.Context, e *examination) (findings []Finding, err error) {
	namespace := e.OperatorNamespace
	var deployments appsv1.DeploymentList
	if err := e.API.List(ctx, &deployments, client.InNamespace(namespace), client.MatchingLabels{labelName: nameValue}); err != nil {
		return nil, fmt.Errorf("the operator's Deployment: %w", err)
	}
	deployments.Items = slices.DeleteFunc(deployments.Items, func(d appsv1.Deployment) bool { return len(d.Spec.Template.Spec.Containers) == 0 })
	if len(deployments.Items) == 0 {
		return []Finding{{Severity: Error, Command: "kubectl get deployments -A -l " + labelName + "=" + nameValue,
			Message: fmt.Sprintf("Namespace %s has no Deployment of the operator. If it is in another namespace, say so with --operator-namespace.", namespace)}}, nil
	}
	slices.SortFunc(deployments.Items, func(a, b appsv1.Deployment) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	if n := len(deployments.Items); n > 1 {
		findings = append(findings, Finding{Severity: Error, Command: fmt.Sprintf("kubectl -n %s get deployments -l %s=%s", namespace, labelName, nameValue),
			Message: fmt.Sprintf("There are %d Deployments of the operator in namespace %s, which would write the same statuses: one is enough. The oldest is looked at here.", n, namespace)})
	}
	o := &operator{deployment: &deployments.Items[0], config: &config.OperatorConfiguration{}}
	o.container = &o.deployment.Spec.Template.Spec.Containers[0]
	for i := range o.deployment.Spec.Template.Spec.Containers {
		if c := &o.deployment.Spec.Template.Spec.Containers[i]; c.Name == "manager" {
			o.container = c
		}
	}
	e.operator = o
	findings = append(findings, e.versionOf(o)...)
	selector, err := metav1.LabelSelectorAsSelector(o.deployment.Spec.Selector)
	if err != nil {
		return findings, err
	}
	var pods corev1.PodList
	if err = e.API.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: selector}); err == nil {
		o.pods = pods.Items
	}
	return append(findings, notReady(o)...), err
}

// versionOf says whether the operator is of another version than this program.
func (e *examination) versionOf(o *operator) []Finding {
	is := strings.TrimPrefix(o.deployment.Labels[labelVersion], "v")
	if mine := strings.TrimPrefix(e.Version, "v"); is == "" || is == mine {
		return nil
	}
	return []Finding{{Severity: Info, Message: fmt.Sprintf("The operator is of version %s, and this program of version %s: what one of them says may be new to the other.", is, e.Version)}}
}

// notReady says why pods of the operator are not ready.
func notReady(o *operator) (findings []Finding) {
	d := o.deployment
	want := int32(1)
	if d.Spec.Replicas != nil {
		want = *d.Spec.Replicas
	}
	namespace := d.Namespace
	switch {
	case want == 0:
		return []Finding{{Severity: Error, Message: "The operator is scaled to no replicas: nothing is counted, and senders that ask are refused.",
			Command: fmt.Sprintf("kubectl -n %s scale deployment %s --replicas=1", namespace, d.Name)}}
	case d.Status.ReadyReplicas >= want:
		return nil
	}
	severity := Error
	if o.ready() {
		severity = Warning
	}
	findings = append(findings, Finding{Severity: severity, Command: fmt.Sprintf("kubectl -n %s describe deployment %s", namespace, d.Name),
		Message: fmt.Sprintf("%d of %d replicas of Deployment %s/%s are ready.", d.Status.ReadyReplicas, want, namespace, d.Name)})
	for i := range o.pods {
		pod := &o.pods[i]
		if why := whyNotReady(pod); why != "" {
			findings = append(findings, Finding{Severity: severity, Message: fmt.Sprintf("Pod %s/%s is not ready: %s.", namespace, pod.Name, why),
				Command: fmt.Sprintf("kubectl -n %s logs %s --all-containers --tail=50", namespace, pod.Name)})
		}
	}
	return findings
}

// whyNotReady says why a pod is not ready, empty where it is.
func whyNotReady(pod *corev1.Pod) string {
	why := "it has not said why"
	for _, c := range pod.Status.Conditions {
		switch {
		case c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue:
			return ""
		case c.Status != corev1.ConditionTrue && c.Message != "" && (c.Type == corev1.PodReady || c.Type == corev1.PodScheduled):
			why = strings.TrimSuffix(c.Message, ".")
		}
	}
	for _, c := range pod.Status.ContainerStatuses {
		switch {
		case c.State.Waiting != nil && c.State.Waiting.Reason != "":
			why = c.State.Waiting.Reason
			if ended := c.LastTerminationState.Terminated; ended != nil {
				why = fmt.Sprintf("%s, after it ended with code %d (%s)", why, ended.ExitCode, ended.Reason)
			}
		case c.State.Running != nil && !c.Ready:
			why = "its readiness probe fails, as while the ledger is read or the log does not answer"
		}
	}
	return why
}
