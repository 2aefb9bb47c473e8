package controllers

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	applyv1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/notify"
)

// subjectKey names an object that has transitions.
type subjectKey struct {
	kind string
	types.NamespacedName
}

// subjectKinds are the kinds that have transitions.
var subjectKinds = []struct {
	name   string
	object func() client.Object
}{
	{"PhoneNumber", func() client.Object { return &v1alpha1.PhoneNumber{} }},
	{"BusinessPortfolio", func() client.Object { return &v1alpha1.BusinessPortfolio{} }},
	{"MessageTemplate", func() client.Object { return &v1alpha1.MessageTemplate{} }},
}

func (k subjectKey) object() client.Object {
	for _, kind := range subjectKinds {
		if kind.name == k.kind {
			return kind.object()
		}
	}
	return nil
}

// subject is an object as a notifier sees it.
type subject struct {
	notify.Subject
	UID           types.UID
	now           notify.Standing
	members       []string // of a portfolio: the namespaces of its numbers
	transitions   int64
	history       []v1alpha1.Transition
	notifications []v1alpha1.NotificationProgress
}

func subjectOf(object client.Object) subject {
	s := subject{UID: object.GetUID(), Subject: notify.Subject{Namespace: object.GetNamespace(), Name: object.GetName(), UID: string(object.GetUID())}}
	switch o := object.(type) {
	case *v1alpha1.PhoneNumber:
		status := &o.Status
		s.Kind, s.Resource = "PhoneNumber", "phonenumbers"
		s.now = notify.Standing{Policy: status.PolicyName, State: string(status.State), Tier: status.Tier.Name, Limit: status.Tier.Limit, Used: status.Usage.Used, Quality: string(status.Quality.Rating)}
		s.transitions, s.history, s.notifications = status.Transitions, status.History, status.Notifications
	case *v1alpha1.BusinessPortfolio:
		status := &o.Status
		s.Kind, s.Resource = "BusinessPortfolio", "businessportfolios"
		s.now = notify.Standing{Policy: status.PolicyName, State: string(status.Connection.State), Tier: status.Tier.Name, Limit: status.Tier.Limit, Used: status.Usage.Used, Quality: string(status.Quality.Rating)}
		s.transitions, s.history, s.notifications = status.Transitions, status.History, status.Notifications
	case *v1alpha1.MessageTemplate:
		status := &o.Status
		s.Kind, s.Resource = "MessageTemplate", "messagetemplates"
		s.now = notify.Standing{Policy: status.PolicyName, State: string(status.State), Quality: string(status.Quality.Rating)}
		s.transitions, s.history, s.notifications = status.Transitions, status.History, status.Notifications
	}
	return s
}

// progress is how many of the object's transitions a receiver is done with.
func (s *subject) progress(receiver string) int64 {
	for _, n := range s.notifications {
		if n.Receiver == receiver && n.Transitions != nil {
			return *n.Transitions
		}
	}
	return 0
}

// advanced is the progress of all receivers once one of them is at done. Those that are no more, go.
func (s *subject) advanced(receiver string, done int64, receivers []string) []*applyv1alpha1.NotificationProgressApplyConfiguration {
	var all []*applyv1alpha1.NotificationProgressApplyConfiguration
	for _, name := range receivers {
		reached := s.progress(name)
		if name == receiver {
			reached = max(reached, done)
		}
		if reached > 0 {
			all = append(all, applyv1alpha1.NotificationProgress().WithReceiver(name).WithTransitions(reached))
		}
	}
	return all
}

// in says whether the object is in one of the namespaces; where there are none, it always is. A portfolio is where its
// numbers are.
func (s *subject) in(namespaces []string) bool {
	return len(namespaces) == 0 || slices.Contains(namespaces, s.Namespace) ||
		slices.ContainsFunc(s.members, func(namespace string) bool { return slices.Contains(namespaces, namespace) })
}

// membersOf are the namespaces of a portfolio's numbers.
func (s *subject) membersOf(ctx context.Context, reader client.Reader) error {
	if s.Kind != "BusinessPortfolio" {
		return nil
	}
	numbers, err := numbersWith(ctx, reader, portfolioIndex, s.Name)
	for i := range numbers {
		s.members = append(s.members, numbers[i].Namespace)
	}
	return err
}

// progressOf is what is applied to an object so that it has that progress.
func (k subjectKey) progressOf(object client.Object, progress []*applyv1alpha1.NotificationProgressApplyConfiguration) runtime.ApplyConfiguration {
	uid, version := object.GetUID(), object.GetResourceVersion()
	switch k.kind {
	case "PhoneNumber":
		return applyv1alpha1.PhoneNumber(k.Name, k.Namespace).WithUID(uid).WithResourceVersion(version).
			WithStatus(applyv1alpha1.PhoneNumberStatus().WithNotifications(progress...))
	case "BusinessPortfolio":
		return applyv1alpha1.BusinessPortfolio(k.Name).WithUID(uid).WithResourceVersion(version).
			WithStatus(applyv1alpha1.BusinessPortfolioStatus().WithNotifications(progress...))
	default:
		return applyv1alpha1.MessageTemplate(k.Name, k.Namespace).WithUID(uid).WithResourceVersion(version).
			WithStatus(applyv1alpha1.MessageTemplateStatus().WithNotifications(progress...))
	}
}
