package fleet

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
)

// queue is that of the controller.
type queue = workqueue.TypedRateLimitingInterface[lookup.Key]

// adder is as much of a queue as enqueuing needs.
type adder interface{ Add(key lookup.Key) }

// SetupWithManager registers the controller. The indexes must be there (see lookup.SetupIndexes).
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	options := reconciler.Options[lookup.Key](r.Concurrency)
	options.Reconciler = r
	c, err := controller.NewTyped("fleet", mgr, options)
	if err != nil {
		return err
	}
	received := reconciler.Subscribe(r.BatchPeriod, r.Ledger, r.Samples, r.Receipts)
	start := func(ctx context.Context, queue queue) error {
		for _, kind := range []string{lookup.PhoneNumber, lookup.BusinessPortfolio} {
			r.Throttle.Subscribe(kind, func(of lookup.Key) { r.turn(ctx, queue, of) })
		}
		for _, name := range r.Ledger.Portfolios() { // one may have been deleted while nobody watched
			queue.Add(lookup.PortfolioKey(name))
		}
		for _, key := range r.configured() {
			queue.Add(key)
		}
		go r.listen(ctx, queue)
		go received.Run(ctx, func(ctx context.Context, subject string) { r.Receive(ctx, queue, subject) })
		return nil
	}
	if err := c.Watch(source.TypedFunc[lookup.Key](start)); err != nil {
		return err
	}
	for _, watch := range []struct {
		kind      client.Object
		predicate predicate.Predicate
	}{
		// The statuses are ours: only what people declare is news.
		{&v1alpha1.PhoneNumber{}, predicate.GenerationChangedPredicate{}},
		{&v1alpha1.BusinessPortfolio{}, predicate.GenerationChangedPredicate{}},
		// What a template shows, shows on the numbers that send it.
		{&v1alpha1.MessageTemplate{}, predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Predicate(templateShows))},
		{&v1alpha1.MessagingPolicy{}, reconciler.PolicyChanged},
	} {
		if err := c.Watch(source.TypedKind[client.Object](mgr.GetCache(), watch.kind, handler.WithLowPriorityWhenUnchanged(r.declarations()), watch.predicate)); err != nil {
			return err
		}
	}
	return nil
}

// templateShows lets a template through whose state or rating changed.
var templateShows = predicate.Funcs{
	CreateFunc: func(event.CreateEvent) bool { return false },
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := &e.ObjectOld.(*v1alpha1.MessageTemplate).Status, &e.ObjectNew.(*v1alpha1.MessageTemplate).Status
		return before.State != after.State || before.Quality.Rating != after.Quality.Rating
	},
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// declarations enqueues what a resource concerns that was declared, changed or deleted. At a start each resource is enqueued by itself.
func (r *Reconciler) declarations() handler.TypedEventHandler[client.Object, lookup.Key] {
	return handler.TypedFuncs[client.Object, lookup.Key]{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, queue queue) {
			if e.IsInInitialList {
				queue.Add(own(e.Object))
				return
			}
			r.declare(ctx, queue, e.Object)
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, queue queue) {
			r.declare(ctx, queue, e.ObjectOld)
			r.declare(ctx, queue, e.ObjectNew)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, queue queue) {
			queue.Add(subject(e.Object))
			r.declare(ctx, queue, e.Object)
		},
	}
}

// own is the key of a resource by itself.
func own(object client.Object) lookup.Key {
	switch o := object.(type) {
	case *v1alpha1.PhoneNumber:
		return lookup.NumberKey(o)
	case *v1alpha1.BusinessPortfolio:
		return lookup.PortfolioKey(o.Name)
	case *v1alpha1.MessageTemplate:
		return lookup.TemplateKey(o)
	}
	return lookup.Key{}
}

// subject is the key of what a resource was about that is gone.
func subject(object client.Object) lookup.Key {
	switch o := object.(type) {
	case *v1alpha1.PhoneNumber:
		return lookup.SubjectKey("", o.Spec.PhoneNumber)
	case *v1alpha1.MessageTemplate:
		return lookup.SubjectKey(o.Namespace, lookup.TemplateSubject(o).String())
	default:
		return own(object)
	}
}

