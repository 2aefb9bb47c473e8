// Package pool tells the gate which numbers send for a NumberPool, and shows in its status what they may send together. Which number sends
// to whom the gate decides at the instant of a reservation: see counts.PoolSetting.
package pool

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/internal/gate/settings"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/standing"
	"numberfleet.dev/numberfleet/internal/tracing"
)

// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=numberpools,verbs=list;watch
// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=numberpools/status,verbs=patch

// Reconciler keeps the gate and the statuses of pools at what their numbers are and may send.
type Reconciler struct {
	reconciler.Operator
	Standing *standing.Source
}

// afterConflict is how soon it is decided again on what another has written.
const afterConflict = 100 * time.Millisecond

// Reconcile brings a pool up to now.
func (r *Reconciler) Reconcile(ctx context.Context, key lookup.Key) (_ ctrl.Result, err error) {
	ctx, span := reconciler.Trace(ctx, "decide", key)
	defer func() { tracing.End(span, err) }()
	p := &v1alpha1.NumberPool{}
	err = r.Client.Get(ctx, key.NamespacedName, p)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	if err != nil || !p.DeletionTimestamp.IsZero() {
		r.Throttle.Forget(key)
		return ctrl.Result{}, r.configure(counts.PoolSetting{Name: counts.PoolName(key.Namespace, key.Name), Removed: true})
	}
	view, err := r.Standing.Now()
	if err != nil {
		return ctrl.Result{}, err
	}
	stands := view.Pool(p)
	if err := r.configure(settings.Pool(p, stands.Numbers())); err != nil { // before the status: what that says may be sent, the gate knows already
		return ctrl.Result{}, err
	}
	change := evaluate(p, &stands, view)
	written, err := r.Write(ctx, []*reconciler.Change{change}, view.Time)
	switch {
	case err != nil:
		return ctrl.Result{}, err
	case !written:
		return ctrl.Result{RequeueAfter: afterConflict}, nil
	}
	return r.Result(r.Sleep(change)), nil
}

func (r *Reconciler) configure(p counts.PoolSetting) error {
	if err := r.Ledger.Configure(counts.Settings{Pools: []counts.PoolSetting{p}}); err != nil {
		return fmt.Errorf("configure the gate: %w", err)
	}
	return nil
}

// queue is that of the controller.
type queue = workqueue.TypedRateLimitingInterface[lookup.Key]

// SetupWithManager registers the controller. The indexes must be there (see lookup.SetupIndexes).
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	options := reconciler.Options[lookup.Key](r.Concurrency)
	options.Reconciler = r
	c, err := controller.NewTyped("pool", mgr, options)
	if err != nil {
		return err
	}
	start := func(_ context.Context, queue queue) error {
		r.Throttle.Subscribe(lookup.NumberPool, queue.Add)
		for _, p := range r.Ledger.Settings().Pools { // one may have been deleted while nobody watched
			namespace, name, _ := strings.Cut(p.Name, "/")
			queue.Add(lookup.PoolKey(namespace, name))
		}
		return nil
	}
	if err := c.Watch(source.TypedFunc[lookup.Key](start)); err != nil {
		return err
	}
	for _, watch := range []struct {
		kind      client.Object
		predicate predicate.Predicate
	}{
		{&v1alpha1.NumberPool{}, predicate.GenerationChangedPredicate{}},
		{&v1alpha1.PhoneNumber{}, reconciler.SinceStart},
		{&v1alpha1.BusinessPortfolio{}, reconciler.SinceStart},
	} {
		if err := c.Watch(source.TypedKind[client.Object](mgr.GetCache(), watch.kind, r.changes(), watch.predicate)); err != nil {
			return err
		}
	}
	return nil
}

// changes enqueues the pools that a change concerns. A burst of changes is one reconcile.
func (r *Reconciler) changes() handler.TypedEventHandler[client.Object, lookup.Key] {
	enqueue := func(queue queue, objects ...client.Object) {
		for _, object := range objects {
			for _, p := range r.concerned(object) {
				queue.AddAfter(lookup.PoolKey(p.Namespace, p.Name), r.BatchPeriod)
			}
		}
	}
	return handler.TypedFuncs[client.Object, lookup.Key]{
		CreateFunc: func(_ context.Context, e event.CreateEvent, queue queue) { enqueue(queue, e.Object) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, queue queue) {
			enqueue(queue, e.ObjectOld, e.ObjectNew)
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, queue queue) {
			if _, is := e.Object.(*v1alpha1.NumberPool); is {
				queue.Add(lookup.PoolKey(e.Object.GetNamespace(), e.Object.GetName()))
			}
			enqueue(queue, e.Object)
		},
	}
}

// concerned are the pools that an object concerns: those of its numbers. A pool concerns those that share its numbers too.
func (r *Reconciler) concerned(object client.Object) []*v1alpha1.NumberPool {
	resources, err := r.Standing.Resources()
	if err != nil { // all pools are told of when they are known
		return nil
	}
	var concerned []*v1alpha1.NumberPool
	var numbers []*v1alpha1.PhoneNumber
	switch o := object.(type) {
	case *v1alpha1.PhoneNumber:
		numbers = []*v1alpha1.PhoneNumber{o}
	case *v1alpha1.BusinessPortfolio:
		numbers = resources.Sharing(o.Name)
	case *v1alpha1.NumberPool:
		concerned, numbers = []*v1alpha1.NumberPool{o}, resources.Selected(o)
	}
	for _, n := range numbers {
		concerned = append(concerned, resources.SelectedBy(n)...)
	}
	return concerned
}
