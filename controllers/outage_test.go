package controllers_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/fleet"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/report"
)

func TestARestartRepeatsNothing(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("quality-based")
	b.Deliver(number.Spec.PhoneNumber, 1000)
	b.Report(number.Spec.PhoneNumber, report.Quality, "Low")
	b.Evaluate(number)
	before, version := controllertest.History(number), number.ResourceVersion
	if len(before) == 0 {
		t.Fatal("nothing happened")
	}
	b.Reasons()
	b.Metrics, b.Throttle = reconciler.NewMetrics(prometheus.NewRegistry()), controllertest.Unthrottled()
	b.Evaluate(number)
	if after := controllertest.History(number); !slices.Equal(after, before) || number.ResourceVersion != version || len(b.Reasons()) != 0 {
		t.Errorf("after a restart the history is %q, it was %q", after, before)
	}
}

func TestAnOutageOfTheAPIServerLosesAndRepeatsNothing(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("botmaker")
	b.Evaluate(number)
	outage := true
	b.Client = failing{b.Client, &outage}
	b.Report(number.Spec.PhoneNumber, report.Quality, "Low")
	for range 3 {
		if _, err := (&fleet.Reconciler{Operator: b.Operator}).Reconcile(b.Ctx, lookup.NumberKey(number)); err == nil {
			t.Fatal("a write that failed is tried again")
		}
		b.FakeClock.Advance(time.Minute)
	}
	if got := b.Reasons(); len(got) != 0 {
		t.Fatalf("%q were announced before they were written", got)
	}
	outage = false
	b.Evaluate(number)
	b.Evaluate(number)
	if got, want := controllertest.History(number), []string{"2026-03-02 09:00:00 QualityChanged", "2026-03-02 09:00:00 Flagged"}; !slices.Equal(got, want) {
		t.Errorf("the history is %q, not %q", got, want)
	}
	if got, want := b.Reasons(), []string{"QualityChanged", "Flagged"}; !slices.Equal(got, want) {
		t.Errorf("the events are %q, not %q", got, want)
	}
}

// failing is a client whose status writes fail during an outage.
type failing struct {
	client.Client
	outage *bool
}

func (f failing) Status() client.SubResourceWriter { return failingStatus{f.Client.Status(), f.outage} }

type failingStatus struct {
	client.SubResourceWriter
	outage *bool
}

func (f failingStatus) Apply(ctx context.Context, obj runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
	if *f.outage {
		return errors.New("the API server is away")
	}
	return f.SubResourceWriter.Apply(ctx, obj, opts...)
}

// counting is a client that counts the status writes of a namespace.
type counting struct {
	client.Client
	namespace string
	writes    *atomic.Int64
}

func (c counting) Status() client.SubResourceWriter {
	return countingStatus{c.Client.Status(), c.namespace, c.writes}
}

type countingStatus struct {
	client.SubResourceWriter
	namespace string
	writes    *atomic.Int64
}

func (c countingStatus) Apply(ctx context.Context, obj runtime.ApplyConfiguration, opts ...client.SubResourceApplyOption) error {
	// The portfolio of a test is named as its namespace.
	of := obj.(interface {
		GetName() *string
		GetNamespace() *string
	})
	if namespace, name := of.GetNamespace(), of.GetName(); namespace != nil && *namespace == c.namespace || *name == c.namespace {
		c.writes.Add(1)
	}
	return c.SubResourceWriter.Apply(ctx, obj, opts...)
}

// outdated is a client that reads a number as it was.
type outdated struct {
	client.Client
	was *v1alpha1.PhoneNumber
}

func (o outdated) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if number, ok := obj.(*v1alpha1.PhoneNumber); ok {
		o.was.DeepCopyInto(number)
		return nil
	}
	return o.Client.Get(ctx, key, obj, opts...)
}

func TestTwoLeadersMakeATransitionOnce(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("botmaker")
	b.Evaluate(number)
	stale := number.DeepCopy()
	b.Report(number.Spec.PhoneNumber, report.Quality, "Low")
	b.Evaluate(number)
	b.Reasons()

	// The other leader still sees the status from before.
	b.Client = outdated{b.Client, stale}
	b.FakeClock.Advance(time.Hour)
	result, err := (&fleet.Reconciler{Operator: b.Operator}).Reconcile(b.Ctx, lookup.NumberKey(number))
	b.Must(err)
	if result.RequeueAfter == 0 {
		t.Error("it does not look again")
	}
	b.Must(b.Direct.Get(b.Ctx, client.ObjectKeyFromObject(number), number))
	if got := b.Reasons(); len(got) != 0 {
		t.Errorf("it announces %q again", got)
	}
	if got := controllertest.History(number); len(got) != 2 {
		t.Errorf("the history is %q", got)
	}
}

func TestALedgerThatWasLostStartsAnew(t *testing.T) {
	b := controllertest.New(t)
	number := b.Create("botmaker")
	for _, rating := range []string{"High", "Medium", "High"} {
		b.Report(number.Spec.PhoneNumber, report.Quality, rating)
		b.FakeClock.Advance(time.Hour)
	}
	b.Evaluate(number)
	if number.Status.ObservedReport != 3 {
		t.Fatalf("%d reports are seen", number.Status.ObservedReport)
	}
	b.Ledger = ledger.OpenMemory()
	b.Report(number.Spec.PhoneNumber, report.Quality, "Low")
	b.Evaluate(number)
	if number.Status.Quality.Rating != v1alpha1.QualityLow {
		t.Errorf("the first report of the new ledger is not seen: %s", number.Status.Quality.Rating)
	}
}
