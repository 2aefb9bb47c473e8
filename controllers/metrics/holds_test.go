package metrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/controllers/internal/controllertest"
	"numberfleet.dev/numberfleet/controllers/metrics"
	"numberfleet.dev/numberfleet/internal/gate/gatetest"
	"numberfleet.dev/numberfleet/internal/ledger"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/standing"
)

func TestHoldsAreShownByWhoHasTheLimit(t *testing.T) {
	begin := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	l := ledger.OpenMemory()
	defer func() { _ = l.Close() }()
	limit := counts.LimitSetting{Limit: 10, Measure: v1alpha1.MeasureUniqueUsers, Window: 24 * time.Hour}
	own, shared := limit, limit
	own.Subject, shared.Subject = "+15550100001", counts.PortfolioKey("acme")
	if err := l.SetPortfolio("acme", []string{"+15550100002"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Configure(counts.Settings{
		Limits:  []counts.LimitSetting{own, shared},
		Senders: []counts.SenderSetting{{Number: "+15550100001", Namespace: "shop"}, {Number: "+15550100002", Namespace: "shop"}},
	}); err != nil {
		t.Fatal(err)
	}
	operate := func(at time.Time, operations ...counts.Operation) {
		t.Helper()
		decisions, err := l.Operate(t.Context(), operations, at)
		if err != nil {
			t.Fatal(err)
		}
		for i := range decisions {
			if decisions[i].State == counts.Refused {
				t.Fatalf("it is %+v", decisions[i])
			}
		}
	}
	reserve := func(id byte, number string) counts.Operation {
		return counts.Operation{Kind: counts.Reserve, ID: counts.ReservationID{id}, Number: number, User: counts.UserKey(id), TTL: 600}
	}
	operate(begin, reserve(1, "+15550100002"), reserve(2, "+15550100002"))
	operate(begin.Add(20*time.Minute), counts.Operation{Kind: counts.Confirm, ID: counts.ReservationID{1}, Message: 1}, reserve(3, "+15550100002"))

	// A number with its own limit, and a portfolio with a number.
	resources := standing.NewResources(
		&v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "alone"}, Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: "+15550100001"}},
		&v1alpha1.PhoneNumber{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "member"}, Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: "+15550100002"},
			Status: v1alpha1.PhoneNumberStatus{Portfolio: "acme"}},
		&v1alpha1.BusinessPortfolio{ObjectMeta: metav1.ObjectMeta{Name: "acme"}})
	holds := &metrics.Holds{Resources: func() (*standing.Resources, error) { return resources, nil }, Ledger: l, Clock: gatetest.Clock{PassiveClock: clocktesting.NewFakePassiveClock(begin.Add(30 * time.Minute))}}
	if err := testutil.GatherAndCompare(controllertest.Gatherer(holds), strings.NewReader(`
# HELP numberfleet_gate_held Number of reservations that hold a place of a messaging limit.
# TYPE numberfleet_gate_held gauge
numberfleet_gate_held{kind="BusinessPortfolio",name="acme",namespace=""} 3
numberfleet_gate_held{kind="PhoneNumber",name="alone",namespace="shop"} 0
# HELP numberfleet_gate_held_unknown Number of reservations that hold a place of a messaging limit although their time to send is over, since nobody said what became of them.
# TYPE numberfleet_gate_held_unknown gauge
numberfleet_gate_held_unknown{kind="BusinessPortfolio",name="acme",namespace=""} 2
numberfleet_gate_held_unknown{kind="PhoneNumber",name="alone",namespace="shop"} 0
# HELP numberfleet_gate_oldest_hold_seconds Age of the oldest reservation that holds a place of a messaging limit; 0 where there is none.
# TYPE numberfleet_gate_oldest_hold_seconds gauge
numberfleet_gate_oldest_hold_seconds{kind="BusinessPortfolio",name="acme",namespace=""} 1800
numberfleet_gate_oldest_hold_seconds{kind="PhoneNumber",name="alone",namespace="shop"} 0
`)); err != nil {
		t.Error(err)
	}
}
