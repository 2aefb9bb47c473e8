package doctor_test

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"numberfleet.dev/numberfleet/internal/doctor"
)

// notReady are statuses of a pod, and why it is not ready by each.
var notReady = []struct {
	why    string
	status corev1.PodStatus
}{
	{"it has not said why", corev1.PodStatus{}},
	{"0/3 nodes are available: 3 Insufficient memory", corev1.PodStatus{Conditions: []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/3 nodes are available: 3 Insufficient memory."}}}},
	{"ImagePullBackOff", containers(corev1.ContainerStatus{State: waiting("ImagePullBackOff")})},
	{"CrashLoopBackOff, after it ended with code 137 (OOMKilled)", containers(corev1.ContainerStatus{
		State: waiting("CrashLoopBackOff"), LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}}})},
	{"its readiness probe fails", containers(corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}})},
}

func waiting(reason string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
}

// containers is the status of a pod whose one container is as it says.
func containers(c corev1.ContainerStatus) corev1.PodStatus {
	c.Name = "manager"
	return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{c}, Conditions: []corev1.PodCondition{
		{Type: corev1.PodReady, Status: corev1.ConditionFalse, Message: "containers with unready status: [manager]"}}}
}

// Where no pod of the operator is ready, it is said of the Deployment and of the pod, with the reason, and nothing is said of what follows from it.
func examineNotReady(h *hospital, status corev1.PodStatus, why string) {
	change(h, deployment, func(d *appsv1.Deployment) { d.Status.ReadyReplicas, d.Status.AvailableReplicas = 0, 0 })
	change(h, "manager", func(p *corev1.Pod) {
		status.StartTime = p.Status.StartTime
		p.Status = status
	})
	h.lead()
	h.examineUntil(h.options(), func(report *doctor.Report) bool {
		is := func(message, command string) bool {
			return slices.ContainsFunc(report.Findings, func(f doctor.Finding) bool {
				return f.Check == "operator" && f.Severity == doctor.Error && strings.Contains(f.Message, message) && strings.Contains(f.Command, command)
			})
		}
		return len(report.Findings) == 2 && is("0 of 1 replicas of Deployment "+system+"/"+deployment+" are ready", "describe deployment "+deployment) &&
			is("Pod "+system+"/manager is not ready: "+why, "logs manager")
	})
}
