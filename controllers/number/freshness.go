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

// lastReceived is when something was last received about the number, zero for never, and when nothing was received for too long if nothing
// comes until then, zero for a number that is not heard of daily. The ledger knows when things happened, whenever they came; the
// receipts of this process and the status know when something came. While the operator was away nothing could come, and Meta sends it
// again.
func (e *Evaluation) lastReceived() (last, silent time.Time) {
	happened, days := e.operator.Ledger.Activity(e.Number.Spec.PhoneNumber)
	last = statuses.Latest(happened, statuses.Latest(e.receipts().At.Truncate(time.Second), statuses.UTC(e.Number.Status.Usage.LastReceivedTime)))
	if last.After(e.now) {
		last = e.now // what is stamped ahead of our clock came by now
	}
	if days >= dailyFor {
		silent = statuses.Latest(last, e.operator.Presence.PresentSince().Truncate(time.Second)).Add(silentAfter)
	}
	return last, silent
}

// receipts is what this process received about the number, under whatever name.
func (e *Evaluation) receipts() receipts.Subject {
	return e.operator.Receipts.Of(e.operator.Ledger.Names(e.Number.Spec.PhoneNumber)...)
}

// setUsageFresh says whether the counts of a number are as they should be: messages from Meta are expected and come. It returns when that
// ends by itself, zero for never.
func (e *Evaluation) setUsageFresh(set conditions.Setter, last, silent time.Time) (until time.Time) {
	o, number := e.operator, e.Number
	if e.sampled {
		if j, ok := o.Samples.Verdict(number); ok {
			set.Set(v1alpha1.ConditionUsageFresh, j.Status, j.Reason, j.Message)
		}
		return time.Time{}
	}
	// Once something was received it stays so: what was counted leaves the windows in time.
	said := meta.FindStatusCondition(*set.In, v1alpha1.ConditionUsageFresh)
	silence := !silent.IsZero() && !e.now.Before(silent)
	received := o.Ledger.Known(number.Spec.PhoneNumber) || !last.IsZero() || said != nil && (said.Reason == v1alpha1.ReasonCounting || said.Reason == v1alpha1.ReasonSilent)
	switch {
	case e.unsubscribed():
		set.Set(v1alpha1.ConditionUsageFresh, metav1.ConditionUnknown, v1alpha1.ReasonNotSubscribed,
			"The operator's app is not among the apps that are subscribed to the number's account at Meta, so no webhooks come: subscribe it (POST /{account}/subscribed_apps).")
	case (!received || silence) && !o.Webhooks.Receives(number.Spec.Business.WhatsAppBusinessAccountID):
		set.Set(v1alpha1.ConditionUsageFresh, metav1.ConditionUnknown, v1alpha1.ReasonSecretMissing,
			"Nothing comes for this number, and webhooks about it are refused until there is a secret of an app that may report about it: "+
				"the operator's log and the metric numberfleet_degraded say which file is missing.")
	case !received:
		set.Set(v1alpha1.ConditionUsageFresh, metav1.ConditionUnknown, v1alpha1.ReasonNothingReceived, "Nothing was received for this number yet; see that Meta's webhook points to the operator.")
	case silence:
		set.Set(v1alpha1.ConditionUsageFresh, metav1.ConditionUnknown, v1alpha1.ReasonSilent, "Nothing was received since "+statuses.Stamp(statuses.Time(last))+
			", and something came on each of the seven days before: used falls, whether or not fewer users were reached. "+
			"See that Meta's webhooks reach the operator, that its app is subscribed to the account, and that the number still sends.")
	default:
		set.Set(v1alpha1.ConditionUsageFresh, metav1.ConditionTrue, v1alpha1.ReasonCounting, "All that was received is counted.")
		return silent
	}
	return time.Time{}
}

// unsubscribed says whether Meta said last that the operator's app is not subscribed to the number's account. Where the account is not
// read any more, nobody knows.
func (e *Evaluation) unsubscribed() bool {
	number := e.Number
	account := number.Spec.Business.WhatsAppBusinessAccountID
	if account == "" || reports.ReportsFresh(number) == nil {
		return false
	}
	return reports.Last(e.operator.Ledger, report.AccountSubject(account))[report.Subscription].Value == report.NotSubscribed
}

// lastFailure is the last message of a number that failed, as far as one did since the start, or before it as the status knows.
func (e *Evaluation) lastFailure() v1alpha1.FailureStatus {
	f, number := e.receipts().LastFailure, e.Number
	if f.At.IsZero() || f.At.Before(number.Status.LastFailure.Time.Time) {
		return number.Status.LastFailure
	}
	class := webhooks.ClassOf(f.Code)
	return v1alpha1.FailureStatus{Code: max(f.Code, 0), Class: string(class), Meaning: class.Meaning(), Time: statuses.Time(f.At)}
}
