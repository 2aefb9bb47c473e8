package standing_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/report"
	"numberfleet.dev/numberfleet/internal/rules"
	"numberfleet.dev/numberfleet/internal/standing"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// sourceOf says where some resources stand.
func sourceOf(used usedBy, objects ...client.Object) *standing.Source {
	resources := standing.NewResources(objects...)
	return &standing.Source{
		Resources: func() (*standing.Resources, error) { return resources, nil }, Counts: used, Compiled: &standing.Policies{}, Clock: testingclock.NewFakePassiveClock(now),
	}
}

// viewOf is where some resources stand.
func viewOf(t *testing.T, used usedBy, objects ...client.Object) *standing.View {
	t.Helper()
	view, err := sourceOf(used, objects...).Now()
	if err != nil {
		t.Fatal(err)
	}
	return view
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
func number(name, portfolio string, change func(*v1alpha1.PhoneNumber)) *v1alpha1.PhoneNumber {
	n := &v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: v1alpha1.PhoneNumberStatus{Portfolio: portfolio}}
	n.Status.Conditions, n.Status.PolicyName = ready, "meta-2025"
	n.Status.Tier, n.Status.Connection.State = v1alpha1.TierStatus{Name: "250", Limit: 250}, v1alpha1.StateConnected
	if change != nil {
		change(n)
	}
	return n
}

// shipped is a policy that ships.
func shipped(t *testing.T) *v1alpha1.MessagingPolicy {
	t.Helper()
	policy := &v1alpha1.MessagingPolicy{}
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "policies", "meta-2025.yaml"))
	if err == nil {
		err = yaml.UnmarshalStrict(content, policy)
	}
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// What may be sent is what the statuses decided and what is counted at this very instant.
func TestWhatMayBeSentNow(t *testing.T) {
	shared := &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: "shared"}}
	shared.Status.Conditions, shared.Status.PolicyName, shared.Status.Tier = ready, "meta-2025", v1alpha1.TierStatus{Name: "250", Limit: 250}
	asleep := shared.DeepCopy()
	asleep.Name, asleep.Spec.Activity = "asleep", v1alpha1.Suspended
	offline := func(n *v1alpha1.PhoneNumber) { n.Status.Connection.State = v1alpha1.StateOffline }
	view := viewOf(t, usedBy{"alone": 100, "over": 260, "member": 30, "idle": 20}, shipped(t), shared, asleep,
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
	)
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
	for n := range view.AllNumbers() {
		if got := view.Number(n).Room; got != want[n.Name] {
			t.Errorf("%s: %+v, want %+v", n.Name, got, want[n.Name])
		}
	}
	if got, want := view.Portfolio(shared).Room, (rules.Room{Limit: 250, Used: 50, Remaining: 200, Sendable: true}); got != want {
		t.Errorf("the portfolio: %+v, want %+v", got, want)
	}
	if got, want := view.Portfolio(asleep).Room, (rules.Room{Limit: 250, Reason: v1alpha1.RoomSuspended}); got != want {
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
