package number

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/conditions"
	"numberfleet.dev/numberfleet/controllers/internal/reports"
	"numberfleet.dev/numberfleet/controllers/internal/statuses"
	webhooks "numberfleet.dev/numberfleet/internal/meta"
	"numberfleet.dev/numberfleet/internal/receipts"
	"numberfleet.dev/numberfleet/internal/report"
)

const (
	// dailyFor is on how many days in a row something was received about a number that is expected to be heard of daily. A week,
	// so that a number that rests at weekends is none.
	dailyFor = 7
	// silentAfter is how long such a number may be silent.
	silentAfter = 24 * time.Hour
)

// hearing is how a number is heard of.
type hearing struct {
	at     time.Time // when something was last received about it; zero for never
	silent time.Time // when nothing was received for too long, if nothing comes until then; zero for a number that is not heard of daily
}

// heard says how a number is heard of. The ledger knows when things happened, whenever they came; the receipts of this process and the
// status know when something came. While the operator was away nothing could come, and Meta sends it again.
func (r *Reconciler) heard(number *v1alpha1.PhoneNumber, now time.Time) hearing {
	happened, days := r.Ledger.Activity(number.Spec.PhoneNumber)
	at := statuses.Latest(happened, statuses.Latest(r.received(number).At.Truncate(time.Second), statuses.UTC(number.Status.Usage.LastReceivedTime)))
	if at.After(now) {
		at = now // what is stamped ahead of our clock came by now
	}
	h := hearing{at: at}
	if days >= dailyFor {
		h.silent = statuses.Latest(at, r.Presence.Since().Truncate(time.Second)).Add(silentAfter)
	}
	return h
}

// received is what this process received about a number, under whatever name.
func (r *Reconciler) received(number *v1alpha1.PhoneNumber) receipts.Subject {
	return r.Receipts.Of(r.Ledger.Names(number.Spec.PhoneNumber)...)
}

// usageFresh says whether the counts of a number are as they should be: messages from Meta are expected and come. It returns when that
// ends by itself, zero for never.
func (r *Reconciler) usageFresh(set conditions.Setter, number *v1alpha1.PhoneNumber, sampled bool, h hearing, now time.Time) (until time.Time) {
	if sampled {
		if j, ok := r.Samples.Verdict(number); ok {
			set.Set(v1alpha1.ConditionUsageFresh, j.Status, j.Reason, j.Message)
		}
		return time.Time{}
	}
	// Once something was received it stays so: what was counted leaves the windows in time.
	said := meta.FindStatusCondition(*set.In, v1alpha1.ConditionUsageFresh)
	received := r.Ledger.Known(number.Spec.PhoneNumber) || !h.at.IsZero() || said != nil && (said.Reason == v1alpha1.ReasonCounting || said.Reason == v1alpha1.ReasonSilent)
	switch {
	case r.unsubscribed(number):
		set.Set(v1alpha1.ConditionUsageFresh, metav1.ConditionUnknown, v1alpha1.ReasonNotSubscribed,
			"The operator's app is not among the apps that are subscribed to the number's account at Meta, so no webhooks come: subscribe it (POST /{account}/subscribed_apps).")
	case !received:
		set.Set(v1alpha1.ConditionUsageFresh, metav1.ConditionUnknown, v1alpha1.ReasonNothingReceived, "Nothing was received for this number yet; see that Meta's webhook points to the operator.")
	case !h.silent.IsZero() && !now.Before(h.silent):
		set.Set(v1alpha1.ConditionUsageFresh, metav1.ConditionUnknown, v1alpha1.ReasonSilent, "Nothing was received since "+statuses.Stamp(statuses.Time(h.at))+
			", and something came on each of the seven days before: used falls, whether or not fewer users were reached. "+
			"See that Meta's webhooks reach the operator, that its app is subscribed to the account, and that the number still sends.")
	default:
		set.Set(v1alpha1.ConditionUsageFresh, metav1.ConditionTrue, v1alpha1.ReasonCounting, "All that was received is counted.")
		return h.silent
	}
	return time.Time{}
}

// unsubscribed says whether Meta said last that the operator's app is not subscribed to the number's account. Where the account is not
// read any more, nobody knows.
func (r *Reconciler) unsubscribed(number *v1alpha1.PhoneNumber) bool {
	account := number.Spec.Business.WhatsAppBusinessAccountID
	if account == "" || reports.ReportsFresh(number) == nil {
		return false
	}
	return reports.Last(r.Ledger, report.AccountSubject(account))[report.Subscription].Value == report.NotSubscribed
}

// lastFailure is the last message of a number that failed, as far as one did since the start, or before it as the status knows.
func (r *Reconciler) lastFailure(number *v1alpha1.PhoneNumber) v1alpha1.FailureStatus {
	f := r.received(number).LastFailure
	if f.At.IsZero() || f.At.Before(number.Status.LastFailure.Time.Time) {
		return number.Status.LastFailure
	}
	class := webhooks.ClassOf(f.Code)
	return v1alpha1.FailureStatus{Code: max(f.Code, 0), Class: string(class), Meaning: class.Meaning(), Time: statuses.Time(f.At)}
}
