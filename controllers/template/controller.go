// Package template keeps the status of MessageTemplates at what the rules conclude from what Meta reports.
package template

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
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/lookup"
	"numberfleet.dev/numberfleet/controllers/internal/reconciler"
	"numberfleet.dev/numberfleet/controllers/internal/reports"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/controllers/internal/throttle"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
)

// Reconciler keeps the status of MessageTemplates at what the rules conclude from what Meta reports.
type Reconciler struct {
	reconciler.Operator
}

// +kubebuilder:rbac:groups=whatsapp.numberfleet.dev,resources=messagetemplates/status,verbs=patch

// SetupWithManager registers the controller. The indexes must be there (see SetupIndexes).
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.MessageTemplate{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// When one goes, another about the same template may have to take over.
		Watches(&v1alpha1.MessageTemplate{}, handler.EnqueueRequestsFromMapFunc(lookup.Map(r.requestsForSameTemplate)), builder.WithPredicates(reconciler.OnlyDeletion)).
		Watches(&v1alpha1.MessagingPolicy{}, handler.EnqueueRequestsFromMapFunc(lookup.Map(r.requestsForPolicy)), builder.WithPredicates(reconciler.PolicyChanged)).
		WatchesRawSource(reconciler.Subscription(r.Ledger, r.BatchPeriod, r.RequestsFor)).
		WithOptions(reconciler.Options(r.Concurrency)).
		Named("messagetemplate").
		Complete(r)
}

// Reconcile brings one template's status up to now.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
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
		ours.Conditions, ours.Notifications = conditions.Owned(want.Conditions), nil
		written, result, err := r.Record(ctx, &template, &ours, reconciler.Outcome{Of: throttle.Resource{Kind: "MessageTemplate", NamespacedName: request.NamespacedName}, Differs: throttle.Difference{Decided: true}, Transitions: statuses.Transitions{Happened: transitions, Told: transitions}, Before: template.Status.Conditions, After: want.Conditions, Deadline: template.Status.UntilTime, Now: now})
		if !written {
			return result, err
		}
	}
	return reconciler.SleepUntil(r.Clock, next, reconciler.DeadlinePriority), nil
}

// templateDecisions is what a template's status is written for: not for the instant up to which the rules have run.
func templateDecisions(status *v1alpha1.MessageTemplateStatus) *v1alpha1.MessageTemplateStatus {
	d := *status
	d.EvaluatedTime, d.Notifications = metav1.Time{}, nil
	return &d
}

// evaluate lets the rules decide and writes the outcome into the wanted status. It returns what happened and the next
// instant at which something can.
func (r *Reconciler) evaluate(ctx context.Context, template *v1alpha1.MessageTemplate, want *v1alpha1.MessageTemplateStatus, now time.Time) ([]rules.Transition, time.Time, error) {
	set := conditions.Of(template, &want.Conditions, now)
	if template.Spec.Activity == v1alpha1.Suspended {
		set.SetReady(v1alpha1.ReasonSuspended, "spec.activity is Suspended: the status is frozen.")
		return nil, time.Time{}, nil
	}
	policy, err := lookup.Policy(ctx, r.Cache, template.Spec.PolicyName)
	if err == nil {
		err = r.onlyOne(ctx, template)
	}
	if problem := (*conditions.Problem)(nil); errors.As(err, &problem) {
		set.SetNotReady(problem)
		return nil, time.Time{}, nil
	} else if err != nil {
		return nil, time.Time{}, err
	}
	reports, last := reports.After(r.Ledger, lookup.TemplateSubject(template), template.Status.ObservedReport)

	state, evaluated := State(&template.Status)
	var transitions []rules.Transition
	switch {
	case !evaluated:
		state = rules.InitialTemplate(report.Earliest(reports, now))
	case template.Status.PolicyName != policy.Name || template.Status.PolicyGeneration != policy.Generation:
		state, transitions = rules.MigrateTemplatePolicy(policy.Policy, state, now)
	}
	state, more, next := rules.AdvanceTemplate(policy.Policy, reports, state, now)
	transitions = append(transitions, more...)

	want.PolicyName, want.PolicyGeneration = policy.Name, policy.Generation
	SetStatus(want, state)
	want.ObservedReport = last
	statuses.AddTransitions(&want.History, &want.Transitions, transitions)
	set.SetReady(v1alpha1.ReasonEvaluated, "The rules of policy "+policy.Name+" ran on all that was received.")
	setSendable(set, want, &policy.Templates)
	return transitions, next, nil
}

