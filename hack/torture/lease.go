package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/hack/rig"
)

// lead lets the operator lead.
func (e *epoch) lead(ctx context.Context) error {
	e.processMu.Lock()
	defer e.processMu.Unlock()
	e.leads = true
	return e.lease(ctx, "")
}

// leading waits until the operator leads.
func (e *epoch) leading(ctx context.Context) error {
	return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, rig.Patience, true, func(ctx context.Context) (bool, error) {
		lease := &coordinationv1.Lease{}
		err := e.api.Get(ctx, client.ObjectKey{Namespace: rig.Namespace, Name: leaseName}, lease)
		holder := lease.Spec.HolderIdentity
		return err == nil && holder != nil && *holder != "" && *holder != anotherReplica, nil
	})
}

// The operator's lease, and its holder while the operator must not lead.
const (
	leaseName      = "manager.numberfleet.dev"
	anotherReplica = "another-replica"
)

// lease writes who holds the lease. That spares the quarter of a minute for which a killed leader's lease lasts, and keeps
// the operator from leading as another replica would.
func (t *torture) lease(ctx context.Context, holder string) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, rig.Patience, true, func(ctx context.Context) (bool, error) {
		lease := &coordinationv1.Lease{}
		last = t.api.Get(ctx, client.ObjectKey{Namespace: rig.Namespace, Name: leaseName}, lease)
		missing := client.IgnoreNotFound(last) == nil && last != nil
		lease.Namespace, lease.Name = rig.Namespace, leaseName
		lease.Spec.HolderIdentity = &holder
		lease.Spec.LeaseDurationSeconds = new(int32(3600))
		lease.Spec.RenewTime = new(metav1.NewMicroTime(real.Now()))
		switch {
		case missing:
			last = t.api.Create(ctx, lease)
		case last == nil:
			last = t.api.Update(ctx, lease)
		}
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("write the lease: %w", errors.Join(err, last))
	}
	return nil
}
