package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/rules"
)

// MessageTemplateReconciler keeps the status of MessageTemplates at what the rules conclude from what Meta reports.
type MessageTemplateReconciler struct {
	Operator
}

// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=messagetemplates/status,verbs=patch

// SetupWithManager registers the controller. The indexes must be there (see SetupIndexes).
func (r *MessageTemplateReconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.MessageTemplate{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// When one goes, another about the same template may have to take over.
		Watches(&v1alpha1.MessageTemplate{}, handler.EnqueueRequestsFromMapFunc(mapped(r.namesakes)), builder.WithPredicates(gone)).
		Watches(&v1alpha1.MessagingPolicy{}, handler.EnqueueRequestsFromMapFunc(mapped(r.governed)), builder.WithPredicates(otherPolicy)).
		WatchesRawSource(newUsage(r.Ledger, r.BatchPeriod, r.concerned)).
		WithOptions(controllerOptions(r.Concurrency)).
		Named("messagetemplate").
		Complete(r)
}

// Reconcile brings one template's status up to now.
func (r *MessageTemplateReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var template v1alpha1.MessageTemplate
	if err := r.Client.Get(ctx, request.NamespacedName, &template); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !template.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, nil
	}
	now := r.Clock.Now().Truncate(time.Second)
	want := template.Status.DeepCopy()
	want.ObservedGeneration = template.Generation

	transitions, next, err := r.evaluate(ctx, &template, want, now)
	if err != nil {
		return ctrl.Result{}, err
	}
	if !equality.Semantic.DeepEqual(templateDecisions(&template.Status), templateDecisions(want)) {
		ours := *want
		ours.Conditions, ours.Notifications = owned(want.Conditions), nil
		written, result, err := r.record(ctx, &template, &ours, outcome{resource{"MessageTemplate", request.NamespacedName}, difference{decided: true}, folded{transitions, transitions}, template.Status.Conditions, want.Conditions, template.Status.UntilTime, now})
		if !written {
			return result, err
		}
	}
	return sleepUntil(r.Clock, next, deadlinePriority), nil
}

// templateDecisions is what a template's status is written for: not for the instant up to which the rules have run.
func templateDecisions(status *v1alpha1.MessageTemplateStatus) *v1alpha1.MessageTemplateStatus {
	d := *status
	d.EvaluatedTime, d.Notifications = metav1.Time{}, nil
	return &d
}

// evaluate lets the rules decide and writes the outcome into the wanted status. It returns what happened and the next
// instant at which something can.
func (r *MessageTemplateReconciler) evaluate(ctx context.Context, template *v1alpha1.MessageTemplate, want *v1alpha1.MessageTemplateStatus, now time.Time) ([]rules.Transition, time.Time, error) {
	set := conditionsOf(template, &want.Conditions, now)
	if template.Spec.Activity == v1alpha1.Suspended {
		set.ready(v1alpha1.ReasonSuspended, "spec.activity is Suspended: the status is frozen.")
		return nil, time.Time{}, nil
	}
	policy, err := policyNamed(ctx, r.Cache, template.Spec.PolicyName)
	if err == nil {
		err = r.onlyOne(ctx, template)
	}
	if problem := (*problem)(nil); errors.As(err, &problem) {
		set.notReady(problem)
		return nil, time.Time{}, nil
	} else if err != nil {
		return nil, time.Time{}, err
	}
	reports, last := reportsAfter(r.Ledger, templateSubject(template), template.Status.ObservedReport)

	state, evaluated := templateStateOf(&template.Status)
	var transitions []rules.Transition
	switch {
	case !evaluated:
		began := now
		for _, report := range reports {
			if report.At.Before(began) {
				began = report.At
			}
		}
		state = rules.InitialTemplate(began)
	case template.Status.PolicyName != policy.Name || template.Status.PolicyGeneration != policy.generation:
		state, transitions = rules.MigrateTemplatePolicy(policy.Policy, state, now)
	}
	state, more, next := rules.AdvanceTemplate(policy.Policy, reports, state, now)
	transitions = append(transitions, more...)

	want.PolicyName, want.PolicyGeneration = policy.Name, policy.generation
	templateDecided(want, state)
	want.ObservedReport = last
	happened(&want.History, &want.Transitions, transitions)
	set.ready(v1alpha1.ReasonEvaluated, "The rules of policy "+policy.Name+" ran on all that was received.")
	set.sendable(want, &policy.Templates)
	return transitions, next, nil
}

