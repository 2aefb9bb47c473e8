package doctor

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/internal/config"
)

const (
	// mostOff is how far two clocks may be apart: the API server tells whole seconds, and an answer takes a while.
	mostOff = 5 * time.Second
	// mostUnrenewed is how old a lease may be: who leads renews it every few seconds, and loses it after 15 s.
	mostUnrenewed = 20 * time.Second
)

// findClock says whether the clocks of this machine, of the API server and of the operator agree. Counts are as right as the operator's clock.
func findClock(ctx context.Context, e *examination) (findings []Finding, err error) {
	server, err := e.ServerTime(ctx)
	if err != nil {
		return nil, fmt.Errorf("the clock of the API server: %w", err)
	}
	if e.Ahead.Abs() > mostOff {
		findings = append(findings, Finding{Severity: Warning, Command: "timedatectl status",
			Message: fmt.Sprintf("The clock of this machine is %s the API server's: what this program says of times is off by as much.", apart(e.Ahead))})
	}
	if e.operator == nil {
		return findings, nil
	}
	var lease coordinationv1.Lease
	switch err := e.API.Get(ctx, client.ObjectKey{Namespace: e.OperatorNamespace, Name: config.LeaseName}, &lease); {
	case apierrors.IsNotFound(err):
		return findings, nil // without --leader-elect there is none
	case err != nil:
		return findings, fmt.Errorf("the clock of the operator: %w", err)
	case lease.Spec.RenewTime == nil || lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "":
		return findings, nil
	}
	// Who leads stamps the lease by its own clock every few seconds.
	since := server.Sub(lease.Spec.RenewTime.Time)
	switch {
	case since < -mostOff:
		findings = append(findings, Finding{Severity: Error, Command: "timedatectl status   # on the node of the operator",
			Message: fmt.Sprintf("The operator's clock is %s the API server's: windows end at the wrong time.", apart(-since))})
	case since > mostUnrenewed && e.operator.ready():
		findings = append(findings, Finding{Severity: Error, Command: fmt.Sprintf("kubectl -n %s describe lease %s", e.OperatorNamespace, config.LeaseName),
			Message: fmt.Sprintf("No replica of the operator has renewed the lease for %s: none leads, and no status is written; or the operator's clock is as much behind.", since.Round(time.Second))})
	}
	return findings, nil
}

func apart(off time.Duration) string {
	if off < 0 {
		return fmt.Sprintf("%s behind", (-off).Round(time.Second))
	}
	return fmt.Sprintf("%s ahead of", off.Round(time.Second))
}
