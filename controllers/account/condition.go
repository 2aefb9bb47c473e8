package account

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
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/reports"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	"numberfleet.dev/numberfleet/internal/meta/graph"
)

// FieldOwner owns the conditions ReportsFresh and UsageComplete in a status and the figures of the latter, and nothing else.
const FieldOwner = client.FieldOwner("numberfleet-poll")

// judge writes what it says of each number that says something else.
func (p *Poller) judge(ctx context.Context, a *polled, numbers []v1alpha1.PhoneNumber) error {
	var failures []error
	for i := range numbers {
		n := &numbers[i]
		fresh, ok := p.judgementOf(a, n)
		if have := reports.ReportsFresh(n); !ok && have != nil {
			fresh, ok = conditions.VerdictOf(have), true
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
func saidOf(object v1alpha1.Object, condition string) conditions.Verdict {
	if have := meta.FindStatusCondition(object.CommonStatus().Conditions, condition); have != nil {
		return conditions.VerdictOf(have)
	}
	return conditions.Verdict{}
}

// condition says a judgement, since when it is what it is.
func (a *polled) condition(object v1alpha1.Object, condition string, j conditions.Verdict) metav1.Condition {
	since := statuses.Time(a.last.at)
	if have := meta.FindStatusCondition(object.CommonStatus().Conditions, condition); have != nil && have.Status == j.Status {
		since = have.LastTransitionTime
	}
	return metav1.Condition{Type: condition, Status: j.Status, Reason: j.Reason, Message: j.Message, LastTransitionTime: since}
}

// judgementOf is false where the condition stays as it is: what passes by itself is worth a word, on all numbers of the
// account, only once it has lasted.
func (p *Poller) judgementOf(a *polled, n *v1alpha1.PhoneNumber) (conditions.Verdict, bool) {
	if e, is := errors.AsType[*graph.Error](a.last.failed); is {
		passes := e.Kind == graph.Temporary || e.Kind == graph.RateLimited
		return judgementOn(e), !passes || a.last.at.Sub(a.read) >= 2*p.Config.Period()
	}
	read, reason := a.last.found.of(n)
	switch {
	case reason == v1alpha1.ReasonNumberMismatch:
		return conditions.False(reason, "At Meta spec.phoneNumberID is the id of another number than spec.phoneNumber; nothing is taken from it."), true
	case read == nil:
		return conditions.False(reason, "The account has no such number at Meta, or the access token may not see it."), true
	}
	message := fmt.Sprintf("What Meta says of the number is read every %d minutes.", p.Config.PeriodMinutes)
	if untold := slices.DeleteFunc(slices.Clone(read.Unread), func(field string) bool { return !slices.Contains(polledFields, field) }); len(untold) > 0 {
		message += " Meta does not tell, or not in a known form: " + strings.Join(untold, ", ") + "."
	}
	return conditions.True(v1alpha1.ReasonPolled, message), true
}

// polledFields are the fields that reports are made of, by Meta's names.
var polledFields = []string{"status", "quality_rating", "messaging_limit_tier", "whatsapp_business_manager_messaging_limit"}

// judgementOn is what to say of a failure.
func judgementOn(e *graph.Error) conditions.Verdict {
	j := conditions.Verdict{Status: metav1.ConditionFalse}
	switch e.Kind {
	case graph.Token:
		j.Reason, j.Message = v1alpha1.ReasonTokenRefused, "Meta refuses the access token of the account: put a valid one into the file that the configuration names."
		if e.HTTPStatus == 0 {
			j.Message = "There is no usable access token, or app secret where one is named, in the files that the configuration names for the account."
		}
	case graph.Permission:
		j.Reason, j.Message = v1alpha1.ReasonPermissionMissing, "The access token may not read the account: it needs whatsapp_business_management, and its user a part in the account."
	case graph.NotFound:
		j.Reason, j.Message = v1alpha1.ReasonNotFoundAtMeta, "Meta has no such account, or the access token may not see it."
	case graph.RateLimited:
		j.Reason, j.Message = v1alpha1.ReasonRateLimited, "The calls that Meta allows do not suffice to read the account in time: what is known is older than two periods."
	case graph.Temporary:
		j.Reason, j.Message = v1alpha1.ReasonUnreachable, "Meta's Graph API does not answer properly: what is known is older than two periods."
	default:
		j.Reason, j.Message = v1alpha1.ReasonReadRefused, "Meta refuses to let the account be read."
	}
	// The codes of what passes by itself change from one answer to the next.
	if e.Code != 0 && e.Kind != graph.RateLimited && e.Kind != graph.Temporary {
		j.Message += fmt.Sprintf(" (Meta's code %d)", e.Code)
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
	return client.IgnoreNotFound(statuses.Apply(ctx, p.Client, FieldOwner, of, status))
}