// templateStateOf reads the engine's state back from the status; false if the template was never evaluated.
func templateStateOf(status *v1alpha1.MessageTemplateStatus) (rules.TemplateState, bool) {
	if status.State == "" {
		return rules.TemplateState{}, false
	}
	return rules.TemplateState{
		EvaluatedAt:    utc(status.EvaluatedTime),
		State:          status.State,
		Since:          utc(status.SinceTime),
		Until:          utc(status.UntilTime),
		Source:         status.Source,
		Reason:         status.StateReason,
		StateReported:  utc(status.StateReportedTime),
		Rating:         status.Quality.Rating,
		RatingSince:    utc(status.Quality.SinceTime),
		RatingReported: utc(status.Quality.ReportedTime),
		Pauses:         int(status.Pauses),
		Category: rules.TemplateCategory{
			Name: status.Category, Reported: utc(status.CategoryReportedTime), Next: status.CategoryChange.To, NextAt: utc(status.CategoryChange.Time),
		},
	}, true
}

func templateDecided(status *v1alpha1.MessageTemplateStatus, s rules.TemplateState) {
	status.EvaluatedTime = at(s.EvaluatedAt)
	status.State, status.SinceTime, status.UntilTime, status.Source = s.State, at(s.Since), at(s.Until), s.Source
	status.StateReportedTime, status.StateReason = at(s.StateReported), s.Reason
	status.Quality = v1alpha1.TemplateQuality{Rating: s.Rating, SinceTime: at(s.RatingSince), ReportedTime: at(s.RatingReported)}
	status.Pauses = int32(s.Pauses)
	status.Category, status.CategoryReportedTime = s.Category.Name, at(s.Category.Reported)
	status.CategoryChange = v1alpha1.CategoryChange{To: s.Category.Next, Time: at(s.Category.NextAt)}
}

// onlyOne is a problem where an older resource is about the same template: what is reported of it is told once.
func (r *MessageTemplateReconciler) onlyOne(ctx context.Context, template *v1alpha1.MessageTemplate) error {
	var same v1alpha1.MessageTemplateList
	if err := r.Cache.List(ctx, &same, client.InNamespace(template.Namespace), client.MatchingFields{subjectIndex: templateSubject(template).String()}); err != nil {
		return fmt.Errorf("list message templates: %w", err)
	}
	for i := range same.Items {
		if other := &same.Items[i]; other.DeletionTimestamp.IsZero() && older(other, template) {
			return &problem{reason: v1alpha1.ReasonDuplicateTemplate, stalled: true, message: fmt.Sprintf(
				"MessageTemplate %q, which is older, is about the same template in the same language: delete one of the two.", other.Name)}
		}
	}
	return nil
}

func (r *MessageTemplateReconciler) concerned(ctx context.Context, subject string) ([]reconcile.Request, error) {
	return r.with(ctx, subjectIndex, subject)
}

func (r *MessageTemplateReconciler) namesakes(ctx context.Context, gone *v1alpha1.MessageTemplate) ([]reconcile.Request, error) {
	return r.concerned(ctx, templateSubject(gone).String())
}

func (r *MessageTemplateReconciler) governed(ctx context.Context, policy *v1alpha1.MessagingPolicy) ([]reconcile.Request, error) {
	named, err := r.with(ctx, policyIndex, policy.Name)
	if err != nil {
		return nil, err
	}
	rest, err := r.with(ctx, policyIndex, "")
	return append(named, rest...), err
}

func (r *MessageTemplateReconciler) with(ctx context.Context, index, value string) ([]reconcile.Request, error) {
	var templates v1alpha1.MessageTemplateList
	if err := r.Cache.List(ctx, &templates, client.MatchingFields{index: value}); err != nil {
		return nil, fmt.Errorf("list message templates: %w", err)
	}
	var all []reconcile.Request
	for i := range templates.Items {
		all = append(all, request(&templates.Items[i]))
	}
	return all, nil
}
