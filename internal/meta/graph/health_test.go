package graph

import (
	"slices"
	"testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
)

// What is in the way of messages is told in Meta's words, without ids and advice.
func TestWhatHindersMessages(t *testing.T) {
	health := Health{Entities: []HealthEntity{
		{Type: "PHONE_NUMBER", CanSendMessage: "LIMITED", Info: []string{"The name waits for approval"}},
		{Type: "WABA", CanSendMessage: "AVAILABLE", Info: []string{"of no matter"}},
		{Type: "BUSINESS", CanSendMessage: "BLOCKED", Errors: []HealthError{{Code: "141014", Description: "Banned"}}},
		{Type: "APP", CanSendMessage: "BLOCKED"},
	}}
	want := []string{"PHONE_NUMBER: The name waits for approval", "BUSINESS: Banned (code 141014)", "APP: BLOCKED"}
	if got := health.Hindrances(); !slices.Equal(got, want) {
		t.Errorf("in the way are %q, not %q", got, want)
	}
}

func TestTheHealthOfMessagingIsTheWorstOfItsParts(t *testing.T) {
	parts := func(of ...string) []HealthEntity {
		var all []HealthEntity
		for _, a := range of {
			all = append(all, HealthEntity{CanSendMessage: a})
		}
		return all
	}
	for name, test := range map[string]struct {
		health Health
		want   report.Sending
	}{
		"nothing is told":             {Health{}, ""},
		"only the whole":              {Health{Overall: "LIMITED"}, report.SendingLimited},
		"all available":               {Health{Overall: "AVAILABLE", Entities: parts("AVAILABLE", "AVAILABLE")}, report.SendingAvailable},
		"one limited":                 {Health{Overall: "LIMITED", Entities: parts("AVAILABLE", "LIMITED")}, report.SendingLimited},
		"one blocked":                 {Health{Overall: "BLOCKED", Entities: parts("LIMITED", "BLOCKED", "AVAILABLE")}, report.SendingBlocked},
		"only calls are blocked":      {Health{Overall: "BLOCKED", Entities: parts("AVAILABLE", "AVAILABLE")}, report.SendingAvailable},
		"a part does not say":         {Health{Overall: "BLOCKED", Entities: parts("AVAILABLE", "")}, report.SendingBlocked},
		"a word that is not known":    {Health{Overall: "AVAILABLE", Entities: parts("AVAILABLE", "DEGRADED")}, "DEGRADED"},
		"it counts less than limited": {Health{Overall: "LIMITED", Entities: parts("DEGRADED", "LIMITED")}, report.SendingLimited},
	} {
		if got := test.health.Messaging(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestTheAllowanceOfAnAccount(t *testing.T) {
	for name, test := range map[string]struct {
		numbers []PhoneNumber
		want    int
	}{
		"no number":           {nil, HourlyCalls},
		"none is registered":  {[]PhoneNumber{{Connection: v1alpha1.StatePending, Platform: "CLOUD_API"}, {Connection: v1alpha1.StateConnected, Platform: "ON_PREMISE"}}, HourlyCalls},
		"one is registered":   {[]PhoneNumber{{Connection: v1alpha1.StatePending}, {Connection: v1alpha1.StateConnected, Platform: "CLOUD_API"}}, HourlyCallsActive},
		"the platform is not": {[]PhoneNumber{{Connection: v1alpha1.StateConnected}}, HourlyCallsActive},
	} {
		if got := Allowance(test.numbers); got != test.want {
			t.Errorf("%s: got %d, want %d", name, got, test.want)
		}
	}
}
