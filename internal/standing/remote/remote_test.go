package remote_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/standing/remote"
)

// A token is sent to nobody who could not keep it secret, and certificates that cannot be read are an error.
func TestConnectRefuses(t *testing.T) {
	noCertificate := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(noCertificate, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		options remote.Options
		want    string
	}{
		{remote.Options{URL: "http://numberfleet.example"}, "must begin with https"},
		{remote.Options{URL: "http://192.0.2.1:8444"}, "must begin with https"},
		{remote.Options{URL: "numberfleet.example"}, "must be like https://"},
		{remote.Options{URL: "ftp://numberfleet.example"}, "must be like https://"},
		{remote.Options{URL: "https://numberfleet.example", CAFile: "/nowhere"}, "/nowhere: no such file"},
		{remote.Options{URL: "https://numberfleet.example", CAFile: noCertificate}, "holds no certificate in PEM"},
	} {
		test.options.Config = &rest.Config{Host: "https://127.0.0.1:1"}
		if _, err := remote.Connect(t.Context(), &test.options); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test.options, err)
		}
	}
	for _, private := range []string{"http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1", "https://numberfleet.example"} {
		if _, err := remote.Connect(t.Context(), &remote.Options{URL: private, Config: &rest.Config{Host: "https://127.0.0.1:1"}}); err != nil {
			t.Errorf("%s: %v", private, err)
		}
	}
}

// Where the operator is not asked, an object stands as its status says, and never better.
func TestStandingOfStatuses(t *testing.T) {
	sendable := func(status metav1.ConditionStatus, reason string) v1alpha1.CommonStatus {
		return v1alpha1.CommonStatus{Conditions: []metav1.Condition{{Type: v1alpha1.ConditionSendable, Status: status, Reason: reason}}}
	}
	in := metav1.ObjectMeta{Namespace: "fleet", Name: "a"}
	until := metav1.Unix(1_772_000_000, 0)
	usage := v1alpha1.LimitStatus{
		Tier:  v1alpha1.TierStatus{Name: "250", Limit: 250},
		Usage: v1alpha1.UsageStatus{Used: new(int64(200)), Reserved: new(int64(10)), Remaining: new(int64(40)), SendableTime: until},
		Budgets: []v1alpha1.BudgetStatus{
			{Name: "logins", Used: new(int64(11)), Reserved: new(int64(1)), Guaranteed: new(int64(40)), Maximum: new(int64(50)), Remaining: new(int64(28))}},
	}
	budgets := []client.Budget{{Name: "logins", Used: 11, Reserved: 1, Guaranteed: 40, Maximum: new(int64(50)), Remaining: 28}}
	for _, test := range []struct {
		name string
		of   v1alpha1.Object
		want client.Item
	}{
		{"a number that the operator has not seen",
			&v1alpha1.PhoneNumber{ObjectMeta: in, Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: "+15550100009", PhoneNumberID: "9"}},
			client.Item{Kind: "PhoneNumber", Namespace: "fleet", Name: "a", Number: "+15550100009", NumberID: "9", Reason: "NotReady"}},
		{"a number that may send",
			&v1alpha1.PhoneNumber{ObjectMeta: in, Status: v1alpha1.PhoneNumberStatus{CommonStatus: sendable(metav1.ConditionTrue, "BelowLimit"), LimitStatus: usage, Portfolio: "acme"}},
			client.Item{Kind: "PhoneNumber", Namespace: "fleet", Name: "a", Portfolio: "acme", Limit: new(int64(250)), Used: new(int64(200)), Reserved: 10, Remaining: 40, Sendable: true, Budgets: budgets}},
		{"a portfolio that may not",
			&v1alpha1.BusinessPortfolio{ObjectMeta: in, Status: v1alpha1.BusinessPortfolioStatus{CommonStatus: sendable(metav1.ConditionFalse, "AccountRestricted"), LimitStatus: usage}},
			client.Item{Kind: "BusinessPortfolio", Namespace: "fleet", Name: "a", Limit: new(int64(250)), Used: new(int64(200)), Reserved: 10, Reason: "AccountRestricted", Until: until.Time, Budgets: budgets}},
		{"an unlimited pool",
			&v1alpha1.NumberPool{ObjectMeta: in, Status: v1alpha1.NumberPoolStatus{CommonStatus: sendable(metav1.ConditionTrue, "Unlimited")}},
			client.Item{Kind: "NumberPool", Namespace: "fleet", Name: "a", Remaining: 2147483647, Sendable: true}},
		{"a template that is paused",
			&v1alpha1.MessageTemplate{ObjectMeta: in, Status: v1alpha1.MessageTemplateStatus{CommonStatus: sendable(metav1.ConditionFalse, "TemplatePaused"), UntilTime: until}},
			client.Item{Kind: "MessageTemplate", Namespace: "fleet", Name: "a", Reason: "TemplatePaused", Until: until.Time}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, live := new(remote.Standing).Of(test.of); live || !reflect.DeepEqual(got, test.want) {
				t.Errorf("it stands at %+v, live: %t", got, live)
			}
		})
	}
}
