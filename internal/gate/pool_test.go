package gate_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "numberfleet.dev/numberfleet/api/v1alpha1"
	"numberfleet.dev/numberfleet/internal/gate"
	"numberfleet.dev/numberfleet/internal/gate/gatetest"
	"numberfleet.dev/numberfleet/internal/ledger/counts"
	"numberfleet.dev/numberfleet/internal/report"
)

// pool has the numbers of the namespace shop, of which there is a second one here.
func (d *desk) pool(limit int64) gate.Request {
	d.Helper()
	const second = "+15550100003"
	d.Fleet.Numbers = append(d.Fleet.Numbers, &v1alpha1.PhoneNumber{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "care"}, Spec: v1alpha1.PhoneNumberSpec{PhoneNumber: second, PhoneNumberID: "106540352242924"},
	})
	d.Fleet.Pools = append(d.Fleet.Pools, &v1alpha1.NumberPool{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "all"}})
	d.Configure(d.T, counts.LimitSetting{Subject: second, Limit: limit})
	if err := d.Ledger.Configure(counts.Settings{
		Senders: []counts.SenderSetting{{Number: second, Namespace: "shop"}},
		Pools: []counts.PoolSetting{{Name: counts.PoolName("shop", "all"), Members: []counts.PoolMember{
			{Number: gatetest.Number, Weight: 1}, {Number: second, Weight: 1}, {Number: gatetest.Another, Weight: 1},
		}}},
	}); err != nil {
		d.Fatal(err)
	}
	return gate.Request{Pool: "all", Namespace: "shop", Category: report.Marketing}
}

// A pool sends by the number that the gate chooses. A refusal says why each number does not, by name, and nothing of what another namespace
// has; it is told of the pool.
func TestAPoolSendsByTheNumberThatIsChosen(t *testing.T) {
	d := newDesk(t, 1)
	request := d.pool(1)
	names := map[string]bool{}
	from := func(user int) gate.Request {
		r := request
		r.User = fmt.Sprintf("+1555020%04d", user)
		return r
	}
	for user := range 2 {
		answer := d.reserve(shop, from(user))[0]
		d.expect([]gate.Answer{answer}, "Held Reserved")
		names[answer.Name] = true
		if answer.Namespace != "shop" || answer.NumberID == "" {
			t.Errorf("the number of the answer is %+v", answer)
		}
	}
	if !names["sales"] || !names["care"] {
		t.Errorf("of two numbers with a place each, %v send", names)
	}
	answer := d.reserve(shop, from(3))[0]
	d.expect([]gate.Answer{answer},
		"429 LimitReached: none of the 3 numbers of the pool may send; of the one that may first: 0 of 1 are used and 1 are held; the first place is free at 2026-11-02T12:10:00Z")
	why := map[string]gate.Reason{}
	for _, m := range answer.Problem.Members {
		why[m.Name] = m.Reason
	}
	if len(why) != 2 || why["sales"] != "LimitReached" || why["care"] != "LimitReached" || answer.Problem.RetryAfter == 0 {
		t.Errorf("the problem is %+v", answer.Problem)
	}
	if told := <-d.Recorder.Events; !strings.Contains(told, gate.EventRefused) {
		t.Errorf("told is %q", told)
	}
}

func TestAPoolIsFoundByThoseWhoMaySendFromItsNamespace(t *testing.T) {
	d := newDesk(t, 1)
	request := d.pool(1)
	request.User = "+15550200001"
	missing, elsewhere, anywhere := request, request, request
	missing.Pool, elsewhere.Namespace, anywhere.Namespace = "none", "other", ""
	for i, test := range []struct {
		caller  gate.Caller
		request gate.Request
		want    int
	}{{shop, request, 0}, {nobody, request, 403}, {nobody, missing, 403}, {shop, missing, 404}, {shop, elsewhere, 403}, {shop, anywhere, 400}} {
		answer := d.reserve(test.caller, test.request)[0]
		if status := 0; answer.Problem != nil && answer.Problem.Status != test.want || answer.Problem == nil && test.want != status {
			t.Errorf("%d: it is %s", i, said(&answer))
		}
	}
}

func TestAKeyIsOfOnePool(t *testing.T) {
	d := newDesk(t, 5)
	all := d.pool(5)
	all.User, all.Key = "+15550200001", "order-17"
	few := all
	few.Pool = "few"
	d.Fleet.Pools = append(d.Fleet.Pools, &v1alpha1.NumberPool{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: few.Pool}})
	if err := d.Ledger.Configure(counts.Settings{Pools: []counts.PoolSetting{
		{Name: counts.PoolName("shop", few.Pool), Members: []counts.PoolMember{{Number: gatetest.Number, Weight: 1}}},
	}}); err != nil {
		d.Fatal(err)
	}
	answers := d.reserve(shop, all, all, few)
	if one, again, other := answers[0].Decision.ID, answers[1].Decision.ID, answers[2].Decision.ID; one != again || one == other {
		t.Errorf("they are %s, %s and %s", one, again, other)
	}
}

// A caller says from which numbers of a pool it cannot send: another one sends, and a refusal has the caller's reasons.
func TestACallerPassesOverNumbersOfAPool(t *testing.T) {
	d := newDesk(t, 10)
	r := d.pool(10)
	r.User = "+15550209999"
	r.Without = []gate.Exclusion{{Number: gatetest.Number, Reason: gate.NotConfigured}}
	if answer := d.reserve(shop, r)[0]; answer.Problem != nil || answer.Name != "care" {
		t.Errorf("it is %+v", answer)
	}
	r.User = "+15550209998"
	r.Without = append(r.Without, gate.Exclusion{Number: "+15550100003", Reason: gate.Throttled, Wait: 5 * time.Second})
	p := d.reserve(shop, r)[0].Problem
	if p == nil || p.Reason != gate.Throttled || p.Status != http.StatusTooManyRequests || p.RetryAfter < 5*time.Second || p.RetryAfter > 6*time.Second {
		t.Fatalf("it is %+v", p)
	}
	why := map[string]gate.Reason{}
	for _, m := range p.Members {
		why[m.Name] = m.Reason
	}
	if why["sales"] != gate.NotConfigured || why["care"] != gate.Throttled {
		t.Errorf("the numbers are refused for %v", why)
	}
}
