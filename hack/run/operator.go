package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"numberfleet.dev/numberfleet/hack/rig"
)

// startOperator runs the operator's binary with the rights and settings that it has in a cluster.
func startOperator(o options, clock *fleetClock, config string) (*rig.Operator, error) {
	op, err := rig.NewOperator(rig.OperatorOptions{
		Binary: o.manager, Kubeconfig: filepath.Join(o.state, operatorKubeconfig), DataDir: filepath.Join(o.state, "ledger"),
		Folder: o.state, Log: filepath.Join(o.state, "operator.log"),
	})
	if err != nil {
		return nil, err
	}
	return op, op.Start(slices.Concat([]string{
		"--events-bind-address=" + op.Events,
		"--guard-bind-address=" + op.Guard,
		"--config=" + config,
		"--batch-period=200ms",
		// A minute of real time is two days of the fleet's.
		"--status-refresh-period=1s",
		"--status-refresh-qps=50",
	}, rig.TimeLapse(clock.anchor, clock.origin, clock.speed))...)
}

// post sends a signed webhook, again and again until it is acknowledged, as Meta does.
func post(ctx context.Context, to *rig.Operator, body []byte) error {
	for {
		switch status, answer, err := to.PostWebhook(ctx, body); {
		case err != nil || status == http.StatusServiceUnavailable:
		case status == http.StatusOK:
			return nil
		default:
			return fmt.Errorf("the operator answered a webhook with %d: %s", status, answer)
		}
		if err := rig.Sleep(ctx, retryAfter); err != nil {
			return err
		}
	}
}

// retryAfter is how long the senders wait before they send again what the operator could not take.
const retryAfter = 500 * time.Millisecond
