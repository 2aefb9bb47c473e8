// Package account reads WhatsApp Business accounts from Meta's Graph API: what Meta does not announce becomes reports in
// the ledger.
package account

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
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
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/config"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/meta/graph"
)

// Poller reads from Meta's Graph API what Meta does not announce, and puts it into the ledger as a webhook would have.
//
// It reads accounts, not numbers: one call tells of a hundred numbers, and Meta counts calls. Each account has instants of
// its own, at which it is read; see instantAfter. A read that says nothing new writes nothing.
type Poller struct {
	Config config.GraphAPI
	Client client.Client
	// Clock of the rules, which reports carry. Meta's allowance is counted by it too.
	Clock   reconciler.Clock
	Ledger  *ledger.Ledger
	Metrics *Metrics
	// Presence is since when the operator is there to receive.
	Presence reconciler.Presence
	// Apps are Meta's ids of the operator's apps that get the webhooks of an account; none where not all of them are known.
	Apps func(account string) []string
	// UserAgent is sent with every call.
	UserAgent string
	// Timeout bounds a call; graph.DefaultTimeout where it is zero.
	Timeout time.Duration

	accounts map[string]*account // by Meta's id
}

// account is an account that is read, and how it went so far. Its reconciles come one after the other; the mutex is for the
// metrics.
type account struct {
	id           string
	client       *graph.Client
	limiter      *graph.Limiter
	token        *tokenFile
	calls        int       // that a read takes, as far as is known
	last         *visit    // what there is yet to conclude from; nil once that is done
	refusedUntil time.Time // the token was: before this time only another one is tried
	// templatesRead is when all templates were read last, or there were none; at first, when the reading began.
	templatesRead time.Time
	began         time.Time // when this process began to read

	comparisons map[types.UID]comparison // of the numbers' deliveries with what Meta tells

	mu       sync.Mutex
	read     time.Time // when all of it was read last, or there was nothing to read; at first, when the reading began
	next     time.Time // nothing is read before
	failures int       // since the last success
}

// visit is a read of an account, as it came out.
type visit struct {
	at     time.Time
	found  *readout // nil if nothing was told
	failed error    // an *graph.Error, nil if everything was told
	// templates are what was told of those, if there are any resources about them.
	templates templateReadout
}

const (
	// maxReads is how many accounts are read at a time.
	maxReads = 4
	// longestRead bounds the read of one account, in real time.
	longestRead = 5 * time.Minute
	// leastPollBackoff is how soon a read that failed is tried again, by the clock and before jitter.
	leastPollBackoff = 30 * time.Second
	// looks is how often within a period it is tried at least whether a failure is over; after a refused token, by a look into
	// its file.
	looks = 8
)

// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=phonenumbers;messagetemplates,verbs=get;list;watch
// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=phonenumbers/status;messagetemplates/status,verbs=patch

// SetupWithManager registers the controller. The indexes must be there (see SetupIndexes). Without accounts all it does is
// to take its condition from numbers that were read before.
func (p *Poller) SetupWithManager(mgr ctrl.Manager) error {
	if err := p.open(); err != nil {
		return err
	}
	p.Metrics.collect(p.accounts, p.Clock)
	c, err := controller.NewTyped("poll", mgr, controller.TypedOptions[string]{
		Reconciler:              p,
		MaxConcurrentReconciles: maxReads,
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[string](time.Second, 5*time.Minute),
		LogConstructor: func(account *string) logr.Logger {
			logger := mgr.GetLogger().WithValues("controller", "poll")
			if account != nil {
				logger = logger.WithValues("account", *account)
			}
			return logger
		},
	})
	if err != nil {
		return err
	}
	if err := c.Watch(source.TypedFunc[string](p.begin)); err != nil {
		return err
	}
	stops := func(o client.Object) bool { return p.stops(o.(v1alpha1.Object)) }
	var failures []error
	for _, kind := range []client.Object{&v1alpha1.PhoneNumber{}, &v1alpha1.MessageTemplate{}} {
		ids := handler.TypedEnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []string { return []string{accountOf(o)} })
		failures = append(failures, c.Watch(source.TypedKind[client.Object](mgr.GetCache(), kind, ids, predicate.Funcs{
			CreateFunc:  func(e event.CreateEvent) bool { return stops(e.Object) },
			UpdateFunc:  func(e event.UpdateEvent) bool { return stops(e.ObjectNew) },
			DeleteFunc:  func(event.DeleteEvent) bool { return false },
			GenericFunc: func(event.GenericEvent) bool { return false },
		})))
	}
	return errors.Join(failures...)
}

