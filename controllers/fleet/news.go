package fleet

import (
	"context"
	"errors"

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
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, queue queue) { r.declare(ctx, queue, e.Object) },
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

// declare enqueues what a declaration concerns. Whoever has a limit may change with it, so numbers come with the portfolios that they
// name, of which everything is read anew.
func (r *Reconciler) declare(ctx context.Context, queue adder, object client.Object) {
	c := matches{ctx: ctx, reader: r.Cache}
	switch o := object.(type) {
	case *v1alpha1.PhoneNumber:
		c.numbers = append(c.numbers, *o)
		c.addNumbers(lookup.SubjectIndex, o.Spec.PhoneNumber) // one of them is served
		if account := o.Spec.Business.WhatsAppBusinessAccountID; account != "" {
			c.addTemplates(lookup.AccountIndex, account, client.InNamespace(o.Namespace))
		}
	case *v1alpha1.BusinessPortfolio:
		c.portfolios = append(c.portfolios, *o)
		if o.Spec.PortfolioID != "" {
			c.addPortfolios(lookup.SubjectIndex, lookup.PortfolioSubject(o).String()) // one of them is served
		}
		c.addNumbers(lookup.PortfolioIndex, o.Name)
	case *v1alpha1.MessageTemplate:
		c.templates = append(c.templates, *o)
		c.addTemplates(lookup.SubjectIndex, lookup.TemplateSubject(o).String(), client.InNamespace(o.Namespace)) // one of them is served
		c.addNumbers(lookup.AccountIndex, o.Spec.WhatsAppBusinessAccountID, client.InNamespace(o.Namespace))
	case *v1alpha1.MessagingPolicy:
		for _, name := range []string{o.Name, ""} { // those that name no policy may be governed by any, once it is the default
			c.addNumbers(lookup.PolicyIndex, name)
			c.addPortfolios(lookup.PolicyIndex, name)
			c.addTemplates(lookup.PolicyIndex, name)
		}
	}
	c.log()
	for i := range c.numbers {
		queue.Add(lookup.NumberKey(&c.numbers[i]))
		if name := c.numbers[i].Spec.Business.Portfolio; name != "" {
			r.enqueue(queue, name, lookup.PortfolioKey(name))
		}
	}
	for i := range c.portfolios {
		r.enqueue(queue, c.portfolios[i].Name, lookup.PortfolioKey(c.portfolios[i].Name))
	}
	for i := range c.templates {
		queue.Add(lookup.TemplateKey(&c.templates[i]))
	}
}

// Receive enqueues what something was received about. Nobody may name it yet; the ledger keeps what came until someone does.
func (r *Reconciler) Receive(ctx context.Context, queue adder, subject string) {
	c := matches{ctx: ctx, reader: r.Cache}
	c.addNumbers(lookup.SubjectIndex, subject)
	c.addPortfolios(lookup.SubjectIndex, subject)
	c.addTemplates(lookup.SubjectIndex, subject)
	for i := range c.numbers {
		r.enqueueNumber(queue, &c.numbers[i], lookup.NumberKey(&c.numbers[i]))
	}
	for i := range c.portfolios {
		queue.Add(lookup.PortfolioKey(c.portfolios[i].Name))
	}
	for i := range c.templates {
		t := &c.templates[i]
		queue.Add(lookup.TemplateKey(t))
		senders := matches{ctx: ctx, reader: r.Cache}
		senders.addNumbers(lookup.AccountIndex, t.Spec.WhatsAppBusinessAccountID, client.InNamespace(t.Namespace))
		for j := range senders.numbers {
			r.enqueueNumber(queue, &senders.numbers[j], lookup.TemplateKey(t))
		}
		senders.log()
	}
	c.log()
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
		r.enqueueNumber(queue, n, of)
	}
}

// enqueueNumber enqueues a number about which something came, or about a template of which something did: with the portfolio whose
// limit it shares, or by itself. One that was never evaluated may be either.
func (r *Reconciler) enqueueNumber(queue adder, n *v1alpha1.PhoneNumber, moved lookup.Key) {
	shares := n.Status.Portfolio
	if n.Status.Tier.Name == "" {
		shares = n.Spec.Business.Portfolio
	}
	if shares != "" {
		r.enqueue(queue, shares, moved)
	}
	if n.Status.Portfolio == "" {
		queue.Add(lookup.NumberKey(n))
	}
}

// enqueue enqueues a portfolio of which a member has moved.
func (r *Reconciler) enqueue(queue adder, portfolio string, moved lookup.Key) {
	r.move(portfolio, moved)
	queue.Add(lookup.PortfolioKey(portfolio))
}

// matches are the resources that something concerns. They are the cache's own, only to be read.
type matches struct {
	ctx        context.Context
	reader     client.Reader
	numbers    []v1alpha1.PhoneNumber
	portfolios []v1alpha1.BusinessPortfolio
	templates  []v1alpha1.MessageTemplate
	errs       []error
}

func (c *matches) addNumbers(index, value string, in ...client.ListOption) {
	found, err := lookup.Numbers(c.ctx, c.reader, index, value, in...)
	c.numbers, c.errs = append(c.numbers, found...), append(c.errs, err)
}

func (c *matches) addPortfolios(index, value string) {
	found, err := lookup.PortfoliosWith(c.ctx, c.reader, index, value)
	c.portfolios, c.errs = append(c.portfolios, found...), append(c.errs, err)
}

func (c *matches) addTemplates(index, value string, in ...client.ListOption) {
	found, err := lookup.TemplatesWith(c.ctx, c.reader, index, value, in...)
	c.templates, c.errs = append(c.templates, found...), append(c.errs, err)
}

// log logs what could not be looked up, since the queue has nobody else to tell.
func (c *matches) log() {
	if err := errors.Join(c.errs...); err != nil {
		log.FromContext(c.ctx).Error(err, "cannot look up all that a change concerns")
	}
}
