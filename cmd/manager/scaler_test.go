package main

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
	pb "numberfleet.dev/numberfleet/internal/scaler/externalscaler"
)

// The scaler of one operator, end to end: what is delivered is gone from what remains, a new tier moves the target, and a number that is
// suspended is inactive, all without being asked again.
func TestTheScalerEndToEnd(t *testing.T) {
	t.Parallel()
	o, api := newOperator(t)
	address := freeAddress(t)
	o.more = []string{"--scaler-bind-address=" + address}
	o.start()
	o.ready()
	number := &v1alpha1.PhoneNumber{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "sales"},
		Spec:       v1alpha1.PhoneNumberSpec{PhoneNumber: "+15550100061", PolicyName: "quality-based"},
	}
	if err := api.Create(t.Context(), number); err != nil {
		t.Fatal(err)
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	keda := pb.NewExternalScalerClient(connection)
	of := &pb.ScaledObjectRef{Name: "sender", Namespace: "default", ScalerMetadata: map[string]string{"phoneNumber": "sales", "targetValue": "10%"}}
	o.within("the operator has heard of the number", func() bool {
		is, err := keda.IsActive(ctx, of, grpc.WaitForReady(true))
		return err == nil && is.GetResult()
	})
	active, err := keda.StreamIsActive(ctx, of)
	if err != nil {
		t.Fatal(err)
	}
	specs, err := keda.StreamMetricSpec(ctx, of)
	if err != nil {
		t.Fatal(err)
	}
	isActive := func(want bool) {
		t.Helper()
		if is, err := active.Recv(); err != nil || is.GetResult() != want {
			t.Errorf("active: %v, %v", is, err)
		}
	}
	target := func(want float64) {
		t.Helper()
		if is, err := specs.Recv(); err != nil || is.GetMetricSpecs()[0].GetTargetSizeFloat() != want {
			t.Errorf("the target is %v, %v, want %v", is, err, want)
		}
	}
	isActive(true)
	target(100)

	var statuses []metatest.Status
	for i := range 500 {
		statuses = append(statuses, metatest.Status{ID: fmt.Sprint("wamid.", i), Status: "delivered", Phone: fmt.Sprintf("1557777%04d", i), At: time.Now()}) // the operator under test runs on real time
	}
	o.take(metatest.MessagesPayload(number.Spec.PhoneNumber, statuses, nil))
	target(1000)
	is, err := keda.GetMetrics(ctx, &pb.GetMetricsRequest{ScaledObjectRef: of, MetricName: "remaining"})
	if err != nil || is.GetMetricValues()[0].GetMetricValueFloat() != 9500 {
		t.Errorf("%v remain, %v", is, err)
	}

	raisedBy500(t, api, number)
	patch := client.MergeFrom(number.DeepCopy())
	number.Spec.Activity = v1alpha1.Suspended
	if err := api.Patch(ctx, number, patch); err != nil {
		t.Fatal(err)
	}
	isActive(false)
}
