// Package fleet reconciles portfolios with their numbers and the templates that they send, as rules.Fleet advances them. A number that
// has its limit itself is a fleet of one.
//
// A key names who has the limit. controller.go says what is reconciled under a key, evaluation.go how the statuses are made,
// settings.go what the gate is told, memory.go what is known of a portfolio between its reconciles, and news.go what brings a key back.
package fleet

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/number"
	"numberfleet.dev/numberfleet/controllers/template"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/tracing"
)

// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=phonenumbers;messagingpolicies;businessportfolios;messagetemplates,verbs=list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler keeps the statuses of portfolios, numbers and templates at what the rules conclude from what was received.
type Reconciler struct {
	reconciler.Operator

	mu         sync.Mutex
	portfolios map[string]*memory // by name
}

// Reconcile brings the statuses of what a key names up to now.
func (r *Reconciler) Reconcile(ctx context.Context, key lookup.Key) (_ ctrl.Result, err error) {
	ctx, span := reconciler.Trace(ctx, "decide", key)
	defer func() { tracing.End(span, err) }()
	now := r.Clock.Now().Truncate(time.Second)
	switch key.Kind {
	case lookup.BusinessPortfolio:
		return r.portfolio(ctx, key, now)
	case lookup.PhoneNumber:
		return r.number(ctx, key, now)
	case lookup.Subject:
		return ctrl.Result{}, r.retire(ctx, key)
	default:
		return r.template(ctx, key, now)
	}
}

// afterConflict is how soon it is decided again on what another has written.
const afterConflict = 100 * time.Millisecond

// write writes changes, and comes back when the first of the sleeps is over.
func (r *Reconciler) write(ctx context.Context, now time.Time, changes ...*reconciler.Change) (ctrl.Result, error) {
	written, err := r.Write(ctx, changes, now)
	switch {
	case err != nil:
		return ctrl.Result{}, err
	case !written:
		return ctrl.Result{RequeueAfter: afterConflict}, nil
	}
	var sleep reconciler.Sleep
	for _, c := range changes {
		sleep = sleep.Earlier(r.Sleep(c))
	}
	return r.Result(sleep), nil
}

