package doctor

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/internal/unclaimed"
)

// unclaimedWithin is how lately something was received that still matters: a number that was removed stays in the list for weeks.
const unclaimedWithin = 7 * 24 * time.Hour

// findUnclaimed says whether something is received for numbers that no PhoneNumber claims.
func findUnclaimed(ctx context.Context, e *examination) ([]Finding, error) {
	var stored corev1.ConfigMap
	if err := e.API.Get(ctx, client.ObjectKey{Namespace: e.OperatorNamespace, Name: unclaimed.ConfigMap}, &stored); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("what no PhoneNumber claims: %w", err)
	}
	all, err := unclaimed.Read(stored.Data)
	if err != nil {
		return nil, err
	}
	lately := 0
	for i := range all {
		if e.Now.Sub(all[i].LastTime.Time) < unclaimedWithin {
			lately++
		}
	}
	if lately == 0 {
		return nil, nil
	}
	return []Finding{{Severity: Warning, Command: "kubectl phonenumbers unclaimed",
		Message: fmt.Sprintf("Within 7 days something was received for numbers that no PhoneNumber claims, %d of them: create a PhoneNumber for each, or remove the app's subscription to their account.", lately)}}, nil
}
