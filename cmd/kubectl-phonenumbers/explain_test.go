package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
)

// The plugin reads a real API server with an ordinary kubeconfig.
func TestExplain(t *testing.T) {
	api, file := cluster(t).api, cluster(t).kubeconfig
	at := metav1.NewTime(time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	number := &v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "hotels"}, Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: "+15550100009"}}
	template := &v1alpha1.MessageTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "offer"},
		Spec: v1alpha1.MessageTemplateSpec{TemplateName: "offer", Language: "en", WhatsAppBusinessAccountID: "2001"}}
	for _, object := range []client.Object{number, template} {
		if err := api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	number.Status = v1alpha1.PhoneNumberStatus{
		CommonStatus: v1alpha1.CommonStatus{
			Conditions: []metav1.Condition{{Type: "Ready", Status: "False", Reason: "PolicyNotFound", Message: "There is no MessagingPolicy.", LastTransitionTime: at},
				{Type: "Sendable", Status: "False", Reason: "LimitReached", Message: "The limit is reached.", LastTransitionTime: at}},
			History: []v1alpha1.Transition{{Time: at, Reason: v1alpha1.ReasonRestricted, Message: "250 of 250 are used"}},
		},
		LimitStatus: v1alpha1.LimitStatus{
			Tier: v1alpha1.TierStatus{Name: "250", Limit: 250, SinceTime: at, Source: v1alpha1.FromPolicy},
			Usage: v1alpha1.UsageStatus{Source: v1alpha1.CountedHere, ObservedTime: at, Used: new(int64(250)), Remaining: new(int64(0)), SendableTime: metav1.NewTime(at.Add(time.Hour)),
				UniqueUsers7d: new(int64(250)), Messages7d: new(int64(250))},
			Explanation: []string{"Restricted since then. (rule 1 of a document)"},
		},
		State:   v1alpha1.StateRestricted,
		Quality: v1alpha1.QualityStatus{Rating: v1alpha1.QualityHigh, SinceTime: at, Source: v1alpha1.FromReport},
	}
	if err := api.Status().Update(t.Context(), number); err != nil {
		t.Fatal(err)
	}
	portfolio := &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: "acme"}, Spec: v1alpha1.BusinessPortfolioSpec{DisplayName: "Acme"}}
	if err := api.Create(t.Context(), portfolio); err != nil {
		t.Fatal(err)
	}
	portfolio.Status = v1alpha1.BusinessPortfolioStatus{
		CommonStatus: v1alpha1.CommonStatus{Conditions: []metav1.Condition{{Type: "Ready", Status: "True", Reason: "Evaluated", LastTransitionTime: at},
			{Type: "Sendable", Status: "True", Reason: "BelowLimit", LastTransitionTime: at},
			{Type: "BudgetsFit", Status: "False", Reason: "GuaranteesExceedLimit", Message: "Lower what is guaranteed.", LastTransitionTime: at}}},
		LimitStatus: v1alpha1.LimitStatus{
			Tier:  v1alpha1.TierStatus{Name: "2K", Limit: 2000, SinceTime: at, Source: v1alpha1.FromPolicy},
			Usage: v1alpha1.UsageStatus{Source: v1alpha1.CountedHere, ObservedTime: at, Used: new(int64(311)), Reserved: new(int64(40)), Remaining: new(int64(1649))},
			Budgets: []v1alpha1.BudgetStatus{
				{Name: "logins", Used: new(int64(11)), Reserved: new(int64(0)), Guaranteed: new(int64(400)), Remaining: new(int64(1649))},
				{Name: "campaigns", Used: new(int64(300)), Reserved: new(int64(40)), Guaranteed: new(int64(0)), Maximum: new(int64(600)), Remaining: new(int64(260))}},
		},
		Quality: v1alpha1.PortfolioQuality{Rating: v1alpha1.QualityHigh, SinceTime: at},
	}
	if err := api.Status().Update(t.Context(), portfolio); err != nil {
		t.Fatal(err)
	}
	pool := &v1alpha1.NumberPool{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "all"}, Spec: v1alpha1.NumberPoolSpec{Selector: &metav1.LabelSelector{}}}
	if err := api.Create(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	pool.Status = v1alpha1.NumberPoolStatus{
		CommonStatus: v1alpha1.CommonStatus{Conditions: []metav1.Condition{{Type: "Ready", Status: "True", Reason: "Evaluated", LastTransitionTime: at},
			{Type: "Sendable", Status: "True", Reason: "BelowLimit", LastTransitionTime: at},
			{Type: "MembersFit", Status: "False", Reason: "PoliciesDiffer", Message: "The numbers are governed by different policies.", LastTransitionTime: at}}},
		Numbers: new(int32(2)), Sendable: new(int32(1)), Remaining: new(int64(50)), Reserved: new(int64(3)),
		Members: []v1alpha1.PoolMember{{Name: "hotels", State: v1alpha1.StateRestricted, Remaining: new(int64(0)), Reason: v1alpha1.RoomLimitReached},
			{Name: "support", State: v1alpha1.StateConnected, Remaining: new(int64(50))}},
	}
	if err := api.Status().Update(t.Context(), pool); err != nil {
		t.Fatal(err)
	}

	for _, test := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"a number, with what keeps it from being ready", []string{"hotels"}, 0, `PhoneNumber default/hotels is Restricted: tier 250, 250 of 250 used, 0 remain (LimitReached, until 2026-03-02 10:00:00 UTC), quality High

Not ready, PolicyNotFound: There is no MessagingPolicy.

Why, as of 2026-03-02 09:00:00 UTC:
  - Restricted since then. (rule 1 of a document)

Lately:
  2026-03-02 09:00:00  Restricted         250 of 250 are used
`},
		{"a portfolio, with its budgets", []string{"wabp/acme"}, 0, `BusinessPortfolio acme: tier 2K, 311 of 2000 used, 40 reserved, 1649 remain, quality High

Why, as of 2026-03-02 09:00:00 UTC:
  - Lower what is guaranteed.

Budgets:
  NAME       USED  RESERVED  GUARANTEED  MAXIMUM  REMAINING
  logins     11    0         400         -        1649
  campaigns  300   40        0           600      260
`},
		{"a pool, with its numbers", []string{"npool/all"}, 0, `NumberPool default/all: 1 of 2 numbers may send, 3 reserved, 50 remain

Why:
  - The numbers are governed by different policies.

Numbers:
  NAME     STATE       REMAINING  WHY
  hotels   Restricted  0          LimitReached
  support  Connected   50         -
`},
		{"a number, for programs", []string{"hotels", "-o", "json"}, 0, `{
  "kind": "PhoneNumber",
  "namespace": "default",
  "name": "hotels",
  "summary": "PhoneNumber default/hotels is Restricted: tier 250, 250 of 250 used, 0 remain (LimitReached, until 2026-03-02 10:00:00 UTC), quality High",
  "asOf": "2026-03-02T09:00:00Z",
  "why": [
    "Restricted since then. (rule 1 of a document)"
  ],
  "ready": {
    "type": "Ready",
    "status": "False",
    "lastTransitionTime": "2026-03-02T09:00:00Z",
    "reason": "PolicyNotFound",
    "message": "There is no MessagingPolicy."
  },
  "lately": [
    {
      "time": "2026-03-02T09:00:00Z",
      "reason": "Restricted",
      "message": "250 of 250 are used"
    }
  ]
}
`},
		{"a portfolio, with its budgets, for programs", []string{"wabp/acme", "-o", "yaml"}, 0, `asOf: "2026-03-02T09:00:00Z"
budgets:
- guaranteed: 400
  name: logins
  remaining: 1649
  reserved: 0
  used: 11
- guaranteed: 0
  maximum: 600
  name: campaigns
  remaining: 260
  reserved: 40
  used: 300
kind: BusinessPortfolio
name: acme
ready:
  lastTransitionTime: "2026-03-02T09:00:00Z"
  message: ""
  reason: Evaluated
  status: "True"
  type: Ready
summary: 'BusinessPortfolio acme: tier 2K, 311 of 2000 used, 40 reserved, 1649 remain,
  quality High'
why:
- Lower what is guaranteed.
`},
		{"a template that was not seen yet, for programs", []string{"messagetemplate/offer", "-o", "json"}, 0, `{
  "kind": "MessageTemplate",
  "namespace": "default",
  "name": "offer",
  "summary": "MessageTemplate default/offer",
  "why": []
}
`},
		{"a template that was not seen yet", []string{"messagetemplate/offer"}, 0, "MessageTemplate default/offer\n\nThe operator has not seen it yet.\n"},
		{"a number that is not there", []string{"nobody"}, 1, "Error: there is no phonenumber \"nobody\" in namespace \"default\"\n"},
		{"a portfolio that is not there", []string{"wabp/nobody"}, 1, "Error: there is no wabp \"nobody\"\n"},
		{"a kind that is none", []string{"pod/hotels"}, 2, "Error: \"pod\" is no kind that the operator has: it must be phonenumber, businessportfolio, messagetemplate or numberpool\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			code := run(t.Context(), append([]string{"explain", "--kubeconfig", file, "-n", "default"}, test.args...), nil, &out, &out)
			if code != test.code || out.String() != test.want {
				t.Errorf("it ends with %d and says\n%s\nnot %d and\n%s", code, out.String(), test.code, test.want)
			}
		})
	}
}

// A status that does not say whether anything may be sent, as one of before that condition, shows nothing that remains.
func TestExplainShowsNoRoomThatNobodySays(t *testing.T) {
	number := &v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: "fleet", Name: "hotels"}}
	number.Status.Tier = v1alpha1.TierStatus{Name: "250", Limit: 250}
	if summary := explain(number).Summary; !strings.Contains(summary, "limit 250, 0 remain (NotReady)") {
		t.Errorf("it says %q", summary)
	}
}