// number reconciles a number by itself: one that has its limit itself, or that the rules do not run for. One that shares a limit is
// reconciled with its portfolio.
func (r *Reconciler) number(ctx context.Context, key lookup.Key, now time.Time) (ctrl.Result, error) {
	n := &v1alpha1.PhoneNumber{}
	if err := r.Client.Get(ctx, key.NamespacedName, n); err != nil || !n.DeletionTimestamp.IsZero() {
		r.Throttle.Forget(key)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if n.Spec.Activity == v1alpha1.Suspended {
		if err := number.Claim(ctx, &r.Operator, n); err != nil {
			return ctrl.Result{}, err
		}
		return r.freezeNumber(ctx, n, nil, now)
	}
	policy, shares, err := r.policyOf(ctx, n)
	if problem, is := errors.AsType[*conditions.Problem](err); is {
		return r.freezeNumber(ctx, n, problem, now)
	} else if err != nil || shares != nil {
		return ctrl.Result{}, err
	}
	e := evaluation{Reconciler: r, now: now}
	if _, err := e.addNumber(ctx, n, policy, ""); err != nil {
		return ctrl.Result{}, err
	}
	if policy.Scope == v1alpha1.ScopePortfolio {
		if err := e.addTemplates(ctx, n); err != nil {
			return ctrl.Result{}, err
		}
	}
	e.advance()
	if err := e.configure(); err != nil {
		return ctrl.Result{}, err
	}
	return r.write(ctx, now, e.end()...)
}

// policyOf is the policy of a number, and the portfolio whose limit it shares; nil where it has its limit itself. A
// *conditions.Problem is for the status.
func (r *Reconciler) policyOf(ctx context.Context, n *v1alpha1.PhoneNumber) (lookup.Policy, *v1alpha1.BusinessPortfolio, error) {
	if err := number.OnlyOne(ctx, &r.Operator, n); err != nil {
		return lookup.Policy{}, nil, err
	}
	return r.Policies.Of(ctx, n)
}

// template reconciles a template by itself. One that a limit depends on is reconciled with whoever has the limit.
func (r *Reconciler) template(ctx context.Context, key lookup.Key, now time.Time) (ctrl.Result, error) {
	t := &v1alpha1.MessageTemplate{}
	if err := r.Client.Get(ctx, key.NamespacedName, t); err != nil || !t.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if t.Spec.Activity == v1alpha1.Suspended {
		return r.freezeTemplate(ctx, t, nil, now)
	}
	of, err := template.Begin(ctx, &r.Operator, t, now)
	if problem, is := errors.AsType[*conditions.Problem](err); is {
		return r.freezeTemplate(ctx, t, problem, now)
	} else if err != nil {
		return ctrl.Result{}, err
	}
	if depends, err := r.limitDependsOn(ctx, t); depends || err != nil {
		return ctrl.Result{}, err
	}
	of.Unit.Advance(now)
	setting := templateSetting(t, of.Unit.State.Obstacle(), of.Unit.State.Category.Name)
	if err := r.setSettings(counts.Settings{Templates: []counts.TemplateSetting{setting}}); err != nil {
		return ctrl.Result{}, err
	}
	return r.write(ctx, now, of.End(now))
}

// limitDependsOn says whether a limit depends on the quality of a template: that of a portfolio, or of a number that is a portfolio of
// its own.
func (r *Reconciler) limitDependsOn(ctx context.Context, t *v1alpha1.MessageTemplate) (bool, error) {
	numbers, err := lookup.Senders(ctx, r.Cache, t)
	for i := 0; i < len(numbers) && err == nil; i++ {
		n := &numbers[i]
		if !active(n) || !rules.Sends(n, t) {
			continue
		}
		policy, _, problem := r.policyOf(ctx, n)
		if problem == nil && policy.Scope == v1alpha1.ScopePortfolio {
			return true, nil
		}
		if _, is := errors.AsType[*conditions.Problem](problem); !is {
			err = problem
		}
	}
	return false, err
}

// active says whether the rules run for a number, unless a problem is in the way.
func active(n *v1alpha1.PhoneNumber) bool {
	return n.DeletionTimestamp.IsZero() && n.Spec.Activity != v1alpha1.Suspended
}

// portfolio reconciles a portfolio with its numbers and templates: with all of them the first time and after a change of what people
// declare, and else with those that have moved.
func (r *Reconciler) portfolio(ctx context.Context, key lookup.Key, now time.Time) (ctrl.Result, error) {
	p := &v1alpha1.BusinessPortfolio{}
	err := r.Client.Get(ctx, types.NamespacedName{Name: key.Name}, p)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	if err != nil || !p.DeletionTimestamp.IsZero() {
		r.forget(key.Name)
		r.Throttle.Forget(key)
		return ctrl.Result{}, r.retirePortfolio(key.Name)
	}
	f, moved := r.recall(key.Name)
	e, err := r.resume(ctx, p, f, moved, now)
	if err == nil && e == nil {
		e, err = r.compose(ctx, p, now)
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	e.advance()
	if err := e.configure(); err != nil {
		return ctrl.Result{}, err
	}
	changes := e.end()
	if e.portfolio != nil && changes[0].Difference.Decided {
		if changes, err = e.endAll(ctx); err != nil { // what is decided of the limit shows on all numbers
			return ctrl.Result{}, err
		}
	}
	if written, err := r.Write(ctx, changes, now); err != nil {
		return ctrl.Result{}, err
	} else if !written {
		return ctrl.Result{RequeueAfter: afterConflict}, nil
	}
	for _, c := range changes {
		e.memory.sleeps[c.Key] = r.Sleep(c)
	}
	return r.Result(r.remember(key.Name, e.memory)), nil
}
