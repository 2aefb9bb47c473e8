package rig

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// Patience is how long a step may take in real time. It is generous: a slow machine only makes runs longer.
const Patience = 3 * time.Minute

// Eventually asks over and over until something holds, and says whether it did within Patience, and before the context ended.
func Eventually(ctx context.Context, holds func() bool) bool {
	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, Patience, true, func(context.Context) (bool, error) { return holds(), nil }) == nil
}

// Sleep waits, or returns why the context ended.
func Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
