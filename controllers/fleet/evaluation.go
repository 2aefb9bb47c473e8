package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/number"
	"numberfleet.dev/numberfleet/controllers/portfolio"
	"numberfleet.dev/numberfleet/controllers/template"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

// evaluation is one reconcile of a fleet: it begins with resources, advances, and ends with the changes of their statuses.
type evaluation struct {
	*Reconciler
	now time.Time
	// units are all of the fleet, in an order that stays; the portfolio is there once it has begun.
	units rules.Fleet

	// portfolio has the limit. It is nil where the number has it itself, and where the rules do not run for the portfolio: then it is
	// frozen.
	portfolio *portfolio.Evaluation
	frozen    *v1alpha1.BusinessPortfolio
	// numbers and templates are those that have moved.
	numbers   []*number.Evaluation
	templates []*template.Evaluation
	// pendingNumbers wait for a portfolio that is frozen.
	pendingNumbers []*v1alpha1.PhoneNumber
	// sent are the templates of each number, as the cache has them.
	sent map[*number.Evaluation][]v1alpha1.MessageTemplate
	// changes are those that are made already.
	changes []*reconciler.Change
	// memory is that of a portfolio, which the evaluation brings up to now.
	memory *fleet
}

// compose begins the evaluation of a portfolio with all of its numbers and templates.
func (r *Reconciler) compose(ctx context.Context, p *v1alpha1.BusinessPortfolio, now time.Time) (*evaluation, error) {
	e := &evaluation{Reconciler: r, now: now, memory: &fleet{generation: p.Generation, members: map[lookup.Key]*member{}, sleeps: map[lookup.Key]reconciler.Sleep{}}}
	var err error
	e.memory.policy, err = portfolio.PolicyOf(ctx, &r.Operator, p)
	problem, fails := errors.AsType[*conditions.Problem](err)
	if err != nil && !fails {
		return nil, err
	}
	if fails || p.Spec.Activity == v1alpha1.Suspended {
		e.frozen, e.changes = p, append(e.changes, portfolio.Freeze(p, problem, now))
	}
	named, err := lookup.Numbers(ctx, r.Cache, lookup.PortfolioIndex, p.Name)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(named, func(a, b v1alpha1.PhoneNumber) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for i := range named {
		n := &named[i]
		policy, shares, err := r.policyOf(ctx, n)
		if _, is := errors.AsType[*conditions.Problem](err); is || !n.DeletionTimestamp.IsZero() || err == nil && shares == nil {
			continue // it is reconciled by itself
		} else if err != nil {
			return nil, err
		}
		if err := r.SetWindows(n, policy.Policy); err != nil {
			return nil, err
		}
		e.memory.numbers = append(e.memory.numbers, n)
		if _, err := e.loadNumber(ctx, lookup.NumberKey(n), policy, p); err != nil {
			return nil, err
		}
	}
	if err := e.addTemplates(ctx, e.memory.numbers...); err != nil {
		return nil, err
	}
	for _, t := range e.templates {
		e.memory.order = append(e.memory.order, lookup.TemplateKey(t.Template))
	}
	return e, e.begin(p)
}

// resume begins the evaluation of a portfolio with the members that have moved. It is nil where everything is to be read anew.
func (r *Reconciler) resume(ctx context.Context, p *v1alpha1.BusinessPortfolio, f *fleet, moved map[lookup.Key]bool, now time.Time) (*evaluation, error) {
	if f == nil || f.generation != p.Generation || p.Spec.Activity == v1alpha1.Suspended {
		return nil, nil
	}
	policy, err := portfolio.PolicyOf(ctx, &r.Operator, p)
	if _, is := errors.AsType[*conditions.Problem](err); is || err == nil && policy != f.policy {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	e := &evaluation{Reconciler: r, now: now, memory: f}
	for _, key := range f.order {
		m := f.members[key]
		switch rests := !moved[key] && !r.Over(f.sleeps[key], now); {
		case rests && m.number != nil:
			e.units.Numbers = append(e.units.Numbers, m.number)
		case rests:
			e.units.Templates = append(e.units.Templates, m.template)
		case m.number != nil:
			n, err := e.loadNumber(ctx, key, f.policy, p)
			if err != nil || n == nil || n.Number.Generation != m.generation || n.Joins {
				return nil, err
			}
		default:
			t, err := e.loadTemplate(ctx, key)
			if err != nil || t == nil || t.Template.Generation != m.generation {
				return nil, err
			}
		}
	}
	return e, e.begin(p)
}

// loadNumber adds a number that shares the limit of a portfolio; nil if the rules do not run for it now.
func (e *evaluation) loadNumber(ctx context.Context, key lookup.Key, policy lookup.Policy, p *v1alpha1.BusinessPortfolio) (*number.Evaluation, error) {
	n := &v1alpha1.PhoneNumber{}
	if err := e.Client.Get(ctx, key.NamespacedName, n); err != nil || !active(n) {
		return nil, client.IgnoreNotFound(err)
	}
	if problem := e.pending(n); problem != nil {
		e.changes, e.pendingNumbers = append(e.changes, number.Freeze(n, problem, e.now)), append(e.pendingNumbers, n)
		return nil, nil
	}
	return e.addNumber(ctx, n, policy, p.Name)
}

// pending is a problem of a number whose portfolio is frozen and cannot take it in; nil if it can.
func (e *evaluation) pending(n *v1alpha1.PhoneNumber) *conditions.Problem {
	if e.frozen == nil {
		return nil
	}
	switch has, brings := &e.frozen.Status, &n.Status; {
	case has.Tier.Name == "":
		return &conditions.Problem{Reason: v1alpha1.ReasonPortfolioPending, Message: fmt.Sprintf("BusinessPortfolio %q, which has the limit, was not evaluated yet.", e.frozen.Name)}
	case brings.Tier.Name != "" && brings.Portfolio == "" && rules.Above(brings.Tier.Limit, has.Tier.Limit):
		return &conditions.Problem{Reason: v1alpha1.ReasonPortfolioPending, Message: fmt.Sprintf("BusinessPortfolio %q has yet to take over the limit that the number brings.", e.frozen.Name)}
	}
	return nil
}

// addNumber adds a number that has its limit itself, or shares that of a portfolio.
func (e *evaluation) addNumber(ctx context.Context, n *v1alpha1.PhoneNumber, policy lookup.Policy, portfolio string) (*number.Evaluation, error) {
	if err := number.Claim(ctx, &e.Operator, n); err != nil {
		return nil, err
	}
	of, err := number.Begin(&e.Operator, n, policy, portfolio, e.now)
	if err != nil {
		return nil, err
	}
	sent, err := lookup.Templates(ctx, e.Cache, n)
	if err != nil {
		return nil, err
	}
	if e.sent == nil {
		e.sent = map[*number.Evaluation][]v1alpha1.MessageTemplate{}
	}
	e.sent[of] = sent
	e.numbers, e.units.Numbers = append(e.numbers, of), append(e.units.Numbers, of.Unit)
	if e.memory != nil && e.memory.members[lookup.NumberKey(n)] == nil {
		e.memory.order = append(e.memory.order, lookup.NumberKey(n))
	}
	return of, nil
}

// addTemplates adds the templates that numbers send, each once.
func (e *evaluation) addTemplates(ctx context.Context, numbers ...*v1alpha1.PhoneNumber) error {
	seen := map[lookup.Key]bool{}
	for _, n := range numbers {
		if !active(n) {
			continue
		}
		templates, err := lookup.Templates(ctx, e.Cache, n)
		if err != nil {
			return err
		}
		for i := range templates {
			if key := lookup.TemplateKey(&templates[i]); !seen[key] {
				seen[key] = true
				if _, err := e.loadTemplate(ctx, key); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// loadTemplate adds a template; nil if the rules do not run for it.
func (e *evaluation) loadTemplate(ctx context.Context, key lookup.Key) (*template.Evaluation, error) {
	t := &v1alpha1.MessageTemplate{}
	if err := e.Client.Get(ctx, key.NamespacedName, t); err != nil || !t.DeletionTimestamp.IsZero() || t.Spec.Activity == v1alpha1.Suspended {
		return nil, client.IgnoreNotFound(err)
	}
	of, err := template.Begin(ctx, &e.Operator, t, e.now)
	if _, is := errors.AsType[*conditions.Problem](err); is {
		e.addFrozen(t) // it is reconciled by itself
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	e.templates, e.units.Templates = append(e.templates, of), append(e.units.Templates, of.Unit)
	return of, nil
}

// addFrozen adds a template that the rules do not run for because of a problem: what it was rated counts on.
func (e *evaluation) addFrozen(t *v1alpha1.MessageTemplate) {
	state, evaluated := template.State(&t.Status)
	if !evaluated {
		return
	}
	unit, key := &rules.TemplateUnit{Name: template.Name(t), State: state, AtRest: true}, lookup.TemplateKey(t)
	e.units.Templates = append(e.units.Templates, unit)
	if e.memory != nil {
		e.memory.order = append(e.memory.order, key)
		e.memory.members[key] = &member{generation: t.Generation, template: unit}
	}
}

// begin begins with the portfolio, once its numbers have begun.
func (e *evaluation) begin(p *v1alpha1.BusinessPortfolio) (err error) {
	if e.frozen != nil {
		if e.memory.policy.Policy != nil { // the counts of those that share the limit go on
			err = e.Ledger.SetPortfolio(p.Name, e.Samples.Members(e.memory.numbers).FromLedger)
		}
		return err
	}
	var moved []*v1alpha1.PhoneNumber
	joins := map[string]bool{}
	for _, n := range e.numbers {
		moved, joins[n.Number.Spec.PhoneNumber] = append(moved, n.Number), n.Joins
	}
	counted := e.memory.numbers
	countsAll := e.Ledger.HasPortfolio(counts.Portfolio{Name: p.Name, Numbers: e.Samples.Members(counted).FromLedger})
	if p.Status.Tier.Name != "" && !countsAll {
		counted = slices.DeleteFunc(slices.Clone(counted), func(n *v1alpha1.PhoneNumber) bool { return joins[n.Spec.PhoneNumber] })
	}
	if e.portfolio, err = portfolio.Begin(&e.Operator, p, e.memory.policy, e.memory.numbers, counted, moved, e.now); err != nil {
		return err
	}
	e.units.Portfolio = e.portfolio.Unit
	switch {
	case e.portfolio.Evaluated && !slices.ContainsFunc(e.numbers, func(n *number.Evaluation) bool { return n.Joins }):
		return nil
	case e.portfolio.Evaluated && countsAll: // the status of one that joins could not be written, or it was suspended
		e.portfolio.Unit.State.EvaluatedAt = e.now
		e.portfolio.TakeLimits()
		return nil
	}
	// What the portfolio came to until now, it came to without those that join.
	all := e.units.Numbers
	e.units.Numbers = nil
	for i, n := range e.numbers {
		if !n.Joins {
			e.units.Numbers = append(e.units.Numbers, all[i])
		}
	}
	if e.portfolio.Evaluated {
		e.units.Advance(e.now)
	}
	e.units.Numbers = all
	e.portfolio.TakeLimits()
	return e.portfolio.Count(e.memory.numbers)
}

// advance runs the rules of everything that has moved.
func (e *evaluation) advance() { e.units.Advance(e.now) }

// end makes the changes: of who has the limit first, then of the numbers and of the templates. Where one cannot be written, those
// after it are not: a member that is behind lives through the same once more, and its portfolio decides nothing twice.
func (e *evaluation) end() []*reconciler.Change {
	if e.portfolio != nil {
		e.changes = append(e.changes, e.portfolio.End(e.obstacle()))
	}
	var ofTemplates []*reconciler.Change
	for _, t := range e.templates {
		ofTemplates = append(ofTemplates, t.End(e.now))
		if e.memory != nil {
			t.Unit.AtRest, t.Unit.Transitions = true, nil
			e.memory.members[lookup.TemplateKey(t.Template)] = &member{generation: t.Template.Generation, template: t.Unit}
		}
	}
	for _, n := range e.numbers {
		e.endNumber(n)
	}
	e.changes = append(e.changes, ofTemplates...)
	return e.changes
}

// endAll makes the changes of the numbers at rest too.
func (e *evaluation) endAll(ctx context.Context) ([]*reconciler.Change, error) {
	moved := map[lookup.Key]bool{}
	for _, n := range e.numbers {
		moved[lookup.NumberKey(n.Number)] = true
	}
	for _, key := range e.memory.order {
		if key.Kind != lookup.PhoneNumber || moved[key] {
			continue
		}
		n, err := e.loadNumber(ctx, key, e.memory.policy, e.portfolio.Portfolio)
		if err != nil {
			return nil, err
		}
		if n != nil {
			n.Unit.Advance(e.now)
			e.endNumber(n)
		}
	}
	return e.changes, e.configure()
}

// endNumber makes the change of a number.
func (e *evaluation) endNumber(n *number.Evaluation) {
	shared := e.shared()
	room := e.units.Room(n.Unit, e.now)
	if e.frozen != nil {
		limit := rules.Limit{Limit: e.frozen.Status.Tier.Limit, Reserved: *shared.Reserved, Unknown: shared.Used == nil}
		if !limit.Unknown {
			limit.Used = *shared.Used
		}
		room = rules.RoomOf(limit, n.Unit.State.Obstacle(), standing.PortfolioObstacle(e.frozen))
	}
	var templates []*v1alpha1.MessageTemplate
	for i := range e.sent[n] {
		t := &e.sent[n][i]
		for _, evaluated := range e.templates {
			if evaluated.Template.UID == t.UID {
				t = evaluated.Template
			}
		}
		templates = append(templates, t)
	}
	change := n.End(room, shared, templates)
	e.changes = append(e.changes, change)
	if e.memory != nil {
		n.Unit.AtRest, n.Unit.Facts, n.Unit.Transitions = true, rules.Facts{}, nil
		e.memory.members[change.Key] = &member{generation: n.Number.Generation, number: n.Unit}
	}
}

// shared is what the portfolio shares with its numbers; nil where the number has its limit itself.
func (e *evaluation) shared() *number.Shared {
	switch {
	case e.portfolio != nil:
		usage := &e.portfolio.Portfolio.Status.Usage
		return &number.Shared{Portfolio: e.portfolio.Portfolio, Used: usage.Used, Reserved: usage.Reserved}
	case e.frozen == nil:
		return nil
	}
	// What a Prometheus has a part in is as the status says.
	used, key := e.frozen.Status.Usage.Used, counts.PortfolioKey(e.frozen.Name)
	if e.frozen.Status.Usage.Source == v1alpha1.CountedHere && e.Ledger.Known(key) && len(e.numbers) > 0 {
		used = new(rules.Used(e.numbers[0].Unit.Policy, rules.Exact{Counted: e.Ledger.Usage(key)}, e.now))
	}
	return &number.Shared{Portfolio: e.frozen, Used: used, Reserved: new(e.Ledger.Reserved(key, e.now))}
}

// obstacle is why none of the numbers of a portfolio can send to further users.
func (e *evaluation) obstacle() rules.Obstacle {
	var all []rules.Obstacle
	for _, n := range e.units.Numbers {
		all = append(all, n.State.Obstacle())
	}
	for _, n := range e.memory.numbers {
		if n.Spec.Activity == v1alpha1.Suspended {
			all = append(all, rules.Obstacle{Reason: v1alpha1.RoomSuspended})
		}
	}
	return rules.Every(all)
}
