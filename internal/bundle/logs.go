package bundle

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// mostLog bounds the log of one container, in bytes.
const mostLog = 8 << 20

// mostLines is how many of the last lines are asked for.
const mostLines = 20_000

// logs adds the logs of the operator's pods, and those of the containers before.
func (b *bundle) logs(ctx context.Context) error {
	var pods corev1.PodList
	if err := b.Doctor.API.List(ctx, &pods, b.inOperatorNamespace(), client.HasLabels{"app.kubernetes.io/name"}); err != nil {
		b.miss("the logs of the operator", err)
		return nil
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		for _, container := range pod.Status.ContainerStatuses {
			for _, previous := range []bool{false, true} {
				if previous && container.RestartCount == 0 {
					continue
				}
				name := pod.Name + "-" + container.Name
				if previous {
					name += ".previous"
				}
				log, err := b.Cluster.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{
					Container: container.Name, Previous: previous, TailLines: new(int64(mostLines)), LimitBytes: new(int64(mostLog)),
				}).DoRaw(ctx)
				if err != nil {
					b.miss(fmt.Sprintf("the log %s", name), err)
					continue
				}
				if err := b.add("operator/logs/"+name+".log", log); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
