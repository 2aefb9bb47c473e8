package standing_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// cache has what a test puts into it.
type cache struct {
	client.Reader
	policies   []v1alpha1.MessagingPolicy
	numbers    []v1alpha1.PhoneNumber
	portfolios []v1alpha1.BusinessPortfolio
	pools      []v1alpha1.NumberPool
}

func (c *cache) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	switch l := list.(type) {
	case *v1alpha1.MessagingPolicyList:
		l.Items = c.policies
	case *v1alpha1.PhoneNumberList:
		l.Items = c.numbers
	case *v1alpha1.BusinessPortfolioList:
		l.Items = c.portfolios
	case *v1alpha1.NumberPoolList:
		l.Items = c.pools
	default:
		return fmt.Errorf("no %T here", list)
	}
	return nil
}

// usedBy is how much each number has used; those of a portfolio have no user in common.
type usedBy map[string]int64

func (c usedBy) used(n int64) standing.Used { return standing.Used{Usage: flat(n), Now: &n} }

func (c usedBy) Number(n *v1alpha1.PhoneNumber, _ *rules.Policy, _ time.Time) standing.Used {
	return c.used(c[n.Name])
}

func (c usedBy) Portfolio(_ string, members []*v1alpha1.PhoneNumber, _ *rules.Policy, _ time.Time) standing.Used {
	sum := int64(0)
	for _, n := range members {
		sum += c[n.Name]
	}
	return c.used(sum)
}

// flat is usage that never changes.
type flat int64

func (f flat) Count(v1alpha1.Measure, time.Time, time.Time) rules.Count {
	return rules.Count{Least: int64(f), Most: int64(f), Known: true}
}
func (flat) Nth(v1alpha1.Measure, int64, time.Time, time.Time) time.Time                    { return time.Time{} }
func (flat) Last(v1alpha1.Measure, time.Time, time.Time) time.Time                          { return time.Time{} }
func (flat) FallsBelow(v1alpha1.Measure, time.Duration, int64, time.Time) (never time.Time) { return }

var ready = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}}

// number is one that was evaluated at a limit of 250.
func number(name, portfolio string, change func(*v1alpha1.PhoneNumber)) v1alpha1.PhoneNumber {
	n := v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: v1alpha1.PhoneNumberStatus{Portfolio: portfolio}}
	n.Status.Conditions, n.Status.PolicyName = ready, "meta-2025"
	n.Status.Tier, n.Status.Connection.State = v1alpha1.TierStatus{Name: "250", Limit: 250}, v1alpha1.StateConnected
	if change != nil {
		change(&n)
	}
	return n
}

// shipped is a policy that ships.
func shipped(t *testing.T) (policy v1alpha1.MessagingPolicy) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "policies", "meta-2025.yaml"))
	if err == nil {
		err = yaml.UnmarshalStrict(content, &policy)
	}
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// What may be sent is what the statuses decided and what is counted at this very instant.
func TestWhatMayBeSentNow(t *testing.T) {
	policy := shipped(t)
	shared := v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: "shared"}}
	shared.Status.Conditions, shared.Status.PolicyName, shared.Status.Tier = ready, "meta-2025", v1alpha1.TierStatus{Name: "250", Limit: 250}
	asleep := *shared.DeepCopy()
	asleep.Name, asleep.Spec.Activity = "asleep", v1alpha1.Suspended
	offline := func(n *v1alpha1.PhoneNumber) { n.Status.Connection.State = v1alpha1.StateOffline }
	c := &cache{policies: []v1alpha1.MessagingPolicy{policy}, portfolios: []v1alpha1.BusinessPortfolio{shared, asleep}, numbers: []v1alpha1.PhoneNumber{
		number("alone", "", nil),
		number("over", "", nil),
		number("new", "", func(n *v1alpha1.PhoneNumber) { n.Status = v1alpha1.PhoneNumberStatus{} }),
		number("unserved", "", func(n *v1alpha1.PhoneNumber) { n.Status.Conditions = nil }),
		number("frozen", "", func(n *v1alpha1.PhoneNumber) { n.Spec.Activity = v1alpha1.Suspended }),
		number("policyless", "", func(n *v1alpha1.PhoneNumber) { n.Status.PolicyName = "gone" }),
		number("restricted", "", func(n *v1alpha1.PhoneNumber) {
			n.Status.Restriction = v1alpha1.RestrictionStatus{SinceTime: metav1.NewTime(now), UntilTime: metav1.NewTime(now.Add(time.Hour)),
				Source: v1alpha1.FromReport, Reason: report.RestrictedMessaging}
		}),
		number("member", "shared", nil),
		number("idle", "shared", offline),
		number("sleeper", "asleep", nil),
		number("orphan", "deleted", nil),
	}}
	view, err := standing.At(t.Context(), c, usedBy{"alone": 100, "over": 260, "member": 30, "idle": 20}, &standing.Policies{}, now)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]rules.Room{
		"alone":      {Limit: 250, Used: 100, Remaining: 150, Sendable: true},
		"over":       {Limit: 250, Used: 260, Reason: v1alpha1.RoomLimitReached},
		"new":        {Reason: v1alpha1.RoomNotReady},
		"unserved":   {Limit: 250, Reason: v1alpha1.RoomNotReady},
		"frozen":     {Limit: 250, Reason: v1alpha1.RoomSuspended},
		"policyless": {Limit: 250, Reason: v1alpha1.RoomNotReady},
		"restricted": {Limit: 250, Reason: v1alpha1.RoomAccountRestricted, Until: now.Add(time.Hour)},
		"member":     {Limit: 250, Used: 50, Remaining: 200, Sendable: true},
		"idle":       {Limit: 250, Used: 50, Reason: v1alpha1.RoomOffline},
		"sleeper":    {Limit: 250, Reason: v1alpha1.RoomSuspended},
		"orphan":     {Reason: v1alpha1.RoomNotReady},
	}
	for i := range c.numbers {
		n := &c.numbers[i]
		if got := view.Number(n).Room; got != want[n.Name] {
			t.Errorf("%s: %+v, want %+v", n.Name, got, want[n.Name])
		}
	}
	if got, want := view.Portfolio(&shared).Room, (rules.Room{Limit: 250, Used: 50, Remaining: 200, Sendable: true}); got != want {
		t.Errorf("the portfolio: %+v, want %+v", got, want)
	}
	if got, want := view.Portfolio(&asleep).Room, (rules.Room{Limit: 250, Reason: v1alpha1.RoomSuspended}); got != want {
		t.Errorf("the suspended portfolio: %+v, want %+v", got, want)
	}

	template := v1alpha1.MessageTemplate{Status: v1alpha1.MessageTemplateStatus{
		CommonStatus: v1alpha1.CommonStatus{Conditions: ready}, State: v1alpha1.TemplateApproved}}
	if got := standing.Template(&template); !got.Sendable {
		t.Errorf("an approved template: %+v", got)
	}
	template.Status.State, template.Status.UntilTime = v1alpha1.TemplatePaused, metav1.NewTime(now.Add(time.Hour))
	if got, want := standing.Template(&template), (rules.Room{Reason: v1alpha1.RoomTemplatePaused, Until: now.Add(time.Hour)}); got != want {
		t.Errorf("a paused template: %+v, want %+v", got, want)
	}
}
