package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/number"
	"numberfleet.dev/numberfleet/controllers/template"
	"numberfleet.dev/numberfleet/internal/gate/settings"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

// The gate decides by settings in the ledger, which outlive the operator. Each reconcile sets what follows from it, before it makes a
// status: what a status says may be sent, the gate knows already. The ledger leaves out what it has.

// configure sets what follows from the evaluation. The rules have advanced.
func (e *evaluation) configure() error {
	var s counts.Settings
	for _, n := range e.numbers {
		state, number := &n.Unit.State, n.Number.Spec.PhoneNumber
		s.Senders = append(s.Senders, e.sender(n.Number, state.Rating, state.Obstacle(), state.RestrictedReason))
		if e.memory == nil {
			s.Limits = append(s.Limits, settings.Limit(number, state.Tier.Limit, n.Unit.Policy, &n.Number.Spec.GateSpec))
		} else {
			s.Limits = append(s.Limits, counts.LimitSetting{Subject: number, Removed: true})
		}
	}
	for _, n := range e.pendingNumbers {
		s.Senders = append(s.Senders, e.frozenSender(n))
	}
	for _, t := range e.templates {
		s.Templates = append(s.Templates, templateSetting(t.Template, t.Unit.State.Obstacle(), t.Unit.State.Category.Name))
	}
	if e.memory != nil {
		s.Limits = append(s.Limits, e.sharedLimit()...)
	}
	return e.setSettings(s)
}

// sharedLimit is the limit of the portfolio; none where it has none yet, or where no policy says how it is counted: then none of its
// numbers is evaluated either.
func (e *evaluation) sharedLimit() []counts.LimitSetting {
	var limit counts.LimitSetting
	switch {
	case e.portfolio != nil:
		p := e.portfolio
		limit = settings.Limit(counts.PortfolioKey(p.Portfolio.Name), p.Unit.State.Tier.Limit, p.Unit.Policy, &p.Portfolio.Spec.GateSpec)
	case e.frozen.Status.Tier.Name == "" || e.memory.policy.Policy == nil:
		return nil
	default:
		p := e.frozen
		limit = settings.Limit(counts.PortfolioKey(p.Name), p.Status.Tier.Limit, e.memory.policy.Policy, &p.Spec.GateSpec)
		limit.Obstacle = settings.Obstacle(standing.PortfolioObstacle(p), "")
	}
	if slices.ContainsFunc(e.memory.numbers, e.Samples.Counts) { // the ledger does not know what they use of it
		limit.Obstacle = settings.Obstacle(standing.NotReady, "")
	}
	return []counts.LimitSetting{limit}
}

// sender says what is in the way of a number. Where a Prometheus counts, the ledger does not know what the number uses.
func (r *Reconciler) sender(n *v1alpha1.PhoneNumber, quality v1alpha1.QualityRating, o rules.Obstacle, restriction string) counts.SenderSetting {
	if r.Samples.Counts(n) {
		o = standing.NotReady
	}
	return settings.Sender(n, quality, o, restriction)
}

func (r *Reconciler) frozenSender(n *v1alpha1.PhoneNumber) counts.SenderSetting {
	return r.sender(n, n.Status.Quality.Rating, standing.Obstacle(n), n.Status.Restriction.Reason)
}

func templateSetting(t *v1alpha1.MessageTemplate, o rules.Obstacle, category string) counts.TemplateSetting {
	return settings.Template(t.Namespace, lookup.TemplateSubject(t), o, category)
}

// freezeNumber writes that the rules do not run for a number. Where another resource is served for the number, the gate goes by that.
func (r *Reconciler) freezeNumber(ctx context.Context, n *v1alpha1.PhoneNumber, problem *conditions.Problem, now time.Time) (ctrl.Result, error) {
	change := number.Freeze(n, problem, now)
	err := number.OnlyOne(ctx, &r.Operator, n)
	if err == nil {
		err = r.setSettings(counts.Settings{Senders: []counts.SenderSetting{r.frozenSender(n)}})
	}
	if _, served := errors.AsType[*conditions.Problem](err); err != nil && !served {
		return ctrl.Result{}, err
	}
	return r.write(ctx, now, change)
}

// freezeTemplate writes that the rules do not run for a template. What they came to before stands, and what is not known is not in the way.
func (r *Reconciler) freezeTemplate(ctx context.Context, t *v1alpha1.MessageTemplate, problem *conditions.Problem, now time.Time) (ctrl.Result, error) {
	o := standing.TemplateObstacle(t)
	if problem != nil {
		o = rules.Obstacle{}
		if state, evaluated := template.State(&t.Status); evaluated {
			o = state.Obstacle()
		}
	}
	change := template.Freeze(t, problem, now)
	err := template.OnlyOne(ctx, r.Cache, t)
	if err == nil {
		err = r.setSettings(counts.Settings{Templates: []counts.TemplateSetting{templateSetting(t, o, t.Status.Category)}})
	}
	if _, served := errors.AsType[*conditions.Problem](err); err != nil && !served {
		return ctrl.Result{}, err
	}
	return r.write(ctx, now, change)
}

// retire removes what was set for a number or a template whose last resource is gone.
func (r *Reconciler) retire(ctx context.Context, key lookup.Key) error {
	subject := report.ParseSubject(key.Name)
	if subject.Type == report.Template {
		same, err := lookup.TemplatesWith(ctx, r.Cache, lookup.SubjectIndex, key.Name, client.InNamespace(key.Namespace))
		if err != nil || len(same) > 0 {
			return err
		}
		return r.setSettings(counts.Settings{Templates: []counts.TemplateSetting{{Name: counts.TemplateName(key.Namespace, key.Name), Removed: true}}})
	}
	for _, form := range r.Ledger.Forms(key.Name) { // a resource may name the number in another form
		served, err := lookup.Served(ctx, r.Cache, report.ParseSubject(form))
		if err != nil || served != nil {
			return err
		}
	}
	return r.setSettings(counts.Settings{
		Senders: []counts.SenderSetting{{Number: key.Name, Removed: true}},
		Limits:  []counts.LimitSetting{{Subject: key.Name, Removed: true}},
	})
}

// retirePortfolio forgets a portfolio that is gone.
func (r *Reconciler) retirePortfolio(name string) error {
	if err := r.Ledger.SetPortfolio(name, nil); err != nil {
		return err
	}
	return r.setSettings(counts.Settings{Limits: []counts.LimitSetting{{Subject: counts.PortfolioKey(name), Removed: true}}})
}

func (r *Reconciler) setSettings(s counts.Settings) error {
	if err := r.Ledger.Configure(s); err != nil {
		return fmt.Errorf("configure the gate: %w", err)
	}
	return nil
}

// configured are the keys of all that something is set for: a resource may have been deleted while nobody watched.
func (r *Reconciler) configured() (keys []lookup.Key) {
	s := r.Ledger.Settings()
	for _, l := range s.Limits {
		if name, shared := strings.CutPrefix(l.Subject, counts.PortfolioKey("")); shared {
			keys = append(keys, lookup.PortfolioKey(name))
		}
	}
	for _, n := range s.Senders {
		keys = append(keys, lookup.SubjectKey("", n.Number))
	}
	for _, t := range s.Templates {
		namespace, subject, _ := strings.Cut(t.Name, "/")
		keys = append(keys, lookup.SubjectKey(namespace, subject))
	}
	return keys
}
