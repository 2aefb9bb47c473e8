package overview_test

import (
	"reflect"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/overview"
)

func condition(of string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: of, Status: status, Reason: reason, Message: message}
}

func number(conditions ...metav1.Condition) *v1alpha1.PhoneNumber {
	return &v1alpha1.PhoneNumber{Status: v1alpha1.PhoneNumberStatus{CommonStatus: v1alpha1.CommonStatus{Conditions: conditions}}}
}

var (
	ready   = condition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonEvaluated, "")
	reached = condition(v1alpha1.ConditionSendable, metav1.ConditionFalse, "LimitReached", "All of the limit is used.")
)

func TestProblems(t *testing.T) {
	sends, full := &client.Item{Sendable: true}, &client.Item{Reason: "LimitReached"}
	for _, test := range []struct {
		name    string
		of      *v1alpha1.PhoneNumber
		stands  *client.Item
		reasons []string
		urgency overview.Urgency
	}{
		{"what the operator has not seen needs a person", number(), full, []string{"NotReady"}, overview.Act},
		{"a number that is well has none", number(ready, condition(v1alpha1.ConditionSendable, metav1.ConditionTrue, "BelowLimit", "")), sends, nil, overview.Fine},
		{"what is not ready has no other problem", number(condition(v1alpha1.ConditionReady, metav1.ConditionFalse, "PolicyNotFound", ""), reached), full, []string{"PolicyNotFound"}, overview.Act},
		{"a limit that is reached is watched", number(ready, reached), full, []string{"LimitReached"}, overview.Watch},
		{"what needs a person comes before what is watched", number(ready, reached, condition(v1alpha1.ConditionUsageFresh, metav1.ConditionUnknown, "Silent", "")), full, []string{"Silent", "LimitReached"}, overview.Act},
		{"whether it may send is said by where it stands, not by an older status", number(ready, reached), sends, nil, overview.Fine},
		{"and so when its status says that it may", number(ready, condition(v1alpha1.ConditionSendable, metav1.ConditionTrue, "BelowLimit", "")), full, []string{"LimitReached"}, overview.Watch},
		{"that nothing was measured yet is no problem", number(ready, condition(v1alpha1.ConditionUsageComplete, metav1.ConditionUnknown, "NotMeasured", "")), sends, nil, overview.Fine},
		{"nor that a number is suspended", number(ready), &client.Item{Reason: "Suspended"}, nil, overview.Fine},
	} {
		t.Run(test.name, func(t *testing.T) {
			var reasons []string
			problems := overview.Problems(test.of, test.stands)
			for _, p := range problems {
				reasons = append(reasons, p.Reason)
			}
			if !reflect.DeepEqual(reasons, test.reasons) || overview.UrgencyOf(problems) != test.urgency {
				t.Errorf("the problems are %v, urgency %d", problems, overview.UrgencyOf(problems))
			}
		})
	}
	if p := overview.Problems(number(ready, reached), full)[0]; p.Message != reached.Message {
		t.Errorf("a problem that the status knows is not in its words, but %q", p.Message)
	}
}

// What happens by itself is told in the order in which it happens.
func TestUpcoming(t *testing.T) {
	at := func(hour int) metav1.Time { return metav1.NewTime(time.Date(2026, 3, 2, hour, 0, 0, 0, time.UTC)) }
	flagged := number()
	flagged.Status.Flag.DeadlineTime = at(9)
	flagged.Status.Upgrade = v1alpha1.UpgradeStatus{NextTier: "10K", EffectiveTime: at(7)}
	recovering := number()
	recovering.Status.Flag.ClearTime = at(9)
	for _, test := range []struct {
		name   string
		of     v1alpha1.Object
		stands client.Item
		want   []overview.Event
	}{
		{"a flagged number whose tier is to rise, and whose limit is reached", flagged, client.Item{Until: at(8).Time}, []overview.Event{
			{at(7).Time, "the tier rises to 10K"}, {at(8).Time, "further users may be messaged again"},
			{at(9).Time, "the tier falls, unless the quality rating rises above Low before"}}},
		{"a number that recovers", recovering, client.Item{Sendable: true}, []overview.Event{{at(9).Time, "the flag ends, if the quality rating stays above Low"}}},
		{"a portfolio", &v1alpha1.BusinessPortfolio{}, client.Item{Until: at(8).Time}, []overview.Event{{at(8).Time, "further users may be messaged again"}}},
		{"a pool", &v1alpha1.NumberPool{}, client.Item{Until: at(8).Time}, []overview.Event{{at(8).Time, "further users may be messaged again"}}},
		{"a template that is paused", &v1alpha1.MessageTemplate{Status: v1alpha1.MessageTemplateStatus{State: v1alpha1.TemplatePaused, UntilTime: at(8)}}, client.Item{}, []overview.Event{{at(8).Time, "the pause ends"}}},
		{"a template that is flagged", &v1alpha1.MessageTemplate{Status: v1alpha1.MessageTemplateStatus{State: v1alpha1.TemplateFlagged, UntilTime: at(8)}}, client.Item{Sendable: true}, []overview.Event{{at(8).Time, "the template is blocked, unless it is edited or its rating rises before"}}},
		{"what nothing happens to", number(), client.Item{Sendable: true}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := overview.Upcoming(test.of, &test.stands); !reflect.DeepEqual(got, test.want) {
				t.Errorf("what happens next is %v", got)
			}
		})
	}
}
