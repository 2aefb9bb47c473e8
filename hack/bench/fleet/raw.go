package fleet

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// form is a way to write a status.
type form struct {
	verb    string
	workers int
}

func (f form) String() string { return fmt.Sprintf("%s, %d at a time", f.verb, f.workers) }

// forms are all that are compared. The operator applies, 8 at a time.
var (
	applies = []form{{"apply", 8}, {"apply", 32}}
	forms   = append([]form{{"update", 8}, {"update", 32}, {"patch", 8}, {"patch", 32}}, applies...)
)

// writeRaw writes a status as a bare client would, in each form, to numbers that had none and go again.
func (f *fleet) writeRaw(ctx context.Context) error {
	for _, form := range forms {
		numbers := make([]*v1alpha1.PhoneNumber, f.plan.raw)
		err := each(ctx, creators, len(numbers), func(ctx context.Context, i int) error {
			numbers[i] = phoneNumber(rawNamespace, i, generalPolicy)
			return f.client.Create(ctx, numbers[i])
		})
		if err != nil {
			return err
		}
		before, err := f.serverCPU()
		if err != nil {
			return err
		}
		start := time.Now()
		err = each(ctx, form.workers, len(numbers), func(ctx context.Context, i int) error {
			return f.write(ctx, form.verb, numbers[i])
		})
		if err != nil {
			return fmt.Errorf("%s: %w", form, err)
		}
		f.out.raw[form] = append(f.out.raw[form], float64(len(numbers))/time.Since(start).Seconds())
		after, err := f.serverCPU()
		if err != nil {
			return err
		}
		f.out.rawCPU[form] = append(f.out.rawCPU[form], (after-before).Seconds()*1000/float64(len(numbers)))
		if err := f.client.DeleteAllOf(ctx, &v1alpha1.PhoneNumber{}, client.InNamespace(rawNamespace)); err != nil {
			return err
		}
	}
	return nil
}

// write gives a number the status that is typical of the fleet.
func (f *fleet) write(ctx context.Context, verb string, number *v1alpha1.PhoneNumber) error {
	before := number.DeepCopy()
	f.typical.DeepCopyInto(&number.Status)
	switch verb {
	case "update":
		return f.client.Status().Update(ctx, number)
	case "patch":
		return f.client.Status().Patch(ctx, number, client.MergeFrom(before))
	}
	status, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&number.Status)
	if err != nil {
		return err
	}
	applied := &unstructured.Unstructured{Object: map[string]any{"status": status}}
	applied.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("PhoneNumber"))
	applied.SetNamespace(number.Namespace)
	applied.SetName(number.Name)
	applied.SetResourceVersion(number.ResourceVersion)
	return f.client.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner("measures"), client.ForceOwnership)
}
