package main

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	runtimeclient "sigs.k8s.io/controller-runtime/pkg/client"

	"numberfleet.dev/numberfleet/api/client"
	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/hack/rig"
	"numberfleet.dev/numberfleet/hack/rig/nats"
	"numberfleet.dev/numberfleet/internal/meta/metatest"
)

// member is a cluster with one replica, and one number of a portfolio that it shares.
type member struct {
	*replica
	api    runtimeclient.Client
	number *v1alpha1.PhoneNumber
	gate   *client.Client
}

// newMember makes a cluster whose BusinessPortfolio has a limit.
func newMember(t *testing.T, log *nats.Cluster, cluster, number string, limit int64) *member {
	t.Helper()
	common, api := newOperator(t)
	m := &member{replica: common.replica(common.configure(log, logSecret, cluster)), api: api}
	m.start()
	m.ready()
	m.number = newNumber(t, api, number, limit)
	var policy v1alpha1.MessagingPolicy
	if err := api.Get(t.Context(), runtimeclient.ObjectKey{Name: m.number.Spec.PolicyName}, &policy); err != nil {
		t.Fatal(err)
	}
	policy.Spec.Scope, policy.Spec.Flag, policy.Spec.Block = v1alpha1.ScopePortfolio, v1alpha1.FlagRules{}, v1alpha1.BlockRules{}
	alone := runtimeclient.MergeFrom(m.number.DeepCopy())
	m.number.Spec.Business.Portfolio = "acme"
	portfolio := &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: "acme"}, Spec: v1alpha1.BusinessPortfolioSpec{PolicyName: "small"}}
	if err := errors.Join(api.Update(t.Context(), &policy), api.Create(t.Context(), portfolio), api.Patch(t.Context(), m.number, alone)); err != nil {
		t.Fatal(err)
	}
	m.gate = gateAt(t, m.events, newToken(t, api, campaign))
	return m
}

// portfolio waits until the status of the portfolio holds.
func (m *member) portfolio(t *testing.T, what string, holds func(*v1alpha1.BusinessPortfolio) bool) {
	t.Helper()
	var portfolio v1alpha1.BusinessPortfolio
	if !rig.Eventually(t.Context(), func() bool {
		if err := m.api.Get(t.Context(), runtimeclient.ObjectKey{Name: "acme"}, &portfolio); err != nil {
			t.Fatal(err)
		}
		return holds(&portfolio)
	}) {
		t.Fatalf("it is not so that the portfolio of cluster %s %s: %+v", m.number.Spec.PhoneNumber, what, portfolio.Status)
	}
}

// Two clusters share a log and a portfolio: both count its users once, together they grant what its limit has, which is that of the cluster that
// set it first, and each writes its own statuses. When that cluster's portfolio is deleted, the limit is the other's.
func TestTwoClustersShareAPortfolio(t *testing.T) {
	t.Parallel()
	const limit, users = 10, 14
	log := newLog(t)
	east := newMember(t, log, "east", "+15550100071", limit)
	east.portfolio(t, "has a limit and its number", func(p *v1alpha1.BusinessPortfolio) bool {
		return p.Status.Tier.Limit == limit && p.Status.Numbers != nil && *p.Status.Numbers == 1
	})
	west := newMember(t, log, "west", "+15550100072", 1000)
	fits := func(p *v1alpha1.BusinessPortfolio, reason string) bool {
		c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionBudgetsFit)
		return c == nil && reason == "" || c != nil && c.Reason == reason
	}
	west.portfolio(t, "says that the limit is another's, and has its number", func(p *v1alpha1.BusinessPortfolio) bool {
		return fits(p, v1alpha1.ReasonSetElsewhere) && p.Status.Numbers != nil && *p.Status.Numbers == 1
	})

	granted := 0
	for user := range users {
		m := []*member{east, west}[user%2]
		_, err := m.gate.Reserve(t.Context(), client.Request{Number: m.number.Spec.PhoneNumber, User: fmt.Sprintf("+1557777%04d", user/2*2), Category: "Marketing"})
		switch {
		case err == nil:
			granted++
		case !isRefused(err, "LimitReached"):
			t.Fatalf("a reservation is answered with %v", err)
		}
	}
	if granted != users { // each user twice
		t.Errorf("%d of %d reservations for %d users were granted", granted, users, users/2)
	}
	for user := range users {
		m := []*member{east, west}[user%2]
		_, err := m.gate.Reserve(t.Context(), client.Request{Number: m.number.Spec.PhoneNumber, User: fmt.Sprintf("+1558888%04d", user), Category: "Marketing"})
		if want := user >= limit-users/2; want != isRefused(err, "LimitReached") {
			t.Errorf("the reservation for user %d is answered with %v", users/2+user, err)
		}
	}
	for _, m := range []*member{east, west} {
		m.take(metatest.MessagesPayload(m.number.Spec.PhoneNumber, []metatest.Status{
			{ID: "wamid." + m.number.Name + m.number.Spec.PhoneNumber, Status: "delivered", Phone: "15577770000", At: time.Now()}, // the operator under test runs on real time
		}, nil))
	}
	for _, m := range []*member{east, west} {
		m.portfolio(t, "counts the user of both numbers once", func(p *v1alpha1.BusinessPortfolio) bool {
			return p.Status.Usage.Used != nil && *p.Status.Usage.Used == 1 && *p.Status.Numbers == 1
		})
	}

	if err := east.api.Delete(t.Context(), &v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}); err != nil {
		t.Fatal(err)
	}
	west.portfolio(t, "has its own limit", func(p *v1alpha1.BusinessPortfolio) bool { return fits(p, "") })
	if _, err := west.gate.Reserve(t.Context(), client.Request{Number: west.number.Spec.PhoneNumber, User: "+15579999999", Category: "Marketing"}); err != nil {
		t.Errorf("beyond the limit that is gone, a reservation is answered with %v", err)
	}
}
