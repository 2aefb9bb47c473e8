package doctor

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/internal/config"
)

// findLedger says whether what the operator counts is kept.
func findLedger(ctx context.Context, e *examination) ([]Finding, error) {
	o := e.operator
	switch {
	case o == nil || o.config == nil:
		return nil, nil
	case o.config.Ledger.Engine == config.LogEngine:
		return e.sharedLedger(), nil
	default:
		return e.embeddedLedger(ctx)
	}
}

func (e *examination) embeddedLedger(ctx context.Context) (findings []Finding, err error) {
	d := e.operator.deployment
	edit := fmt.Sprintf("kubectl -n %s edit deployment %s", d.Namespace, d.Name)
	if n := d.Spec.Replicas; n != nil && *n > 1 {
		findings = append(findings, Finding{Severity: Error, Command: fmt.Sprintf("kubectl -n %s scale deployment %s --replicas=1", d.Namespace, d.Name),
			Message: fmt.Sprintf("There are to be %d replicas, and the ledger is in a folder that one process opens: the others do not start. Several replicas need ledger.engine: Log.", *n)})
	}
	if d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
		findings = append(findings, Finding{Severity: Warning, Command: edit,
			Message: "The strategy of the Deployment is not Recreate: at an upgrade the new pod cannot open the ledger while the old one has it, and waits."})
	}
	folder := e.operator.flag("data-dir")
	if folder == "" {
		folder = "/var/lib/numberfleet" // as the operator has it
	}
	volume, _ := e.operator.volumeOf(folder)
	switch {
	case volume == nil || volume.EmptyDir != nil:
		return append(findings, Finding{Severity: Error, Command: edit,
			Message: fmt.Sprintf("The ledger, in %s, is on no volume that lasts: all counts are lost when the pod ends.", folder)}), nil
	case volume.PersistentVolumeClaim == nil:
		return findings, nil
	}
	name := volume.PersistentVolumeClaim.ClaimName
	var claim corev1.PersistentVolumeClaim
	err = e.API.Get(ctx, client.ObjectKey{Namespace: d.Namespace, Name: name}, &claim)
	switch {
	case apierrors.IsNotFound(err):
		findings = append(findings, Finding{Severity: Error, Command: fmt.Sprintf("kubectl -n %s get persistentvolumeclaims", d.Namespace),
			Message: fmt.Sprintf("PersistentVolumeClaim %s/%s, which the ledger is to be on, does not exist.", d.Namespace, name)})
	case err != nil:
		return findings, fmt.Errorf("the volume of the ledger: %w", err)
	case claim.Status.Phase != corev1.ClaimBound:
		findings = append(findings, Finding{Severity: Error, Command: fmt.Sprintf("kubectl -n %s describe persistentvolumeclaim %s", d.Namespace, name),
			Message: fmt.Sprintf("PersistentVolumeClaim %s/%s, which the ledger is to be on, is %s and not Bound: is there a StorageClass?", d.Namespace, name, claim.Status.Phase)})
	}
	return findings, nil
}

func (e *examination) sharedLedger() (findings []Finding) {
	o := e.operator
	if o.flag("leader-elect") != "true" {
		findings = append(findings, Finding{Severity: Error, Command: fmt.Sprintf("kubectl -n %s edit deployment %s", o.deployment.Namespace, o.deployment.Name),
			Message: "The ledger is in a log that replicas share, and the flag --leader-elect is missing: the operator does not start."})
	}
	if sync := o.config.Ledger.Log.RequireSync; sync != nil && !*sync {
		findings = append(findings, Finding{Severity: Warning, Command: "kubectl phonenumbers doctor",
			Message: "ledger.log.requireSync is false: a node of the log may acknowledge before it has synced, and what was acknowledged within two minutes is lost if all nodes lose power. " +
				"Give the nodes sync_interval: always and the server tag sync:always, and set requireSync to true."})
	}
	return findings
}