// declare enqueues what a declaration concerns. Whoever has a limit may change with it, so numbers come with the portfolios that they
// name, of which everything is read anew, and with the templates that they send: those are reconciled with whoever depends on them.
func (r *Reconciler) declare(ctx context.Context, queue adder, object client.Object) {
	var numbers []v1alpha1.PhoneNumber
	var portfolios []v1alpha1.BusinessPortfolio
	var templates []v1alpha1.MessageTemplate
	switch o := object.(type) {
	case *v1alpha1.PhoneNumber:
		numbers = append(r.numbers(ctx, lookup.SubjectIndex, o.Spec.PhoneNumber), *o) // one of them is served
		templates = r.sent(ctx, numbers)
	case *v1alpha1.BusinessPortfolio:
		portfolios = append(portfolios, *o)
		if subject := lookup.PortfolioSubject(o).String(); subject != "" {
			portfolios = append(portfolios, r.portfoliosWith(ctx, lookup.SubjectIndex, subject)...) // one of them is served
		}
		numbers = r.numbers(ctx, lookup.PortfolioIndex, o.Name)
		templates = r.sent(ctx, numbers)
	case *v1alpha1.MessageTemplate:
		templates = append(r.templates(ctx, lookup.SubjectIndex, lookup.TemplateSubject(o).String(), client.InNamespace(o.Namespace)), *o) // one of them is served
		numbers = r.senders(ctx, templates)
	case *v1alpha1.MessagingPolicy:
		for _, name := range []string{o.Name, ""} { // those that name no policy may be governed by any, once it is the default
			numbers = append(numbers, r.numbers(ctx, lookup.PolicyIndex, name)...)
			portfolios = append(portfolios, r.portfoliosWith(ctx, lookup.PolicyIndex, name)...)
			templates = append(templates, r.templates(ctx, lookup.PolicyIndex, name)...)
		}
		numbers = append(numbers, r.senders(ctx, templates)...)
		templates = append(templates, r.sent(ctx, numbers)...)
	}
	for i := range numbers {
		queue.Add(lookup.NumberKey(&numbers[i]))
		if name := numbers[i].Spec.Business.Portfolio; name != "" {
			r.enqueue(queue, name, lookup.PortfolioKey(name))
		}
	}
	for i := range portfolios {
		r.enqueue(queue, portfolios[i].Name, lookup.PortfolioKey(portfolios[i].Name))
	}
	for i := range templates {
		queue.Add(lookup.TemplateKey(&templates[i]))
	}
}

// Receive enqueues what something was received about. Nobody may name it yet; the ledger keeps what came until someone does.
func (r *Reconciler) Receive(ctx context.Context, queue adder, subject string) {
	for _, n := range r.numbers(ctx, lookup.SubjectIndex, subject) {
		r.enqueueNumber(ctx, queue, &n, lookup.NumberKey(&n))
	}
	// A limit that another cluster set, and has removed, is this one's from now on.
	if name, shared := strings.CutPrefix(subject, counts.PortfolioKey("")); shared && !r.Ledger.HasLimit(subject) {
		r.enqueue(queue, name, lookup.PortfolioKey(name))
	}
	for _, p := range r.portfoliosWith(ctx, lookup.SubjectIndex, subject) {
		queue.Add(lookup.PortfolioKey(p.Name))
	}
	for _, t := range r.templates(ctx, lookup.SubjectIndex, subject) {
		queue.Add(lookup.TemplateKey(&t))
		for _, n := range r.numbers(ctx, lookup.AccountIndex, t.Spec.WhatsAppBusinessAccountID, client.InNamespace(t.Namespace)) {
			r.enqueueNumber(ctx, queue, &n, lookup.TemplateKey(&t))
		}
	}
}

