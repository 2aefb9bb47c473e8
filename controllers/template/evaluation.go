// Package template takes a MessageTemplate through a reconcile: what Meta reported of it goes to the rules, and what they make of it
// into its status.
package template

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/internal/reports"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/controllers/internal/throttle"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=messagetemplates/status,verbs=patch

// Evaluation is a template on its way through a reconcile.
type Evaluation struct {
	// Unit is what the rules run for.
	Unit *rules.TemplateUnit
	// Template is the resource as it stands; once the evaluation has ended, with the status that it is to have.
	Template *v1alpha1.MessageTemplate

	policy     lookup.Policy
	lastReport int64
}

// Begin gathers what the rules need. A *conditions.Problem is for the status, any other error for another try.
func Begin(ctx context.Context, o *reconciler.Operator, template *v1alpha1.MessageTemplate, now time.Time) (*Evaluation, error) {
	policy, err := o.Policies.Named(ctx, template.Spec.PolicyName)
	if err == nil {
		err = OnlyOne(ctx, o.Cache, template)
	}
	if err != nil {
		return nil, err
	}
	e := &Evaluation{Template: template, policy: policy}
	e.Unit = &rules.TemplateUnit{Name: Name(template), Policy: policy.Policy}
	e.Unit.Reports, e.lastReport = reports.After(o.Ledger, lookup.TemplateSubject(template), template.Status.ObservedReport)
	var evaluated bool
	switch e.Unit.State, evaluated = State(&template.Status); {
	case !evaluated:
		e.Unit.State = rules.InitialTemplate(report.Earliest(e.Unit.Reports, now))
	case template.Status.PolicyName != policy.Name || template.Status.PolicyGeneration != policy.Generation:
		e.Unit.State, e.Unit.Transitions = rules.MigrateTemplatePolicy(policy.Policy, e.Unit.State, now)
	}
	return e, nil
}

// Name is what people call a template.
func Name(template *v1alpha1.MessageTemplate) string { return "template " + template.Name }

// End makes the status that the template is to have, of what the rules came to.
func (e *Evaluation) End(now time.Time) *reconciler.Change {
	change := change(e.Template, now, e.Unit.Transitions, func(set conditions.Setter, want *v1alpha1.MessageTemplateStatus) {
		want.PolicyName, want.PolicyGeneration = e.policy.Name, e.policy.Generation
		SetStatus(want, e.Unit.State)
		want.ObservedReport = e.lastReport
		statuses.AddTransitions(&want.History, &want.Transitions, e.Unit.Transitions)
		set.SetEvaluated(e.policy.Name)
		setSendable(set, want, &e.policy.Templates)
	})
	change.Until = e.Unit.Next
	return change
}

// Freeze is the change of a template that the rules do not run for: for a problem, or where there is none because it is suspended.
func Freeze(template *v1alpha1.MessageTemplate, problem *conditions.Problem, now time.Time) *reconciler.Change {
	return change(template, now, nil, func(set conditions.Setter, _ *v1alpha1.MessageTemplateStatus) { set.Freeze(problem, nil) })
}

// change gives a template another status.
func change(template *v1alpha1.MessageTemplate, now time.Time, happened []rules.Transition, set func(conditions.Setter, *v1alpha1.MessageTemplateStatus)) *reconciler.Change {
	want := template.Status.DeepCopy()
	want.ObservedGeneration = template.Generation
	set(conditions.Of(template, &want.Conditions, now), want)
	have := *template
	template.Status = *want
	ours := *want
	ours.Conditions, ours.Notifications = conditions.Owned(want.Conditions), nil
	return &reconciler.Change{
		Key: lookup.TemplateKey(template), Object: &have, Status: &ours, Conditions: want.Conditions, Deadline: have.Status.UntilTime,
		Difference:  throttle.Difference{Decided: !equality.Semantic.DeepEqual(decisions(&have.Status), decisions(want))},
		Transitions: statuses.Transitions{Happened: happened, Told: happened},
	}
}

// decisions are what a template's status is written for: not for the instant up to which the rules have run.
func decisions(status *v1alpha1.MessageTemplateStatus) *v1alpha1.MessageTemplateStatus {
	d := *status
	d.EvaluatedTime, d.Notifications = metav1.Time{}, nil
	return &d
}

// OnlyOne is a problem where an older resource is about the same template: what is reported of it is told once.
func OnlyOne(ctx context.Context, cache client.Reader, template *v1alpha1.MessageTemplate) error {
	same, err := lookup.TemplatesWith(ctx, cache, lookup.SubjectIndex, lookup.TemplateSubject(template).String(), client.InNamespace(template.Namespace))
	if err != nil {
		return err
	}
	if other := lookup.Before(same, template); other != nil {
		return &conditions.Problem{Reason: v1alpha1.ReasonDuplicateTemplate, Stalled: true, Message: fmt.Sprintf(
			"MessageTemplate %q, which is older, is about the same template in the same language: delete one of the two.", other.Name)}
	}
	return nil
}
