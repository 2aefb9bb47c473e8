package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/meta/graph"
)

// PollOwner owns the conditions ReportsFresh and UsageComplete in a status and the figures of the latter, and nothing else.
const PollOwner = client.FieldOwner("numberfleet-poll")

func reportsFresh(number *v1alpha1.PhoneNumber) *metav1.Condition {
	return meta.FindStatusCondition(number.Status.Conditions, v1alpha1.ConditionReportsFresh)
}

// judgement is what the condition says. Its message has no times and no words of Meta's, which differ from one answer to
// the next: a thousand numbers would be written again.
type judgement struct {
	status          metav1.ConditionStatus
	reason, message string
}

// judge writes what it says of each number that says something else.
func (p *Poller) judge(ctx context.Context, a *polled, numbers []v1alpha1.PhoneNumber) error {
	var failures []error
	for i := range numbers {
		n := &numbers[i]
		fresh, ok := p.judgementOf(a, n)
		if have := reportsFresh(n); !ok && have != nil {
			fresh, ok = judgement{have.Status, have.Reason, have.Message}, true
		}
		if !ok || !n.DeletionTimestamp.IsZero() {
			continue
		}
		c := a.compared(n)
		complete := p.completeness(a, n, c)
		news := saidOf(n, v1alpha1.ConditionReportsFresh) != fresh || saidOf(n, v1alpha1.ConditionUsageComplete) != complete
		figures := completenessStatus(c)
		if atRest(figures) && atRest(n.Status.Completeness) {
			figures = n.Status.Completeness // of another day, which is no reason to write
		}
		if news || !equality.Semantic.DeepEqual(figures, n.Status.Completeness) {
			status := v1alpha1.PhoneNumberStatus{Completeness: figures}
			status.Conditions = []metav1.Condition{a.condition(n, v1alpha1.ConditionReportsFresh, fresh), a.condition(n, v1alpha1.ConditionUsageComplete, complete)}
			failures = append(failures, p.say(ctx, n, status))
		}
	}
	return errors.Join(failures...)
}

// saidOf is what a condition of a resource says; nothing where it has none.
func saidOf(object v1alpha1.Object, condition string) judgement {
	if have := meta.FindStatusCondition(object.CommonStatus().Conditions, condition); have != nil {
		return judgement{have.Status, have.Reason, have.Message}
	}
	return judgement{}
}

// condition says a judgement, since when it is what it is.
func (a *polled) condition(object v1alpha1.Object, condition string, j judgement) metav1.Condition {
	since := at(a.last.at)
	if have := meta.FindStatusCondition(object.CommonStatus().Conditions, condition); have != nil && have.Status == j.status {
		since = have.LastTransitionTime
	}
	return metav1.Condition{Type: condition, Status: j.status, Reason: j.reason, Message: j.message, LastTransitionTime: since}
}

// judgementOf is false where the condition stays as it is: what passes by itself is worth a word, on all numbers of the
// account, only once it has lasted.
func (p *Poller) judgementOf(a *polled, n *v1alpha1.PhoneNumber) (judgement, bool) {
	if e, is := errors.AsType[*graph.Error](a.last.failed); is {
		passes := e.Kind == graph.Temporary || e.Kind == graph.RateLimited
		return judgementOn(e), !passes || a.last.at.Sub(a.read) >= 2*p.Config.Period()
	}
	read, reason := a.last.found.of(n)
	switch {
	case reason == v1alpha1.ReasonNumberMismatch:
		return judgement{metav1.ConditionFalse, reason, "At Meta spec.phoneNumberID is the id of another number than spec.phoneNumber; nothing is taken from it."}, true
	case read == nil:
		return judgement{metav1.ConditionFalse, reason, "The account has no such number at Meta, or the access token may not see it."}, true
	}
	message := fmt.Sprintf("What Meta says of the number is read every %d minutes.", p.Config.PeriodMinutes)
	if untold := slices.DeleteFunc(slices.Clone(read.Unread), func(field string) bool { return !slices.Contains(polledFields, field) }); len(untold) > 0 {
		message += " Meta does not tell, or not in a known form: " + strings.Join(untold, ", ") + "."
	}
	return judgement{metav1.ConditionTrue, v1alpha1.ReasonPolled, message}, true
}

// polledFields are the fields that reports are made of, by Meta's names.
var polledFields = []string{"status", "quality_rating", "messaging_limit_tier", "whatsapp_business_manager_messaging_limit"}

// judgementOn is what to say of a failure.
func judgementOn(e *graph.Error) judgement {
	j := judgement{status: metav1.ConditionFalse}
	switch e.Kind {
	case graph.Token:
		j.reason, j.message = v1alpha1.ReasonTokenRefused, "Meta refuses the access token of the account: put a valid one into the file that the configuration names."
		if e.HTTPStatus == 0 {
			j.message = "There is no usable access token, or app secret where one is named, in the files that the configuration names for the account."
		}
	case graph.Permission:
		j.reason, j.message = v1alpha1.ReasonPermissionMissing, "The access token may not read the account: it needs whatsapp_business_management, and its user a part in the account."
	case graph.NotFound:
		j.reason, j.message = v1alpha1.ReasonNotFoundAtMeta, "Meta has no such account, or the access token may not see it."
	case graph.RateLimited:
		j.reason, j.message = v1alpha1.ReasonRateLimited, "The calls that Meta allows do not suffice to read the account in time: what is known is older than two periods."
	case graph.Temporary:
		j.reason, j.message = v1alpha1.ReasonUnreachable, "Meta's Graph API does not answer properly: what is known is older than two periods."
	default:
		j.reason, j.message = v1alpha1.ReasonReadRefused, "Meta refuses to let the account be read."
	}
	// The codes of what passes by itself change from one answer to the next.
	if e.Code != 0 && e.Kind != graph.RateLimited && e.Kind != graph.Temporary {
		j.message += fmt.Sprintf(" (Meta's code %d)", e.Code)
	}
	return j
}

// withdraw takes what was said from numbers that are not read any more.
func (p *Poller) withdraw(ctx context.Context, numbers []v1alpha1.PhoneNumber) error {
	var failures []error
	for i := range numbers {
		if p.left(&numbers[i]) {
			failures = append(failures, p.say(ctx, &numbers[i], v1alpha1.PhoneNumberStatus{}))
		}
	}
	return errors.Join(failures...)
}

// say applies to a resource the part of its status that is owned here. What is left out goes.
func (p *Poller) say(ctx context.Context, object v1alpha1.Object, status any) error {
	// The uid, so that it is not said of a resource that was created again; no version, since nothing else of the resource matters.
	of := object.DeepCopyObject().(v1alpha1.Object)
	of.SetResourceVersion("")
	return client.IgnoreNotFound(applyStatus(ctx, p.Client, PollOwner, of, status))
}