// listen enqueues, whenever webhooks can be received again or no more, the numbers of which nothing comes.
func (r *Reconciler) listen(ctx context.Context, queue adder) {
	changed := make(chan struct{}, 1)
	r.Webhooks.Subscribe(func() {
		select {
		case changed <- struct{}{}:
		default: // it is looked at already
		}
	})
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		var all v1alpha1.PhoneNumberList
		if err := r.Cache.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
			log.FromContext(ctx).Error(err, "cannot look up the numbers of which nothing comes")
		}
		for i := range all.Items {
			n := &all.Items[i]
			if !meta.IsStatusConditionTrue(n.Status.Conditions, v1alpha1.ConditionUsageFresh) {
				r.enqueueNumber(ctx, queue, n, lookup.NumberKey(n))
			}
		}
	}
}

// turn enqueues a resource whose counts may be written now.
func (r *Reconciler) turn(ctx context.Context, queue adder, of lookup.Key) {
	if of.Kind != lookup.PhoneNumber {
		queue.Add(of)
		return
	}
	n := &v1alpha1.PhoneNumber{}
	if err := r.Cache.Get(ctx, of.NamespacedName, n); client.IgnoreNotFound(err) != nil {
		log.FromContext(ctx).Error(err, "cannot look up a number whose counts may be written")
	} else if err == nil {
		r.enqueueNumber(ctx, queue, n, of)
	}
}

// enqueueNumber enqueues a number about which something came, or about a template of which something did: with the portfolio whose
// limit it shares, or by itself. The status does not say which while the number goes over from one to the other.
func (r *Reconciler) enqueueNumber(ctx context.Context, queue adder, n *v1alpha1.PhoneNumber, moved lookup.Key) {
	if _, shares, err := r.policyOf(ctx, n); err == nil && shares != nil {
		r.enqueue(queue, shares.Name, moved)
	} else {
		queue.Add(lookup.NumberKey(n)) // also where there is an error: its own reconcile meets it again
	}
}

// enqueue enqueues a portfolio of which a member has moved.
func (r *Reconciler) enqueue(queue adder, portfolio string, moved lookup.Key) {
	r.move(portfolio, moved)
	queue.Add(lookup.PortfolioKey(portfolio))
}

// The resources that an index has under a value. What cannot be looked up is logged, since the queue has nobody else to tell.

func (r *Reconciler) numbers(ctx context.Context, index, value string, in ...client.ListOption) []v1alpha1.PhoneNumber {
	found, err := lookup.Numbers(ctx, r.Cache, index, value, in...)
	return logged(ctx, found, err)
}

func (r *Reconciler) portfoliosWith(ctx context.Context, index, value string) []v1alpha1.BusinessPortfolio {
	found, err := lookup.PortfoliosWith(ctx, r.Cache, index, value)
	return logged(ctx, found, err)
}

func (r *Reconciler) templates(ctx context.Context, index, value string, in ...client.ListOption) []v1alpha1.MessageTemplate {
	found, err := lookup.TemplatesWith(ctx, r.Cache, index, value, in...)
	return logged(ctx, found, err)
}

// account is a WhatsApp Business account in a namespace: its numbers send its templates.
type account struct{ namespace, id string }

// senders are the numbers of the accounts of templates.
func (r *Reconciler) senders(ctx context.Context, templates []v1alpha1.MessageTemplate) (all []v1alpha1.PhoneNumber) {
	accounts := sets.Set[account]{}
	for i := range templates {
		accounts.Insert(account{templates[i].Namespace, templates[i].Spec.WhatsAppBusinessAccountID})
	}
	for of := range accounts {
		all = append(all, r.numbers(ctx, lookup.AccountIndex, of.id, client.InNamespace(of.namespace))...)
	}
	return all
}

// sent are the templates of the accounts of numbers.
func (r *Reconciler) sent(ctx context.Context, numbers []v1alpha1.PhoneNumber) (all []v1alpha1.MessageTemplate) {
	accounts := sets.Set[account]{}
	for i := range numbers {
		accounts.Insert(account{numbers[i].Namespace, numbers[i].Spec.Business.WhatsAppBusinessAccountID})
	}
	for of := range accounts {
		if of.id != "" {
			all = append(all, r.templates(ctx, lookup.AccountIndex, of.id, client.InNamespace(of.namespace))...)
		}
	}
	return all
}

func logged[O any](ctx context.Context, found []O, err error) []O {
	if err != nil {
		log.FromContext(ctx).Error(err, "cannot look up all that a change concerns")
	}
	return found
}