// accountOf is the account that a number or a template names.
func accountOf(object client.Object) string {
	switch o := object.(type) {
	case *v1alpha1.PhoneNumber:
		return o.Spec.Business.WhatsAppBusinessAccountID
	case *v1alpha1.MessageTemplate:
		return o.Spec.WhatsAppBusinessAccountID
	}
	return ""
}

// open makes the accounts ready to be read.
func (p *Poller) open() error {
	p.accounts = map[string]*account{}
	for _, configured := range p.Config.Accounts {
		limiter, token := graph.NewLimiter(graph.HourlyCalls, p.Clock), &tokenFile{path: configured.TokenFile}
		of, err := graph.New(graph.Options{
			Token: token.read, AppSecret: secretFile(configured.AppSecretFile), Clock: p.Clock, Version: p.Config.Version, BaseURL: p.Config.BaseURL,
			UserAgent: p.UserAgent, Timeout: p.Timeout, Limiter: limiter,
			Observe: func(failed graph.Kind) { p.Metrics.countCall(configured.ID, failed) },
		})
		if err != nil {
			return fmt.Errorf("the Graph API: %w", err)
		}
		p.accounts[configured.ID] = &account{id: configured.ID, client: of, limiter: limiter, token: token}
	}
	return nil
}

// begin has every account reconciled, once this process leads. From then on each reconcile brings the next.
func (p *Poller) begin(_ context.Context, queue workqueue.TypedRateLimitingInterface[string]) error {
	now := p.Clock.Now()
	for id, a := range p.accounts {
		a.templatesRead = now
		a.began = now
		a.schedule(func() { a.read, a.next = now, reconciler.InstantAfter(id, p.Config.Period(), now) })
		queue.Add(id)
	}
	return nil
}

// stops says whether a resource is read no more, though its condition says that it is.
func (p *Poller) stops(object v1alpha1.Object) bool {
	return p.accounts[accountOf(object)] == nil && verdictOf(object, v1alpha1.ConditionReportsFresh) != (conditions.Verdict{})
}

// Reconcile reads an account, if it is time, and comes back when it is time again. It never waits for that.
func (p *Poller) Reconcile(ctx context.Context, id string) (ctrl.Result, error) {
	a := p.accounts[id]
	numbers, err := lookup.Numbers(ctx, p.Client, lookup.AccountIndex, id)
	if err != nil {
		return ctrl.Result{}, err
	}
	templates, err := lookup.TemplatesWith(ctx, p.Client, lookup.AccountIndex, id)
	if err != nil {
		return ctrl.Result{}, err
	}
	if a == nil {
		var objects []v1alpha1.Object
		for i := range numbers {
			objects = append(objects, &numbers[i])
		}
		for i := range templates {
			objects = append(objects, &templates[i])
		}
		return ctrl.Result{}, p.withdraw(ctx, objects)
	}
	if now := p.Clock.Now(); !now.Before(a.due()) {
		p.visit(ctx, a, numbers, len(templates), now)
		select {
		case <-ctx.Done():
			return ctrl.Result{}, nil // the operator ends, which is nobody's failure
		default:
		}
		// The read took some time.
		if numbers, err = lookup.Numbers(ctx, p.Client, lookup.AccountIndex, id); err != nil {
			return ctrl.Result{}, err
		}
		if templates, err = lookup.TemplatesWith(ctx, p.Client, lookup.AccountIndex, id); err != nil {
			return ctrl.Result{}, err
		}
	}
	// What was read is kept until all is written: the API server's trouble is no reason to call Meta again.
	if a.last != nil {
		if err := p.conclude(ctx, a, numbers, templates); err != nil {
			return ctrl.Result{}, err
		}
		a.last = nil
	}
	return reconciler.SleepUntil(p.Clock, a.due(), reconciler.NewsPriority), nil
}