// State reads the engine's state back from the status; false if the template was never evaluated.
func State(status *v1alpha1.MessageTemplateStatus) (rules.TemplateState, bool) {
	if status.State == "" {
		return rules.TemplateState{}, false
	}
	return rules.TemplateState{
		EvaluatedAt:    statuses.UTC(status.EvaluatedTime),
		State:          status.State,
		Since:          statuses.UTC(status.SinceTime),
		Until:          statuses.UTC(status.UntilTime),
		Source:         status.Source,
		Reason:         status.StateReason,
		StateReported:  statuses.UTC(status.StateReportedTime),
		Rating:         status.Quality.Rating,
		RatingSince:    statuses.UTC(status.Quality.SinceTime),
		RatingReported: statuses.UTC(status.Quality.ReportedTime),
		Pauses:         int(status.Pauses),
		Category: rules.TemplateCategory{
			Name: status.Category, Reported: statuses.UTC(status.CategoryReportedTime), Next: status.CategoryChange.To, NextAt: statuses.UTC(status.CategoryChange.Time),
		},
	}, true
}

func SetStatus(status *v1alpha1.MessageTemplateStatus, s rules.TemplateState) {
	status.EvaluatedTime = statuses.Time(s.EvaluatedAt)
	status.State, status.SinceTime, status.UntilTime, status.Source = s.State, statuses.Time(s.Since), statuses.Time(s.Until), s.Source
	status.StateReportedTime, status.StateReason = statuses.Time(s.StateReported), s.Reason
	status.Quality = v1alpha1.TemplateQuality{Rating: s.Rating, SinceTime: statuses.Time(s.RatingSince), ReportedTime: statuses.Time(s.RatingReported)}
	status.Pauses = int32(s.Pauses)
	status.Category, status.CategoryReportedTime = s.Category.Name, statuses.Time(s.Category.Reported)
	status.CategoryChange = v1alpha1.CategoryChange{To: s.Category.Next, Time: statuses.Time(s.Category.NextAt)}
}

// onlyOne is a problem where an older resource is about the same template: what is reported of it is told once.
func (r *Reconciler) onlyOne(ctx context.Context, template *v1alpha1.MessageTemplate) error {
	var same v1alpha1.MessageTemplateList
	if err := r.Cache.List(ctx, &same, client.InNamespace(template.Namespace), client.MatchingFields{lookup.SubjectIndex: lookup.TemplateSubject(template).String()}); err != nil {
		return fmt.Errorf("list message templates: %w", err)
	}
	for i := range same.Items {
		if other := &same.Items[i]; other.DeletionTimestamp.IsZero() && lookup.Older(other, template) {
			return &conditions.Problem{Reason: v1alpha1.ReasonDuplicateTemplate, Stalled: true, Message: fmt.Sprintf(
				"MessageTemplate %q, which is older, is about the same template in the same language: delete one of the two.", other.Name)}
		}
	}
	return nil
}

func (r *Reconciler) RequestsFor(ctx context.Context, subject string) ([]reconcile.Request, error) {
	return r.with(ctx, lookup.SubjectIndex, subject)
}

func (r *Reconciler) requestsForSameTemplate(ctx context.Context, gone *v1alpha1.MessageTemplate) ([]reconcile.Request, error) {
	return r.RequestsFor(ctx, lookup.TemplateSubject(gone).String())
}

func (r *Reconciler) requestsForPolicy(ctx context.Context, policy *v1alpha1.MessagingPolicy) ([]reconcile.Request, error) {
	named, err := r.with(ctx, lookup.PolicyIndex, policy.Name)
	if err != nil {
		return nil, err
	}
	rest, err := r.with(ctx, lookup.PolicyIndex, "")
	return append(named, rest...), err
}

func (r *Reconciler) with(ctx context.Context, index, value string) ([]reconcile.Request, error) {
	var templates v1alpha1.MessageTemplateList
	if err := r.Cache.List(ctx, &templates, client.MatchingFields{index: value}); err != nil {
		return nil, fmt.Errorf("list message templates: %w", err)
	}
	var all []reconcile.Request
	for i := range templates.Items {
		all = append(all, lookup.Request(&templates.Items[i]))
	}
	return all, nil
}
