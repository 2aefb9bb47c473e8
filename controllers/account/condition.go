package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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

// applyConditions writes what it says of each number that says something else.
func (p *Poller) applyConditions(ctx context.Context, a *account, numbers []v1alpha1.PhoneNumber) error {
	var failures []error
	for i := range numbers {
		n := &numbers[i]
		fresh, ok := p.verdict(a, n)
		if have := reports.ReportsFresh(n); !ok && have != nil {
			fresh, ok = conditions.VerdictOf(have), true
		}
		if !ok || !n.DeletionTimestamp.IsZero() {
			continue
		}
		c := a.comparisonOf(n)
		complete := p.completeness(a, n, c)
		news := verdictOf(n, v1alpha1.ConditionReportsFresh) != fresh || verdictOf(n, v1alpha1.ConditionUsageComplete) != complete
		figures := completenessStatus(c)
		if atRest(figures) && atRest(n.Status.Completeness) {
			figures = n.Status.Completeness // of another day, which is no reason to write
		}
		if news || !equality.Semantic.DeepEqual(figures, n.Status.Completeness) {
			status := v1alpha1.PhoneNumberStatus{Completeness: figures}
			status.Conditions = []metav1.Condition{a.condition(n, v1alpha1.ConditionReportsFresh, fresh), a.condition(n, v1alpha1.ConditionUsageComplete, complete)}
			failures = append(failures, p.apply(ctx, n, status))
		}
	}
	return errors.Join(failures...)
}

// verdictOf is what a condition of a resource says; nothing where it has none.
func verdictOf(object v1alpha1.Object, condition string) conditions.Verdict {
	if have := meta.FindStatusCondition(object.CommonStatus().Conditions, condition); have != nil {
		return conditions.VerdictOf(have)
	}
	return conditions.Verdict{}
}

// condition says a judgement, since when it is what it is.
func (a *account) condition(object v1alpha1.Object, condition string, j conditions.Verdict) metav1.Condition {
	since := statuses.Time(a.last.at)
	if have := meta.FindStatusCondition(object.CommonStatus().Conditions, condition); have != nil && have.Status == j.Status {
		since = have.LastTransitionTime
	}
	return metav1.Condition{Type: condition, Status: j.Status, Reason: j.Reason, Message: j.Message, LastTransitionTime: since}
}

// verdict is false where the condition stays as it is: what passes by itself is worth a word, on all numbers of the
// account, only once it has lasted.
func (p *Poller) verdict(a *account, n *v1alpha1.PhoneNumber) (conditions.Verdict, bool) {
	if e, is := errors.AsType[*graph.Error](a.last.failed); is {
		return failureVerdict(e), p.lasts(e, a.last.at.Sub(a.read))
	}
	read, reason := a.last.found.of(n)
	switch {
	case reason == v1alpha1.ReasonNumberMismatch:
		return conditions.False(reason, "At Meta spec.phoneNumberID is the id of another number than spec.phoneNumber; nothing is taken from it."), true
	case read == nil:
		return conditions.False(reason, "The account has no such number at Meta, or the access token may not see it."), true
	}
	return p.readVerdict("number", read.Unread, numberFields), true
}

// readVerdict says that something is read, and which of the fields that reports are made of are not told.
func (p *Poller) readVerdict(what string, unread, fields []string) conditions.Verdict {
	message := fmt.Sprintf("What Meta says of the %s is read every %d minutes.", what, p.Config.PeriodMinutes)
	if untold := slices.DeleteFunc(slices.Clone(unread), func(field string) bool { return !slices.Contains(fields, field) }); len(untold) > 0 {
		message += " Meta does not tell, or not in a known form: " + strings.Join(untold, ", ") + "."
	}
	return conditions.True(v1alpha1.ReasonPolled, message)
}

// lasts says whether a failure is worth a word: what passes by itself is once nothing was read for two periods.
func (p *Poller) lasts(e *graph.Error, unread time.Duration) bool {
	passes := e.Kind == graph.Temporary || e.Kind == graph.RateLimited
	return !passes || unread >= 2*p.Config.Period()
}

// numberFields are the fields that reports are made of, by Meta's names.
var numberFields = []string{"status", "quality_rating", "messaging_limit_tier", "whatsapp_business_manager_messaging_limit"}

// failureVerdict is what to say of a failure.
func failureVerdict(e *graph.Error) conditions.Verdict {
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

// withdraw takes what was said from resources that are not read any more.
func (p *Poller) withdraw(ctx context.Context, objects []v1alpha1.Object) error {
	var failures []error
	for _, object := range objects {
		if p.stops(object) {
			failures = append(failures, p.apply(ctx, object, v1alpha1.CommonStatus{}))
		}
	}
	return errors.Join(failures...)
}

// apply applies to a resource the part of its status that is owned here. What is left out goes.
func (p *Poller) apply(ctx context.Context, object v1alpha1.Object, status any) error {
	// The uid, so that it is not said of a resource that was created again; no version, since nothing else of the resource matters.
	of := object.DeepCopyObject().(v1alpha1.Object)
	of.SetResourceVersion("")
	return client.IgnoreNotFound(statuses.Apply(ctx, p.Client, FieldOwner, of, status))
}