// visit reads an account and decides when to come back.
func (p *Poller) visit(ctx context.Context, a *account, numbers []v1alpha1.PhoneNumber, templates int, now time.Time) {
	period := p.Config.Period()
	if templates == 0 {
		a.templatesRead = now
	}
	if len(numbers) == 0 && templates == 0 {
		a.schedule(func() { a.read, a.failures, a.next = now, 0, reconciler.InstantAfter(a.id, period, now) })
		return
	}
	if now.Before(a.refusedUntil) && !a.token.renewed() {
		a.schedule(func() { a.next = statuses.Earliest(a.refusedUntil, now.Add(period/looks)) })
		return
	}
	if at := a.affordableAt(len(numbers), now); at.After(now) {
		a.last = &visit{at: now, failed: &graph.Error{Kind: graph.RateLimited, RetryAt: at}}
		a.schedule(func() { a.next = at })
		return
	}
	bounded, cancel := context.WithTimeout(ctx, longestRead)
	defer cancel()
	found, failed := a.readAll(bounded)
	// By the time before the read: what was said meanwhile is newer.
	a.last = &visit{at: now, found: found, failed: failed}
	if failed == nil && templates > 0 {
		if a.last.templates = a.readTemplates(bounded, len(found.byID)); a.last.templates.failed == nil {
			a.templatesRead = now
		} else if ctx.Err() == nil {
			log.FromContext(ctx).Info("templates of the account not read", "cause", a.last.templates.failed.Error())
		}
	}
	if failed == nil {
		p.compare(bounded, a, found, numbers, now)
	}
	after := p.Clock.Now()
	a.schedule(func() {
		a.next, a.refusedUntil = reconciler.InstantAfter(a.id, period, after), time.Time{}
		if failed == nil {
			a.read, a.failures = now, 0
			return
		}
		a.failures++
		if graph.KindOf(failed) == graph.Token {
			a.refusedUntil = a.next
		}
		a.next = retryAt(failed, a.failures, a.next, after, period)
	})
	if failed != nil && ctx.Err() == nil {
		log.FromContext(ctx).Info("account not read", "cause", failed.Error(), "next", a.due())
	}
}

// readAll reads an account's numbers, the account for its review and the verification of the business, and which apps get its
// webhooks. That the apps are not told, as to a token of another app, is no failure.
func (a *account) readAll(ctx context.Context) (*readout, error) {
	left := int(a.limiter.State().Left)
	numbers, err := a.client.PhoneNumbers(ctx, a.id)
	if err != nil {
		if e, is := errors.AsType[*graph.Error](err); is && e.Held {
			a.calls = max(a.calls, 2*left) // there are more numbers than was known
		}
		return nil, err
	}
	a.limiter.SetAllowance(graph.Allowance(numbers))
	a.calls = callsFor(len(numbers))
	found := newReadout(numbers)
	account, err := a.client.Account(ctx, a.id)
	found.verification, found.review = account.BusinessVerification, account.Review
	if err != nil {
		return found, err
	}
	if found.apps, err = a.client.SubscribedApps(ctx, a.id); err != nil {
		log.FromContext(ctx).V(1).Info("subscribed apps not read", "cause", err.Error())
	}
	return found, nil
}

// conclude records what an account's last read told, and says on each number and template how it went.
func (p *Poller) conclude(ctx context.Context, a *account, numbers []v1alpha1.PhoneNumber, templates []v1alpha1.MessageTemplate) error {
	if a.last.found != nil {
		if err := p.record(ctx, a.id, a.last.found, numbers, a.last.at); err != nil {
			return err
		}
	}
	if err := p.recordTemplates(ctx, a.last.templates, templates, a.last.at); err != nil {
		return err
	}
	return errors.Join(p.applyConditions(ctx, a, numbers), p.applyTemplateConditions(ctx, a, templates))
}
